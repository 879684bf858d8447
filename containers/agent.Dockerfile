# mlpipe-agent and mlpipe-registry with what they load, and nothing else: what brings a step's job into a pod of a cluster,
# and records there what it made. docs/containers.md says how it is built.
ARG BUILD_BASE=debian:bookworm-slim
ARG RUNTIME_BASE=scratch

FROM ${BUILD_BASE} AS build
COPY scripts/install-deps /source/scripts/
RUN /source/scripts/install-deps --agent && rm -rf /var/lib/apt/lists/*
COPY CMakeLists.txt /source/
COPY cmake/ /source/cmake/
COPY pipeline/CMakeLists.txt /source/pipeline/
COPY pipeline/agent/ /source/pipeline/agent/
COPY pipeline/base/ /source/pipeline/base/
COPY pipeline/cluster/ /source/pipeline/cluster/
COPY pipeline/container/ /source/pipeline/container/
COPY pipeline/oci/ /source/pipeline/oci/
RUN cmake -S /source -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
      -DMLPIPE_TESTS=OFF -DMLPIPE_PARTS=agent \
 && cmake --build /build --parallel "$(nproc)" \
 && cmake --install /build --component programs --strip --prefix /program/usr/local
COPY LICENSE /program/usr/share/doc/mlpipe/copyright
COPY containers/collect-runtime /source/containers/
# Times are made equal everywhere: a layer is the same bytes whenever it is built.
RUN /source/containers/collect-runtime /system /program/usr/local/bin/mlpipe-registry \
 && mkdir -p /system/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /system/etc/ssl/certs/ \
 && printf 'hosts: files dns\n' > /system/etc/nsswitch.conf \
 && printf 'mlpipe:x:65532:65532::/tmp:/usr/sbin/nologin\n' > /system/etc/passwd \
 && printf 'mlpipe:x:65532:\n' > /system/etc/group \
 && find /system /program -exec touch --no-dereference --date=@0 '{}' +

FROM ${RUNTIME_BASE}
COPY --from=build /system/ /
COPY --from=build /program/ /
ENV PATH=/usr/local/bin
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
CMD ["mlpipe-registry", "--help"]

# Last, because they change most. The image is from scratch; its libraries are those of the build's base.
ARG BUILD_BASE
ARG BASE_NAME=${BUILD_BASE}
ARG BASE_DIGEST=
ARG REVISION=
ARG SOURCE=
ARG VERSION=
LABEL org.opencontainers.image.title="mlpipe-agent" \
      org.opencontainers.image.description="mlpipe agent: brings steps into pods of a cluster, and records what they made" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.base.name="${BASE_NAME}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
