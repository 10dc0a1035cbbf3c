//! Logging: destination, format and limits. Metrics: names, counters, format.

pub(crate) mod bounded_log;
#[cfg(feature = "server")]
pub mod log;
pub mod metrics;
pub(crate) mod outage;
