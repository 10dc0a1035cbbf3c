//! The alerts, dashboards and runbook that ship: that they are sound ([`rules`], [`runbook`], [`dashboards`],
//! [`containers`]), and that a real Prometheus sees each fault of three real replicas begin and end ([`provoked`]).
//!
//! Prometheus and promtool are in Debian's package `prometheus`. Without them, these tests are skipped with a line that
//! says so, unless `KEYWARD_REQUIRE_GATEWAYS` is set, as it is in the CI.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod containers;
mod dashboards;
mod fleet;
mod prometheus;
mod provoked;
mod rules;
mod runbook;
mod shipped;
