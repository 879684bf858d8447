# mlpipe-train and mlpipe-fetch, on a Debian that has a shell for steps with commands of their own: FROM it goes whatever
# they need. docs/containers.md says how it is built and run.
ARG BUILD_BASE=debian:bookworm-slim
ARG RUNTIME_BASE=debian:bookworm-slim
ARG DEVICE=cpu

# What the base has already is not brought again.
FROM ${RUNTIME_BASE} AS base
RUN find /usr/lib /usr/lib64 /lib64/ -name '*.so*' > /libraries

# libtorch by itself: it is large, and changes seldom. What programs load of it is the image's first layer.
FROM ${BUILD_BASE} AS libtorch
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends binutils python3-pip \
 && rm -rf /var/lib/apt/lists/*
ENV MLPIPE_LIBTORCH_DIR=/opt/libtorch
ARG DEVICE
COPY scripts/install-libtorch /source/scripts/
RUN /source/scripts/install-libtorch --device "$DEVICE"
RUN mkdir -p /runtime/usr/local/lib/mlpipe \
 && cd /opt/libtorch \
 && /source/scripts/install-libtorch --device "$DEVICE" --files \
    | xargs cp --parents --no-dereference --no-preserve=timestamps -t /runtime/usr/local/lib/mlpipe \
 && find /runtime/usr/local/lib/mlpipe/torch -type f -exec strip --strip-unneeded '{}' +

FROM libtorch AS dependencies
COPY scripts/install-deps /source/scripts/
RUN /source/scripts/install-deps --programs && rm -rf /var/lib/apt/lists/*

FROM dependencies AS build
COPY CMakeLists.txt /source/
COPY cmake/ /source/cmake/
COPY pipeline/CMakeLists.txt /source/pipeline/
COPY pipeline/base/ /source/pipeline/base/
COPY pipeline/model/ /source/pipeline/model/
COPY pipeline/fetch/ /source/pipeline/fetch/
COPY trainer/ /source/trainer/
ARG DEVICE
RUN cmake -S /source -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
      -DMLPIPE_TESTS=OFF -DMLPIPE_PARTS=trainer -DMLPIPE_DEVICE="$DEVICE" \
 && cmake --build /build --parallel "$(nproc)" \
 && cmake --install /build --component programs --strip --prefix /program/usr/local
# They find libtorch where it lies in the image.
RUN mkdir -p /usr/local/lib/mlpipe \
 && ln -s /opt/libtorch/torch /opt/libtorch/nvidia /usr/local/lib/mlpipe/ \
 && mkdir -p /usr/local/bin && cp -r /program/usr/local/. /usr/local/
COPY containers/collect-runtime /source/containers/
COPY LICENSE /program/usr/share/doc/mlpipe/copyright
COPY --from=base /libraries /libraries
RUN /source/containers/collect-runtime --without /libraries /system /usr/local/bin/mlpipe-train /usr/local/bin/mlpipe-fetch \
 && mkdir -p /system/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /system/etc/ssl/certs/

FROM ${RUNTIME_BASE} AS runtime-cpu
ENV NVIDIA_VISIBLE_DEVICES=void

FROM ${RUNTIME_BASE} AS runtime-cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM runtime-${DEVICE}
COPY --from=libtorch /runtime/ /
COPY --from=build /system/ /
COPY --from=build /program/ /
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
CMD ["mlpipe-train", "--help"]

# Last, because they change most.
ARG RUNTIME_BASE
ARG BASE_NAME=${RUNTIME_BASE}
ARG BASE_DIGEST=
ARG REVISION=
ARG SOURCE=
ARG VERSION=
LABEL org.opencontainers.image.title="mlpipe-train" \
      org.opencontainers.image.description="mlpipe trainer: mlpipe-train and mlpipe-fetch, with a shell" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.base.name="${BASE_NAME}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
