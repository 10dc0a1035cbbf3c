//! The audit's monthly partitions: creates those of the coming months, and drops those that are too old.

use std::{sync::Arc, time::Duration};

use super::{Rest, repeat};
use crate::domain::ports::{StoreError, ledger::KeyLedger};

/// Partitions are created a year ahead, so the exact time does not matter. After a failure, for example because a
/// backup is reading the audit, it is tried again sooner.
const REST: Rest = Rest::exactly(Duration::from_secs(60 * 60)).after_failure(Duration::from_secs(60));

/// Maintains the partitions for ever. Only one replica at a time does so.
pub async fn keep(ledger: Arc<dyn KeyLedger>) {
    repeat(
        REST,
        || keep_now(Arc::clone(&ledger)),
        |error, repeated| {
            tracing::warn!(%error, repeated, "could not create or drop partitions of the audit; trying again");
        },
        |lasted_ms| tracing::info!(lasted_ms, "the audit's partitions are up to date again"),
    )
    .await;
}

async fn keep_now(ledger: Arc<dyn KeyLedger>) -> Result<(), StoreError> {
    ledger.keep_audit_months().await?;
    tracing::debug!("the audit's partitions are up to date");
    Ok(())
}
