# syntax=docker/dockerfile:1
# Makes an image that holds one static program, the certificates of the world's
# authorities and nothing else:
#
#   docker build -t keypin .
#
# The program's version is git's (keypin version), so the build sees .git; built from a
# folder without it, the version is devel.

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags=-s -o /image/keypin ./cmd/keypin
# An empty folder for the data, and a user who is nobody and owns it.
RUN mkdir -p /image/etc/ssl/certs /image/data \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && echo 'nonroot:x:65532:65532:nonroot:/data:/sbin/nologin' >/image/etc/passwd \
    && echo 'nonroot:x:65532:' >/image/etc/group

FROM scratch
COPY --from=build /image/etc /etc
COPY --from=build /image/keypin /keypin
# Writable is this folder only; the rest may be mounted read-only. It holds SQLite's file,
# unless database is PostgreSQL, and the local issuer's key, unless issuers are set.
COPY --from=build --chown=65532:65532 /image/data /data
VOLUME /data
WORKDIR /data
USER 65532:65532
# The public listener is reachable from outside the container. So the service must be told
# whose sessions to take (issuers), or it does not start: without any it would be its own
# issuer. The data listener is reachable once KEYPIN_DATA_LISTEN=0.0.0.0:8081 and
# KEYPIN_DATA_TOKEN are set.
ENV KEYPIN_LISTEN=0.0.0.0:8080 \
    KEYPIN_DATA_DIR=/data
EXPOSE 8080 8081
# There is no HEALTHCHECK: it would need a program that asks. Ask /health and /ready from
# outside, as deploy/compose.yaml and deploy/kubernetes do.
ENTRYPOINT ["/keypin"]
CMD ["serve"]
