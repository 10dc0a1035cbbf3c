//! The rules of Keyward, without a web framework, a database, a runtime or a clock. Time is an argument, so tests can
//! choose any instant.
//!
//! - `keys`: what keys look like, their records, lists of them, and requests to change them
//! - `owners`: who has keys, the limits that all their keys share, and how often they change keys
//! - `plans`: what owners are given, and requests to change that
//! - `verdicts`: the caller, or the reason for a refusal
//! - `values`: text, secrets, times, networks, counts, escaping, CSV, and what the program was built from
//!
//! The modules of these five folders are named without the folder: `domain::api_key`.

#![deny(clippy::disallowed_methods)]

pub mod audit;
pub mod coherence;
pub mod credential_in_text;
mod jwt_in_text;
mod keys;
pub mod limits;
mod owners;
mod plans;
pub mod policy;
pub mod ports;
pub mod role;
pub mod scope;
pub mod session;
pub mod token;
pub mod usage;
mod values;
mod verdicts;

pub(crate) use self::values::{version, worded_enum};
pub use self::{
    keys::{api_key, key_record, ledger, listing, metadata, precondition, revocation},
    owners::{owner, owner_changes, owner_id, owner_limits},
    plans::{plan, plan_changes},
    values::{build, counted, csv, escape, network, secret, text, timestamp},
    verdicts::{denial, principal, verdict},
};
