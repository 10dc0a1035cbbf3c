//! Asks the database for slices: questions that arrive while it is answering are combined into one statement.

use std::sync::Arc;

use tokio::{runtime::Handle, sync::mpsc};

use super::{
    meter::{CREDITS, Meter},
    metrics::{Grant, LimitCounts},
};
use crate::{
    auth::{batches::in_batches, clock},
    domain::ports::{StoreError, limits::LimitStore},
    telemetry::outage::Trouble,
};

/// The maximum number of concurrent statements. Two, so that one that waits for the row of a busy limit does not hold
/// up all others; the pool keeps further connections for other work.
pub(super) const BATCHES_AT_ONCE: usize = 2;

/// A question that was begun.
struct Begun {
    meter: Arc<Meter>,
    /// Which of the meter's limits.
    at: usize,
}

/// Asks for slices.
pub(super) struct Fetcher(mpsc::Sender<Begun>);

impl Fetcher {
    /// Starts on `runtime`. At most `capacity` questions wait.
    pub(super) fn start(
        store: Arc<dyn LimitStore>,
        counts: Arc<LimitCounts>,
        capacity: usize,
        runtime: &Handle,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(capacity);
        let asking = Arc::new(Asking { store, counts, trouble: Trouble::default() });
        runtime.spawn(in_batches(receiver, BATCHES_AT_ONCE, move |batch| {
            let asking = Arc::clone(&asking);
            async move { asking.ask(batch).await }
        }));
        Self(sender)
    }

    /// Asks the begun questions about these limits, without credits. If too many wait, they are given up.
    pub(super) fn ask(&self, meter: &Arc<Meter>, limits: u32) {
        let limits = limits & !CREDITS;
        for at in (0..u32::BITS as usize).filter(|at| limits & (1 << at) != 0) {
            if self.0.try_send(Begun { meter: Arc::clone(meter), at }).is_err() {
                meter.give_up(at, clock::now());
            }
        }
    }
}

struct Asking {
    store: Arc<dyn LimitStore>,
    counts: Arc<LimitCounts>,
    trouble: Trouble,
}

impl Asking {
    async fn ask(&self, batch: Vec<Begun>) {
        let asked_at = clock::now();
        let asked = batch.iter().map(|begun| begun.meter.ask(begun.at, asked_at));
        let (questions, requests): (Vec<_>, Vec<_>) = asked.unzip();
        let answer = self.store.take_slices(&requests).await;
        let now = clock::now();
        match answer {
            Ok(grants) => {
                self.trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "limits are counted again"));
                for ((begun, question), grant) in batch.iter().zip(questions).zip(&grants) {
                    self.counts.count_grant(if grant.granted > 0 { Grant::Granted } else { Grant::Refused });
                    begun.meter.answered(begun.at, question, grant, now);
                }
            }
            // Whether anything was taken is unknown. If so, nobody uses it.
            Err(error) => {
                self.report(&error);
                for (begun, question) in batch.iter().zip(questions) {
                    self.counts.count_grant(Grant::Failed);
                    begun.meter.failed(begun.at, question, now);
                }
            }
        }
    }

    fn report(&self, error: &StoreError) {
        self.trouble.tell(error, |repeated| {
            tracing::error!(
                %error,
                repeated,
                "could not count limits in the database; what this replica has in hand of them is used up, then their \
                 onOutage decides"
            );
        });
    }
}
