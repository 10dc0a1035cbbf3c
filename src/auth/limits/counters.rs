//! Deletes counters of limits whose windows ended long ago, and settles slices of replicas that are gone: a few at a
//! time, in the order of their holders.

use std::{sync::Arc, time::Duration};

use rand::RngExt;

use super::counts::LimitCounts;
use crate::{
    domain::{
        limits::Holder,
        ports::{
            StoreError,
            limits::{LimitStore, SettledSlices},
        },
    },
    telemetry::outage::Trouble,
};

/// The number of counters that one transaction reads, in some milliseconds.
const TOGETHER: u32 = 1_000;
/// The pause between transactions, so that a replica reads at most five thousand counters per second.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause after the last counter.
const REST: Duration = Duration::from_secs(600);
/// The same for slices of credits, which are few. Somebody may wait for their number to be final.
const REST_BETWEEN_SETTLEMENTS: Duration = Duration::from_secs(60);

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

/// Settles slices of credits of replicas that have been silent for long, for ever.
pub async fn settle(store: Arc<dyn LimitStore>, counts: Arc<LimitCounts>) {
    let trouble = Trouble::default();
    loop {
        let rest = REST_BETWEEN_SETTLEMENTS.mul_f64(rand::rng().random_range(0.5..1.5));
        tokio::time::sleep(rest).await;
        match settle_all(&*store).await {
            Ok(settled) => {
                trouble
                    .is_over(|lasted_ms| tracing::info!(lasted_ms, "credits of silent replicas can be settled again"));
                if settled.slices > 0 {
                    counts.count_written_off(settled.credits);
                    let SettledSlices { slices, credits, .. } = settled;
                    tracing::warn!(
                        slices,
                        credits,
                        "replicas have been silent for long; the credits that they had in hand count as spent"
                    );
                }
            }
            Err(error) => trouble.tell(&error, |repeated| {
                tracing::warn!(%error, repeated, "could not settle credits of silent replicas; trying again");
            }),
        }
    }
}

async fn settle_all(store: &dyn LimitStore) -> Result<SettledSlices, StoreError> {
    let mut all = SettledSlices::default();
    let mut after = Holder::from_u128(0);
    loop {
        let settled = store.settle_silent_slices(after, TOGETHER).await?;
        all.slices += settled.slices;
        all.credits += settled.credits;
        match settled.last {
            Some(last) => after = last,
            None => return Ok(all),
        }
        tokio::time::sleep(PAUSE).await;
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
