//! Shared parts of the commands that work on the database.
//!
//! - `database`: on which database, and what a command works with there
//! - `limits`, `credits`: how they are written as options
//! - `owner`: whose keys are meant
//! - `pages`: lists, read page by page
//! - `values`: what an option may be
//! - `table`: output for people
//! - `refusal`: why something is not done
//! - `output`: how anything is printed
//! - `leases`: how a change becomes true for replicas that this process cannot hear

pub(in crate::cli) mod credits;
mod database;
mod leases;
pub(in crate::cli) mod limits;
pub(super) mod output;
mod owner;
pub(super) mod pages;
mod refusal;
pub(super) mod table;
pub(super) mod values;

use std::fmt;

use keyward::domain::{escape::escaped_json, timestamp};
use time::OffsetDateTime;

pub(super) use self::{
    database::{DatabaseOptions, Desk, fingerprints, load, operator},
    owner::{OwnerOptions, WhichOwner, tell_if_without_keys},
    refusal::granted,
};

/// The heading of the options that lead to a `keyward dev`, in the help of each command.
pub(super) const WITH_DEV: &str = "With `keyward dev`";

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
    Ok(output::print_line(json_of(value)?)?)
}

/// The text of a JSON document. What could command a terminal, or turn its letters around, can only stand in strings,
/// where an escape means the same.
pub(super) fn json_of(value: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(escaped_json(&serde_json::to_string_pretty(value)?))
}

/// Reports that a list may have been truncated.
pub(super) fn tell_if_cut(listed: usize, limit: u32) {
    if listed >= limit as usize {
        output::tell_line(format_args!(
            "These are the first {limit}; there may be more. --limit says how many to list."
        ));
    }
}
