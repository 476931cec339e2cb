# The same image around programs that are built already, by goreleaser.
FROM gcr.io/distroless/static-debian12:nonroot
ARG TARGETPLATFORM
COPY $TARGETPLATFORM/ingest $TARGETPLATFORM/compactor $TARGETPLATFORM/iceberg-register /usr/bin/
USER 65532:65532
CMD ["/usr/bin/ingest", "--help"]
