# phaseloop's image: one program, the C library that it is linked to, certificates, a user; no shell, no package manager.
#
#   docker build --tag REGISTRY/phaseloop:VERSION .
#
# What is in it, and why it is built on this base: docs/image.md.

FROM rust:1.95-slim-bookworm AS toolchain

# glibc 2.34: what is built here runs beside any glibc from 2.34 on. `phaseloop guard` is copied into the image of the
# engine and runs there, with that image's C library.
FROM almalinux:9.6 AS build
RUN dnf install --assumeyes gcc && dnf clean all
COPY --from=toolchain /usr/local/rustup /usr/local/rustup
COPY --from=toolchain /usr/local/cargo /usr/local/cargo
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/bin:/usr/sbin
WORKDIR /source
COPY . .
RUN cargo build --locked --profile dist --package phaseloop --bin phaseloop && \
    image/lay-out target/dist/phaseloop /image

FROM scratch
COPY --from=build /image/ /
ENV PATH=/usr/bin
USER 65532:65532
ENTRYPOINT ["/usr/bin/phaseloop"]
