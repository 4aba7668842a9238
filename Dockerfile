# syntax=docker/dockerfile:1
# The program alone, not as root. Build: docker build -t nhatky .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p nhatky \
    && install -D target/release/nhatky /out/nhatky

FROM debian:bookworm-slim
# ca-certificates: webhooks over HTTPS; curl: the health check; openssl: the certificate of the first start.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl openssl \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 8514 nhatky \
    && useradd --system --uid 8514 --gid nhatky --home-dir /var/lib/nhatky --shell /usr/sbin/nologin nhatky \
    # Volumes take owner and mode from the folders that they cover.
    && install -d -o nhatky -g nhatky -m 0750 /var/lib/nhatky /etc/nhatky/tls \
    && install -d -o nhatky -g nhatky -m 0755 /var/lib/nhatky-scrape
COPY --from=build /out/nhatky /usr/bin/nhatky
COPY packaging/compose/first-start /usr/share/nhatky/first-start
USER nhatky
WORKDIR /var/lib/nhatky
VOLUME /var/lib/nhatky
EXPOSE 8080/tcp 5514/tcp 5514/udp 2514/tcp
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/nhatky"]
CMD ["serve", "--data", "/var/lib/nhatky"]
