# The model server with what it loads, and nothing else: no shell, no package manager. A model is mounted at /model, or
# appended as a layer. docs/containers.md says how it is built and run.
ARG BUILD_BASE=debian:bookworm-slim
ARG RUNTIME_BASE=scratch
ARG DEVICE=cpu

# libtorch by itself: it is large, and changes seldom.
FROM ${BUILD_BASE} AS libtorch
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends binutils python3-pip \
 && rm -rf /var/lib/apt/lists/*
ENV MLPIPE_LIBTORCH_DIR=/opt/libtorch-cpu
COPY scripts/install-libtorch /source/scripts/
RUN /source/scripts/install-libtorch

# What programs load of it: the first layer of the image, and the same for the server and the trainer.
FROM libtorch AS loaded
ARG DEVICE
ENV MLPIPE_LIBTORCH_DIR=/opt/libtorch-${DEVICE}
RUN /source/scripts/install-libtorch --device "$DEVICE"
RUN mkdir -p /runtime/usr/local/lib/mlpipe \
 && cd "$MLPIPE_LIBTORCH_DIR" \
 && /source/scripts/install-libtorch --device "$DEVICE" --files \
    | xargs cp --parents --no-dereference --no-preserve=timestamps -t /runtime/usr/local/lib/mlpipe \
 && find /runtime/usr/local/lib/mlpipe/torch -type f -exec strip --strip-unneeded '{}' + \
 && mkdir -p /runtime/usr/share/doc/libtorch \
 && find . -path './*.dist-info/*' -type f \( -iname 'licen*' -o -name NOTICE \) | LC_ALL=C sort \
    | xargs tail -n +1 | gzip -n > /runtime/usr/share/doc/libtorch/copyright.gz

FROM libtorch AS dependencies
COPY scripts/install-deps /source/scripts/
RUN /source/scripts/install-deps --programs && rm -rf /var/lib/apt/lists/*

# What the server and the trainer share is compiled once, for any device.
FROM dependencies AS common
COPY CMakeLists.txt /source/
COPY cmake/ /source/cmake/
COPY pipeline/CMakeLists.txt /source/pipeline/
COPY pipeline/base/ /source/pipeline/base/
COPY pipeline/model/ /source/pipeline/model/
COPY trainer/CMakeLists.txt /source/trainer/
COPY trainer/image/ /source/trainer/image/
COPY trainer/network/ /source/trainer/network/
RUN cmake -S /source -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
      -DMLPIPE_TESTS=OFF -DMLPIPE_PARTS=network \
 && cmake --build /build --parallel "$(nproc)"

FROM common AS build
COPY server/ /source/server/
RUN cmake -DMLPIPE_PARTS=server /build && cmake --build /build --parallel "$(nproc)"
ARG DEVICE
RUN cmake -DMLPIPE_DEVICE="$DEVICE" /build \
 && cmake --build /build --parallel "$(nproc)" \
 && cmake --install /build --component programs --strip --prefix /program/usr/local
COPY LICENSE /program/usr/share/doc/mlpipe/copyright
COPY --from=loaded /runtime/ /
COPY containers/collect-runtime /source/containers/
RUN cp -r /program/usr/local/. /usr/local/ \
 && /source/containers/collect-runtime /system /usr/local/bin/mlpipe-serve /usr/local/bin/mlpipe-serve-health \
      /usr/local/lib/mlpipe/mlpipe-serve-grpc.so \
 && printf 'mlpipe:x:65532:65532::/tmp:/usr/sbin/nologin\n' > /system/etc/passwd \
 && printf 'mlpipe:x:65532:\n' > /system/etc/group

FROM ${RUNTIME_BASE}
COPY --from=loaded /runtime/ /
COPY --from=build /system/ /
COPY --from=build /program/ /
# No GPU but for who asks for one, also where NVIDIA's runtime is the default.
ENV NVIDIA_VISIBLE_DEVICES=void NVIDIA_DRIVER_CAPABILITIES=compute,utility
# What the server is told by its environment, its health check is told too. An option of the command line comes before.
ENV MLPIPE_SERVE_OPTION_MODEL=/model \
    MLPIPE_SERVE_OPTION_HOST=0.0.0.0 \
    MLPIPE_SERVE_OPTION_PORT=8080 \
    MLPIPE_SERVE_OPTION_ADMIN_HOST=0.0.0.0 \
    MLPIPE_SERVE_OPTION_ADMIN_PORT=8081 \
    MLPIPE_SERVE_OPTION_GRPC_HOST=0.0.0.0
EXPOSE 8080 8081
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/mlpipe-serve-health"]
ENTRYPOINT ["/usr/local/bin/mlpipe-serve"]

# Last, because they change most. The image is from scratch; its libraries are those of the build's base.
ARG BUILD_BASE
ARG BASE_NAME=${BUILD_BASE}
ARG BASE_DIGEST=
ARG REVISION=
ARG SOURCE=
ARG VERSION=
LABEL org.opencontainers.image.title="mlpipe-serve" \
      org.opencontainers.image.description="mlpipe model server, without a model" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.base.name="${BASE_NAME}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
