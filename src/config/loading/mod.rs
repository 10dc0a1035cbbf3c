//! From the sources of the configuration to the values of settings, and their problems.
//!
//! - `names`: the names of settings, and which settings are secret
//! - `layer`: the values from one source
//! - `load`: merges the layers, and reads secrets from files
//! - `exposure`: files with secrets that are open to everybody
//! - `other_database`: a database that the environment names, and that is not used
//! - `secret_file`: the secret in a file of its own
//! - `masked`: addresses of databases without what is secret in them
//! - `vault`: the texts of secrets
//! - `list`: lists in one string; `duration`: durations
//! - `check`: reads single settings, and collects problems
//! - `problems`: all problems of a configuration
//! - `show`: the effective configuration as text, without secrets

pub(super) mod check;
mod duration;
mod exposure;
mod layer;
mod list;
pub(super) mod load;
mod masked;
pub(super) mod names;
mod other_database;
mod problems;
pub(super) mod secret_file;
mod show;
mod vault;

pub(super) use self::check::Check;
pub use self::{
    duration::{InvalidDuration, parse_duration},
    exposure::Exposure,
    load::{Settings, Sources},
    other_database::OtherDatabase,
    problems::Problems,
};
