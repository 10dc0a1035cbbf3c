//! Asks the database for credits, tells it what was spent, and gives back what nobody needs; before a stop, of limits,
//! too.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::mpsc};

use super::{
    fetcher::BATCHES_AT_ONCE,
    metrics::{Grant, LimitCounts},
    purses::{PARTS, Purses, SharedPurse},
    registry::Registry,
};
use crate::{
    auth::{
        batches::{BATCH_MAX, in_batches},
        clock,
    },
    domain::ports::{
        StoreError,
        limits::{CreditGrant, CreditRequest, LimitStore},
    },
    telemetry::outage::Trouble,
};

/// How often all purses are looked at.
const ROUND: Duration = Duration::from_secs(5);
/// The most parts of limits that are given back in one statement.
const RETURNED_TOGETHER: usize = 1_000;
/// The pause when all that can be done before a stop waits for an answer, or for the database.
const SHORTLY: Duration = Duration::from_millis(20);

/// The only part that talks to the database about credits.
pub struct CreditExchange {
    purses: Purses,
    limits: Arc<Registry>,
    store: Arc<dyn LimitStore>,
    counts: Arc<LimitCounts>,
    trouble: Trouble,
}

/// The questions of purses that wait.
pub(super) struct CreditQueue {
    exchange: Arc<CreditExchange>,
    queue: mpsc::Sender<Arc<SharedPurse>>,
}

impl CreditQueue {
    /// Starts on `runtime`. At most `capacity` questions wait.
    pub(super) fn start(
        store: Arc<dyn LimitStore>,
        limits: Arc<Registry>,
        counts: Arc<LimitCounts>,
        capacity: usize,
        runtime: &Handle,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(capacity);
        let exchange =
            Arc::new(CreditExchange { purses: Purses::default(), limits, store, counts, trouble: Trouble::default() });
        let asking = Arc::clone(&exchange);
        runtime.spawn(in_batches(waiting, BATCHES_AT_ONCE, move |batch| {
            let exchange = Arc::clone(&asking);
            async move { exchange.ask(&batch).await }
        }));
        Self { exchange, queue }
    }

    /// The purse with these credits.
    pub(super) fn purses(&self) -> &Purses {
        &self.exchange.purses
    }

    /// What asks them.
    pub(super) fn credit_exchange(&self) -> &Arc<CreditExchange> {
        &self.exchange
    }

    /// Asks the question that this purse has begun. If too many wait, it is given up.
    pub(super) fn ask(&self, purse: &Arc<SharedPurse>) {
        if self.queue.try_send(Arc::clone(purse)).is_err() {
            purse.lock().give_up(clock::now());
            purse.tell_waiting();
        }
    }
}

impl CreditExchange {
    /// Gives back what nobody has used for a while, for ever. Sleeps through a whole round if there is none.
    pub async fn give_back_idle(self: Arc<Self>) {
        loop {
            if self.purses.are_none() {
                tokio::time::sleep(ROUND).await;
                continue;
            }
            for part in 0..PARTS {
                tokio::time::sleep(ROUND / PARTS as u32).await;
                for batch in self.purses.begin_returns(part, clock::now(), false).chunks(BATCH_MAX) {
                    self.ask(batch).await;
                }
            }
        }
    }

    /// Gives everything back, before the process ends. No requests are served any more.
    pub async fn give_back_all(&self) {
        tokio::join!(self.give_back_limits(), self.give_back_credits());
    }

    /// Tries once for each part: if nobody knows whether it was given back, giving it back again might be once too
    /// often. Waits for the answers that are under way, which may bring more.
    async fn give_back_limits(&self) {
        loop {
            let meters = self.limits.in_use();
            // Looked at first: what an answer brings after that is given back the next time.
            let is_asking = meters.iter().any(|meter| meter.is_asking());
            let parts: Vec<_> = meters.iter().flat_map(|meter| meter.give_back()).collect();
            for batch in parts.chunks(RETURNED_TOGETHER) {
                if let Err(error) = self.store.return_slices(batch).await {
                    tracing::warn!(%error, "could not give back all parts of limits in hand; they count as used");
                    return;
                }
                batch.iter().for_each(|_| self.counts.count_grant(Grant::Returned));
            }
            if !is_asking {
                return;
            }
            tokio::time::sleep(SHORTLY).await;
        }
    }

    /// Tries until it has succeeded.
    async fn give_back_credits(&self) {
        while !self.purses.are_settled() {
            let now = clock::now();
            let begun: Vec<_> = (0..PARTS).flat_map(|part| self.purses.begin_returns(part, now, true)).collect();
            for batch in begun.chunks(BATCH_MAX) {
                self.ask(batch).await;
            }
            if !self.purses.are_settled() {
                tokio::time::sleep(SHORTLY).await;
            }
        }
    }

    /// Sends what these purses have begun to say, and tells them the answers.
    async fn ask(&self, batch: &[Arc<SharedPurse>]) {
        let asked_at = clock::now();
        let questions: Vec<_> = batch.iter().map(|purse| purse.lock().ask(asked_at)).collect();
        let requests: Vec<_> = questions.iter().map(|question| question.request).collect();
        let answer = self.store.exchange_credits(&requests).await;
        let now = clock::now();
        match answer {
            Ok(grants) => {
                self.trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "credits are counted again"));
                for ((purse, question), grant) in batch.iter().zip(questions).zip(&grants) {
                    self.counts.count_grant(outcome(&question.request, grant));
                    purse.lock().answered(question, grant, now);
                }
            }
            // Whether anything was granted is unknown. If so, nobody uses it, and the next message gives it back.
            Err(error) => {
                self.report(&error);
                for (purse, question) in batch.iter().zip(questions) {
                    self.counts.count_grant(Grant::Failed);
                    purse.lock().failed(question, now);
                }
            }
        }
        batch.iter().for_each(|purse| purse.tell_waiting());
    }

    fn report(&self, error: &StoreError) {
        self.trouble.tell(error, |repeated| {
            tracing::error!(
                %error,
                repeated,
                "could not count credits in the database; what this replica has in hand of them is used up, then requests \
                 that spend credits are answered 503"
            );
        });
    }
}

fn outcome(request: &CreditRequest, grant: &CreditGrant) -> Grant {
    match grant.granted {
        0 if request.want == 0 => Grant::Returned,
        0 => Grant::Refused,
        _ => Grant::Granted,
    }
}
