//! The check itself, in one process: what it costs, what it believes, and what it survives.
//!
//! The checker, the hasher and the link to the other replicas are the real ones. The store and the
//! channel of notifications count, wait, fail and answer on command ([`test_support::world`]); only where the SQL is
//! the point, there is a real Postgres ([`triggers`]). What a test proves is its name.

mod acknowledgements;
mod admission;
mod belief;
mod cancelled;
mod channels;
mod costs;
mod counted_uses;
mod credits;
mod hashing_lanes;
mod limits;
mod memory;
mod noted_uses;
mod races;
mod rehash;
mod revoking;
mod simultaneous;
mod token_keys;
mod token_races;
mod tokens;
mod triggers;
