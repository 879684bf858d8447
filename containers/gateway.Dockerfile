# Debian's nginx with what it loads, and nothing else: what stands before the replicas of a deployment. Its configuration
# is mounted at /etc/nginx/nginx.conf, or named by `-c FILE`; docs/containers.md says what it has to look like.
ARG BUILD_BASE=debian:bookworm-slim
ARG RUNTIME_BASE=scratch

FROM ${BUILD_BASE} AS build
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends nginx \
 && rm -rf /var/lib/apt/lists/*
COPY containers/collect-runtime /source/containers/
RUN /source/containers/collect-runtime /system /usr/sbin/nginx \
 && mkdir -p /system/usr/sbin /system/usr/share/doc/nginx \
 && cp /usr/sbin/nginx /system/usr/sbin/ \
 && cp /usr/share/doc/nginx/copyright /system/usr/share/doc/nginx/ \
 && printf 'hosts: files dns\n' > /system/etc/nsswitch.conf \
 && printf 'mlpipe:x:65532:65532::/tmp:/usr/sbin/nologin\n' > /system/etc/passwd \
 && printf 'mlpipe:x:65532:\n' > /system/etc/group

FROM ${RUNTIME_BASE}
COPY --from=build /system/ /
EXPOSE 8080
USER 65532:65532
# The connections that are open are served to their end.
STOPSIGNAL SIGQUIT
HEALTHCHECK NONE
ENTRYPOINT ["/usr/sbin/nginx", "-e", "stderr", "-g", "daemon off;"]

# Last, because they change most. The image is from scratch; its libraries are those of the build's base.
ARG BUILD_BASE
ARG BASE_NAME=${BUILD_BASE}
ARG BASE_DIGEST=
ARG REVISION=
ARG SOURCE=
ARG VERSION=
LABEL org.opencontainers.image.title="mlpipe-gateway" \
      org.opencontainers.image.description="nginx, with a configuration that mlpipe writes" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.base.name="${BASE_NAME}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
