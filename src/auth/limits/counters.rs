//! Deletes counters of limits whose windows ended long ago: a few at a time, in the order of their holders.

use std::{sync::Arc, time::Duration};

use rand::RngExt;

use crate::{
    domain::{
        limits::Holder,
        ports::{StoreError, limits::LimitStore},
    },
    telemetry::outage::Trouble,
};

/// The number of counters that one transaction reads, in some milliseconds.
const TOGETHER: u32 = 1_000;
/// The pause between transactions, so that a replica reads at most five thousand counters per second.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause after the last counter.
const REST: Duration = Duration::from_secs(600);

/// Deletes old counters, for ever.
pub async fn forget(store: Arc<dyn LimitStore>) {
    let trouble = Trouble::default();
    loop {
        // Replicas that started together don't begin together.
        let rest = REST.mul_f64(rand::rng().random_range(0.5..1.5));
        tokio::time::sleep(rest).await;
        match forget_all(&*store).await {
            Ok(count) => {
                trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "old counters of limits can be deleted again"));
                if count > 0 {
                    tracing::debug!(count, "deleted old counters of limits");
                }
            }
            Err(error) => trouble.tell(&error, |repeated| {
                tracing::warn!(%error, repeated, "could not delete old counters of limits; trying again");
            }),
        }
    }
}

async fn forget_all(store: &dyn LimitStore) -> Result<u64, StoreError> {
    let (mut after, mut count) = (Holder::from_u128(0), 0);
    loop {
        let (last, deleted) = store.forget_counters(after, TOGETHER).await?;
        count += deleted;
        match last {
            Some(last) => after = last,
            None => return Ok(count),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
