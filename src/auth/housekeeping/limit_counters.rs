//! Deletes counters of limits whose windows ended long ago, and settles slices of replicas that are gone: a few at a
//! time, in the order of their holders.

use std::{sync::Arc, time::Duration};

use super::{Rest, repeat};
use crate::{
    auth::limits::metrics::LimitCounts,
    domain::{
        limits::Holder,
        ports::{
            StoreError,
            limits::{LimitStore, SettledSlices},
        },
    },
};

/// The number of counters that one transaction reads, in some milliseconds.
const BATCH: u32 = 1_000;
/// The pause between transactions, so that a replica reads at most five thousand counters per second.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause after the last counter, and before the first. Replicas that started together don't begin together.
const REST: Rest = Rest::about(Duration::from_secs(600), 0.5);
/// The same for slices of credits, which are few. Somebody may wait for their number to be final.
const REST_BETWEEN_SETTLEMENTS: Rest = Rest::about(Duration::from_secs(60), 0.5);

/// Deletes old counters, for ever.
pub async fn forget(store: Arc<dyn LimitStore>) {
    REST.pass().await;
    repeat(
        REST,
        || forget_now(Arc::clone(&store)),
        |error, repeated| tracing::warn!(%error, repeated, "could not delete old counters of limits; trying again"),
        |lasted_ms| tracing::info!(lasted_ms, "old counters of limits can be deleted again"),
    )
    .await;
}

/// Settles slices of credits of replicas that have been silent for long, for ever.
pub async fn settle(store: Arc<dyn LimitStore>, counts: Arc<LimitCounts>) {
    REST_BETWEEN_SETTLEMENTS.pass().await;
    repeat(
        REST_BETWEEN_SETTLEMENTS,
        || settle_now(Arc::clone(&store), Arc::clone(&counts)),
        |error, repeated| {
            tracing::warn!(%error, repeated, "could not settle credits of silent replicas; trying again");
        },
        |lasted_ms| tracing::info!(lasted_ms, "credits of silent replicas can be settled again"),
    )
    .await;
}

async fn settle_now(store: Arc<dyn LimitStore>, counts: Arc<LimitCounts>) -> Result<(), StoreError> {
    let SettledSlices { slices, credits, .. } = settle_all(&*store).await?;
    if slices > 0 {
        counts.count_written_off(credits);
        tracing::warn!(
            slices,
            credits,
            "replicas have been silent for long; the credits that they had in hand count as spent"
        );
    }
    Ok(())
}

async fn settle_all(store: &dyn LimitStore) -> Result<SettledSlices, StoreError> {
    let mut all = SettledSlices::default();
    let mut after = Holder::from_u128(0);
    loop {
        let settled = store.settle_silent_slices(after, BATCH).await?;
        all.slices += settled.slices;
        all.credits += settled.credits;
        match settled.last {
            Some(last) => after = last,
            None => return Ok(all),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn forget_now(store: Arc<dyn LimitStore>) -> Result<(), StoreError> {
    let (mut after, mut count) = (Holder::from_u128(0), 0);
    loop {
        let (last, deleted) = store.forget_counters(after, BATCH).await?;
        count += deleted;
        match last {
            Some(last) => after = last,
            None => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    if count > 0 {
        tracing::debug!(count, "deleted old counters of limits");
    }
    Ok(())
}
