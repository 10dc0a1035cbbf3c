//! What a replica does again and again besides answering requests: deleting what is too old, and preparing for what comes.
//!
//! - `audit_months`: the audit's monthly partitions
//! - `ended_keys`: keys that ended long ago
//! - `limit_counters`: counters of old windows, and slices of replicas that are gone
//! - `sessions`: sessions of people, and links, that have ended
//! - `usage`: the partitions of usage

pub mod audit_months;
pub mod ended_keys;
pub mod limit_counters;
#[cfg(feature = "server")]
pub mod sessions;
pub mod usage;

use std::{fmt::Display, time::Duration};

use rand::RngExt;

use crate::telemetry::outage::Trouble;

/// The pause between two rounds of a job.
#[derive(Clone, Copy)]
pub(crate) struct Rest {
    usual: Duration,
    after_failure: Duration,
    /// Up to this part of it is added or subtracted at random.
    spread: f64,
}

impl Rest {
    /// Always this long.
    const fn exactly(pause: Duration) -> Self {
        Self { usual: pause, after_failure: pause, spread: 0.0 }
    }

    /// About this long, give or take up to this part of it. Replicas that started together don't go on together.
    pub(crate) const fn about(pause: Duration, spread: f64) -> Self {
        Self { usual: pause, after_failure: pause, spread }
    }

    const fn after_failure(self, pause: Duration) -> Self {
        Self { after_failure: pause, ..self }
    }

    /// Waits as after a success.
    async fn pass(self) {
        pause(self.usual, self.spread).await;
    }
}

async fn pause(pause: Duration, spread: f64) {
    let factor = rand::rng().random_range(1.0 - spread..=1.0 + spread);
    tokio::time::sleep(pause.mul_f64(factor)).await;
}

/// Does `work` for ever, with a rest after each round. When it begins to fail, and from time to time while it does, `failing`
/// is called with the error and the number of repetitions that were not told; when it works again, `over` is called with how
/// long it has failed, in milliseconds.
pub(crate) async fn repeat<E: Display>(
    rest: Rest,
    work: impl AsyncFn() -> Result<(), E>,
    failing: impl Fn(&E, u64),
    over: impl Fn(u64),
) {
    let trouble = Trouble::default();
    loop {
        let outcome = work().await;
        match &outcome {
            Ok(()) => trouble.is_over(&over),
            Err(error) => trouble.tell(error, |repeated| failing(error, repeated)),
        }
        pause(if outcome.is_ok() { rest.usual } else { rest.after_failure }, rest.spread).await;
    }
}
