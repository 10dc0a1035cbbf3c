//! Keyward as its clients meet it: a real process, real HTTP, a real Postgres.
//!
//! Each test has a database and a `keyward serve` of its own ([`replica`]), and speaks through
//! people who hold credentials ([`actors`]). What a test proves is its name.

mod actors;
mod bad_bodies;
mod bad_keys;
mod bad_requests;
mod bad_tokens;
mod command_line;
mod dev;
mod guide;
mod issuers;
mod logs;
mod migrations;
mod naughty_strings;
mod outages;
mod program;
mod readme;
mod replica;
mod request_ids;
mod revocation;
mod routes;
mod scene;
mod shutdown;
mod starting;
#[path = "../support/mod.rs"]
mod support;
mod wire;
