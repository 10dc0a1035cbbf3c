//! Keyward issues API keys to people who hold a JWT and checks both on every request, in front of
//! any API.
//!
//! The folders are the architecture, and imports run one way (`tests/architecture.rs` holds them to it):
//!
//! ```text
//! main -> startup -> {http, store, jwks, policy_file}   http -> auth -> domain   {store, jwks, policy_file} -> domain
//! ```
//!
//! - [`domain`]: keys, principals, verdicts, and the traits that adapters fill. Pure.
//! - [`auth`]: the use cases: check a key, verify a token, hash, issue.
//! - [`store`]: the only place with SQL.
//! - [`jwks`]: the only place that asks other servers anything: issuers' key sets.
//! - [`policy_file`]: keeps the policy as new as its file.
//! - [`http`]: the only place with actix. All routes stand in [`http::routes`].
//! - [`config`]: one struct per concern; every part reads its own and no other.
//! - [`startup`]: puts the parts together; the only file that knows every adapter.
//! - [`telemetry`]: where log lines go, and in which form.
//! - [`embedded_postgres`]: a server for `keyward dev` and for the tests.

pub mod auth;
pub mod config;
pub mod domain;
pub mod embedded_postgres;
pub mod http;
pub mod jwks;
pub mod policy_file;
pub mod startup;
pub mod store;
pub mod telemetry;
