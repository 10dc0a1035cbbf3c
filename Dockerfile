# Builds Keyward's image: `docker build -t keyward:local .`
# It needs crates.io and the two base images, nothing else: queries are checked against the committed `.sqlx`. Only
# features that every builder has are used (no cache mounts, no frontend to download).

# Google tags this image by its Debian only. For a build that can be repeated, name its digest:
# --build-arg RUNTIME=gcr.io/distroless/cc-debian12:nonroot@sha256:…
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
ENV SQLX_OFFLINE=true

# The dependencies alone, with empty sources, so that this layer (minutes) is rebuilt only when the manifest or the
# lock changes. Our own empty artifacts are removed, because cargo compares file times and a clone's may be older.
# A [lib], [[bench]], [[test]] or [[example]] in a manifest must give its `path`, or cargo looks for the file here.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates crates
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' >src/main.rs \
    && cargo build --release --locked --package keyward \
    && cargo clean --release --package keyward

COPY . .
# The crates are in the layer above, so this step works without a network.
# Compressed, the line tables that make a backtrace readable cost 9 MB instead of 37; backtraces can read them so.
ARG REVISION=unknown
ENV KEYWARD_REVISION=$REVISION
RUN cargo build --release --locked --offline --package keyward --bin keyward \
    && mkdir -p /out/empty \
    && objcopy --compress-debug-sections=zlib target/release/keyward /out/keyward

# glibc, libgcc, CA certificates and a user; no shell, no package manager.
FROM ${RUNTIME}

# Where `keyward secrets init` keeps generated secrets, those of the database's owner apart. A new named volume mounted
# here takes the directory's owner; without it, the volume would belong to root and the program could not write to it.
COPY --from=build --chown=65532:65532 /out/empty /run/keyward
COPY --from=build --chown=65532:65532 /out/empty /run/keyward-owner
COPY --from=build /out/keyward /usr/local/bin/keyward

# A number, so that Kubernetes' runAsNonRoot can see that it isn't root.
USER 65532:65532
EXPOSE 3000
STOPSIGNAL SIGTERM

# Exec form: there is no shell. The program asks itself, on the port that it listens on.
HEALTHCHECK --interval=5s --timeout=5s --start-period=15s --retries=3 \
    CMD ["/usr/local/bin/keyward", "healthcheck"]

ENTRYPOINT ["/usr/local/bin/keyward"]
CMD ["serve"]

# Last, because they change with each release and would invalidate what follows them.
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Keyward" \
      org.opencontainers.image.description="Issues API keys to people who hold a JWT and checks both on every request, in front of any API." \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
