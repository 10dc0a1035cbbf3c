//! What a replica does again and again besides answering requests: deleting what is too old, and preparing for what
//! comes.
//!
//! - `audit_months`: the audit's monthly partitions
//! - `ended_keys`: keys that ended long ago
//! - `limit_counters`: counters of old windows, and slices of replicas that are gone
//! - `sessions`: sessions of people, and links, that have ended
//! - `surveys`: what no page could wait for
//! - `usage`: the partitions of usage

pub mod audit_months;
pub mod ended_keys;
pub mod limit_counters;
#[cfg(feature = "server")]
pub mod sessions;
#[cfg(feature = "server")]
pub mod surveys;
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

/// Does `work` for ever, with a rest after each round. When it begins to fail, and from time to time while it does,
/// `failing` is called with the error and the number of repetitions that were not told; when it works again, `over` is
/// called with how long it has failed, in milliseconds.
pub(crate) async fn repeat<W, E>(rest: Rest, work: impl Fn() -> W, failing: impl Fn(&E, u64), over: impl Fn(u64))
where
    W: Future<Output = Result<(), E>>,
    E: Display,
{
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

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        future::pending,
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_job_that_fails_is_repeated_and_its_failure_is_told_once_at_its_beginning_and_at_its_end() {
        let (round, lines, over) = (Cell::new(0), RefCell::new(Vec::new()), Notify::new());
        let work = || async {
            round.set(round.get() + 1);
            lines.borrow_mut().push(format!("round {}", round.get()));
            match round.get() {
                2 | 3 => Err("down"),
                5 => {
                    over.notify_one();
                    pending().await
                }
                _ => Ok(()),
            }
        };
        let rest = Rest::about(Duration::from_micros(1), 0.5).after_failure(Duration::ZERO);
        let job = repeat(
            rest,
            work,
            |error, repeated| lines.borrow_mut().push(format!("{error}, {repeated}")),
            |_| lines.borrow_mut().push("over".to_owned()),
        );
        tokio::select! {
            () = job => {}
            () = over.notified() => {}
        }
        assert_eq!(*lines.borrow(), ["round 1", "round 2", "down, 0", "round 3", "round 4", "over", "round 5"]);
    }
}
