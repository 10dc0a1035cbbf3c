//! Deletes keys that ended long ago: in batches, by one replica at a time.

use std::{sync::Arc, time::Duration};

use super::{Rest, repeat};
use crate::domain::ports::{StoreError, ledger::KeyLedger};

/// The number of keys per transaction, which takes some milliseconds and sends one notification.
const BATCH: u32 = 200;
/// The pause between batches, so that a replica deletes at most a thousand keys per second.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause if there is nothing to delete, or another replica is deleting.
const REST: Rest = Rest::exactly(Duration::from_secs(60));

/// Deletes keys that ended more than `keep` ago, for ever.
pub async fn forget(ledger: Arc<dyn KeyLedger>, keep: Duration) {
    repeat(
        REST,
        || forget_now(Arc::clone(&ledger), keep),
        |error, repeated| tracing::warn!(%error, repeated, "could not delete ended keys; trying again"),
        |lasted_ms| tracing::info!(lasted_ms, "ended keys can be deleted again"),
    )
    .await;
}

/// Deletes all such keys that exist now, unless another replica is deleting.
async fn forget_now(ledger: Arc<dyn KeyLedger>, keep: Duration) -> Result<(), StoreError> {
    let mut count = 0;
    while let Some(forgotten) = ledger.forget_ended(keep, BATCH).await? {
        count += u64::from(forgotten);
        if forgotten < BATCH {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    if count > 0 {
        tracing::info!(count, "deleted ended keys");
    }
    Ok(())
}
