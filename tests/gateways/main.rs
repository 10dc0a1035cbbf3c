//! Keyward behind the gateways of `deploy/`.
//!
//! Each gateway that is installed is started with the file that ships, in which only addresses are changed ([`gateway`]),
//! before an API of the test's that remembers what it got ([`server`]), and with a real Keyward on a real Postgres
//! ([`scene`]). What must hold behind every gateway stands once, in [`proofs`]. A gateway that isn't installed is skipped
//! with a line that says so, unless `KEYWARD_REQUIRE_GATEWAYS` is set, as it is in the CI. Traefik and Envoy are in no
//! distribution; `scripts/gateways.sh` installs them.
//!
//! What asks only in Kubernetes isn't run: its requests are replayed to a real Keyward, and its files are read
//! ([`replayed`], [`files`]).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests")]

#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/actors.rs"]
mod actors;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/asking.rs"]
mod asking;
mod caddy;
mod documented;
mod envoy;
mod files;
mod gateway;
mod h2c;
mod haproxy;
mod nginx;
mod port;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/program.rs"]
mod program;
mod proofs;
mod readers;
mod replayed;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/replica.rs"]
mod replica;
mod scene;
mod server;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/session.rs"]
mod session;
#[path = "../support/mod.rs"]
mod support;
mod traefik;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/wire.rs"]
mod wire;
