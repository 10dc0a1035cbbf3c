//! Keyward as its clients meet it: a real process, real HTTP, a real Postgres.
//!
//! Each test has a database and a `keyward serve` of its own ([`replica`]), and speaks through
//! people who hold credentials ([`actors`]). What a test proves is its name.

mod actors;
mod addresses;
mod asking;
mod audit;
mod authorize;
mod bad_bodies;
mod bad_fields;
mod bad_keys;
mod bad_requests;
mod bad_tokens;
mod bulk_revoke;
mod command_line;
mod compose;
mod dev;
mod ended_tokens;
mod given_up;
mod guide;
mod idempotency;
mod installing;
mod issuers;
mod key_life;
mod keys_command;
mod last_use;
mod lists;
mod logs;
mod migrations;
mod narrowing;
mod naughty_fields;
mod naughty_strings;
mod numbers;
mod oauth;
mod openapi;
mod outages;
mod owners;
mod personal_data;
mod policies;
mod preconditions;
mod process_memory;
mod program;
mod readme;
mod replica;
mod request_ids;
mod revocation;
mod rotation;
mod routes;
mod scene;
mod scopes;
mod secret_scanning;
mod service_role;
mod session;
mod shutdown;
mod socket;
mod starting;
#[path = "../support/mod.rs"]
mod support;
mod times;
mod token_revocations;
mod trusted_networks;
mod two_owners;
mod verification;
mod widening;
mod wire;
