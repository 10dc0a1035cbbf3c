//! The revocation promise, on real replicas, with a real Postgres and real faults.
//!
//! Three `keyward serve` processes share one database, each through two wires of its own that can be
//! held, cut and delayed ([`test_support::proxy`]). Clients present keys to all of them without a break and log
//! each answer ([`load`], [`log`]), while somebody revokes the keys and a fault does its worst. Then a
//! checker reads the log ([`checker`]):
//!
//! > No check that starts after a revoke has returned is accepted, by any replica.
//!
//! * [`alerts`]: of other faults, that Prometheus sees them with the alerts that ship; here, where others wait too
//! * [`short`] and [`amid_a_revoke`]: one test for each fault; these run with all others
//! * [`tokens`]: the same of tokens, with the faults that matter to them
//! * [`clocks`]: a replica whose clock steps
//! * [`failover`]: two servers of the database, one of which takes the other's place
//! * [`pooled`]: the same behind PgBouncer
//! * [`patroni`]: three servers under Patroni, with real failovers. By hand: `scripts/failover.sh`
//! * [`planted`]: defects put there on purpose, which the checker must find
//! * [`long`]: a random sequence of faults from a seed, for as long as you like. By hand:
//!
//! ```sh
//! KEYWARD_FAULTS_SECONDS=600 KEYWARD_FAULTS_SEED=7 cargo test --test faults -- --ignored --nocapture
//! ```

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod alerts;
mod amid_a_revoke;
mod checker;
mod client;
mod clocks;
mod failover;
mod fleet;
mod load;
mod log;
mod long;
mod patroni;
mod planted;
mod pooled;
mod scene;
mod short;
mod tokens;
