//! Keyward behind the gateways of `deploy/`.
//!
//! Each gateway that is installed is started with the file that ships, in which only addresses are changed
//! ([`gateway`]), before an API of the test's that remembers what it got ([`server`]), and with a real Keyward on a
//! real Postgres ([`scene`]). What must hold behind every gateway stands once, in [`proofs`]. A gateway that isn't
//! installed is skipped with a line that says so, unless `KEYWARD_REQUIRE_GATEWAYS` is set, as it is in the CI. Traefik
//! and Envoy are in no distribution; `scripts/gateways.sh` installs them.
//!
//! What asks only in Kubernetes isn't run: its requests are replayed to a real Keyward, and its files are read
//! ([`replayed`], [`files`]).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod caddy;
mod documented;
mod envoy;
mod files;
mod gateway;
mod h2c;
mod haproxy;
mod nginx;
mod port;
mod proofs;
mod readers;
mod replayed;
mod scene;
mod server;
mod traefik;
