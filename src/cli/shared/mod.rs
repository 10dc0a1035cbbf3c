//! Shared parts of the commands that work on the database.
//!
//! - `database`: the choice of the database, and the context of a command
//! - `owner`: options that name an owner
//! - `values`: values of options
//! - `table`: output as tables
//! - `refusal`: messages for refused changes
//! - `leases`: waiting for replicas that this process can't hear

mod database;
mod leases;
mod owner;
mod refusal;
pub(super) mod table;
pub(super) mod values;

use std::fmt;

use keyward::domain::timestamp;
use time::OffsetDateTime;

pub(super) use self::{
    database::{DatabaseOptions, Desk, operator},
    owner::{OwnerOptions, WhichOwner},
    refusal::granted,
};

/// The number of rows per read from the database.
pub(super) const PAGE: u32 = 500;

/// The command line is contradictory in a way that clap does not detect. The exit code is that of any misuse.
#[derive(Debug)]
pub(super) struct Misuse(pub(super) String);

impl fmt::Display for Misuse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// The current time, with the precision of responses.
pub(super) fn now() -> OffsetDateTime {
    timestamp::to_milliseconds(OffsetDateTime::now_utc())
}

/// Prints one JSON document.
pub(super) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Reports that a list may have been truncated.
pub(super) fn tell_if_cut(listed: usize, limit: u32) {
    if listed >= limit as usize {
        eprintln!("These are the first {limit}; there may be more. --limit says how many to list.");
    }
}
