//! What is logged, where it goes, and how much of it.

pub(crate) mod bounded_log;
#[cfg(feature = "server")]
pub mod log;
pub(crate) mod outage;
