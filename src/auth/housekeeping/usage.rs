//! The partitions of usage: creates those of the coming months, and drops those that are too old.

use std::{sync::Arc, time::Duration};

use super::{Rest, repeat};
use crate::{
    config::Usage,
    domain::ports::{StoreError, usage::UsageStore},
};

/// The number of keys that one transaction looks at, in some tens of milliseconds.
const BATCH: u32 = 500;
/// The pause between transactions.
const PAUSE: Duration = Duration::from_millis(200);
/// Partitions are created a year ahead, so the exact time does not matter.
const REST: Rest = Rest::about(Duration::from_secs(3600), 0.5);

/// Keeps the tables of usage in order, for ever. Only one replica at a time does so.
pub async fn keep(store: Arc<dyn UsageStore>, settings: Usage) {
    repeat(
        REST,
        || keep_now(Arc::clone(&store), settings.clone()),
        |error, repeated| {
            tracing::warn!(%error, repeated, "could not bring the tables of usage up to date; trying again later");
        },
        |lasted_ms| tracing::info!(lasted_ms, "the tables of usage are up to date again"),
    )
    .await;
}

async fn keep_now(store: Arc<dyn UsageStore>, settings: Usage) -> Result<(), StoreError> {
    let dropped = store.keep_usage_months(settings.keep_hours_for, settings.keep_days_for).await?;
    // Only then are there keys without any count.
    if dropped.is_some_and(|dropped| dropped > 0) {
        tracing::info!(dropped, "dropped old months of usage");
        let mut last = Some(0);
        while let Some(after) = last {
            last = store.forget_usage_keys(after, BATCH).await?;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}
