# mlpipe and its programs, with kubectl and a shell: for who runs pipelines inside a cluster, as k8s/base/retrain does. It
# has no container engine: the images that a pipeline names there come from a registry.
ARG BUILD_BASE=debian:bookworm-slim
ARG RUNTIME_BASE=debian:bookworm-slim
# The cluster's own version, or one beside it; it has /bin/kubectl.
ARG KUBECTL_IMAGE=registry.k8s.io/kubectl:v1.34.4

FROM ${KUBECTL_IMAGE} AS kubectl

# What the base has already is not brought again.
FROM ${RUNTIME_BASE} AS base
RUN find /usr/lib /lib64/ -name '*.so*' > /libraries

FROM ${BUILD_BASE} AS dependencies
COPY scripts/install-deps /source/scripts/
RUN /source/scripts/install-deps --programs && rm -rf /var/lib/apt/lists/*

FROM dependencies AS build
COPY CMakeLists.txt /source/
COPY cmake/ /source/cmake/
COPY examples/iris/ /source/examples/iris/
COPY pipeline/ /source/pipeline/
RUN cmake -S /source -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
      -DMLPIPE_TESTS=OFF -DMLPIPE_PARTS=pipeline \
 && cmake --build /build --parallel "$(nproc)" \
 && cmake --install /build --component programs --strip --prefix /program/usr/local \
 && rm /program/usr/local/bin/mlpipe-image
COPY LICENSE /program/usr/share/doc/mlpipe/copyright
COPY containers/collect-runtime /source/containers/
COPY --from=base /libraries /libraries
RUN cd /program/usr/local/bin \
 && /source/containers/collect-runtime --without /libraries /system ./mlpipe ./mlpipe-archive ./mlpipe-fetch \
      ./mlpipe-kubernetes ./mlpipe-registry \
 && mkdir -p /system/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /system/etc/ssl/certs/ \
 && find /system /program -exec touch --no-dereference --date=@0 '{}' +

FROM ${RUNTIME_BASE}
COPY --from=kubectl /bin/kubectl /usr/local/bin/kubectl
COPY --from=build /system/ /
COPY --from=build /program/ /
# A store of its own beside the project would be lost with the container.
ENV MLPIPE_STORE=/store
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
CMD ["mlpipe", "--help"]

# Last, because they change most.
ARG RUNTIME_BASE
ARG BASE_NAME=${RUNTIME_BASE}
ARG BASE_DIGEST=
ARG REVISION=
ARG SOURCE=
ARG VERSION=
LABEL org.opencontainers.image.title="mlpipe" \
      org.opencontainers.image.description="mlpipe with kubectl, for runs inside a cluster" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.base.name="${BASE_NAME}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
