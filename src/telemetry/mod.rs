//! Logging: destination, format and limits.

pub(crate) mod bounded_log;
#[cfg(feature = "server")]
pub mod log;
pub(crate) mod outage;
