//! The use cases: checking credentials, and managing keys. No web framework and no SQL.

#![deny(clippy::disallowed_methods)]

pub mod administrators;
mod batch_reader;
mod batches;
mod checked;
pub(crate) mod clock;
pub mod coherence;
pub mod housekeeping;
pub mod jwt;
pub mod keys;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod occupancy;
#[cfg(feature = "server")]
pub mod people;
pub mod strict_json;
pub mod tokens;
pub mod usage;

pub use self::checked::Checked;
use crate::domain::ports::StoreError;

/// A check or a change could not be decided or done. Answered with 503, or with 429 if the owner's own requests are the
/// cause; never with a grant or a refusal.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Undecided {
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hasher could not answer.
    #[error(transparent)]
    Hasher(#[from] keys::hasher::HashError),
    /// The keys of a token's issuer are not available.
    #[error("the keys of the issuer {0} could not be fetched; see the earlier log lines about it")]
    IssuerKeys(String),
    /// A limit that refuses in an outage could not be counted.
    #[error(
        "a limit could not be counted, because the database did not answer in time; see the line about limits in the log. \
         If it was only slow, raise checks.max_limit_wait"
    )]
    Limits,
    /// Too many checks wait for the store or the hasher.
    #[error(
        "too many keys or tokens are being checked for the first time; if this lasts, raise checks.max_cold or add \
         replicas"
    )]
    Busy,
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopped,
}

impl Undecided {
    /// Whether only requests of whoever has sent this one keep it waiting. That is no outage: nobody else waits.
    pub fn is_of_a_busy_owner(&self) -> bool {
        matches!(self, Self::Store(StoreError::Busy(_)) | Self::Hasher(keys::hasher::HashError::OwnerBusy(_)))
    }
}
