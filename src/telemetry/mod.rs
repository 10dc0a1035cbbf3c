//! Logging: destination, format and limits. Metrics: names, counters, format. Traces: which requests, which steps.

pub(crate) mod bounded_log;
#[cfg(feature = "server")]
pub mod log;
pub mod metrics;
pub(crate) mod outage;
pub(crate) mod steps;
#[cfg(feature = "server")]
pub(crate) mod traces;
