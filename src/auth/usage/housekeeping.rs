//! Creates the partitions of coming months, and drops those that are too old.

use std::{sync::Arc, time::Duration};

use rand::RngExt;

use crate::{
    config::Usage,
    domain::ports::{StoreError, usage::UsageStore},
    telemetry::outage::Trouble,
};

/// The number of keys that one transaction looks at, in some tens of milliseconds.
const TOGETHER: u32 = 500;
/// The pause between transactions.
const PAUSE: Duration = Duration::from_millis(200);
/// Partitions are created a year ahead, so the exact time does not matter.
const REST: Duration = Duration::from_secs(3600);

/// Keeps the tables of usage in order, for ever. Only one replica at a time does so.
pub async fn keep(store: Arc<dyn UsageStore>, settings: Usage) {
    let trouble = Trouble::default();
    loop {
        match keep_once(&*store, &settings).await {
            Ok(()) => {
                trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "the tables of usage are up to date again"))
            }
            Err(error) => trouble.tell(&error, |repeated| {
                tracing::warn!(%error, repeated, "could not bring the tables of usage up to date; trying again later");
            }),
        }
        // Replicas that started together don't begin together.
        let rest = REST.mul_f64(rand::rng().random_range(0.5..1.5));
        tokio::time::sleep(rest).await;
    }
}

async fn keep_once(store: &dyn UsageStore, settings: &Usage) -> Result<(), StoreError> {
    let dropped = store.keep_usage_months(settings.keep_hours_for, settings.keep_days_for).await?;
    // Only then are there keys without any count.
    if dropped.is_some_and(|dropped| dropped > 0) {
        tracing::info!(dropped, "dropped old months of usage");
        let mut last = Some(0);
        while let Some(after) = last {
            last = store.forget_usage_keys(after, TOGETHER).await?;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}
