//! Metrics for Prometheus.
//!
//! - `counting`: counters and histograms that many threads write and a scrape sums
//! - `table`: every metric with its name, unit, type, labels and meaning; `groups`: their order, and their chapters in
//!   `docs/metrics.md`
//! - `labels`: every label with its values; `family`: what a metric and a label are
//! - `exposition`: the text format
//! - `process`: what the system knows of this process
//!
//! Each part of the program counts in fields of its own, with what `counting` provides. `startup` reads them at a
//! scrape, and writes them under the names of the table.

pub mod counting;
#[cfg(feature = "server")]
pub mod exposition;
#[cfg(feature = "server")]
pub mod family;
#[cfg(feature = "server")]
pub mod groups;
#[cfg(feature = "server")]
pub mod labels;
#[cfg(feature = "server")]
pub mod process;
#[cfg(feature = "server")]
pub mod table;
