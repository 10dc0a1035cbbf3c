//! Deletes sessions and links that have ended.

use std::{sync::Arc, time::Duration};

use super::{Rest, repeat};
use crate::domain::ports::{StoreError, sessions::SessionStore};

/// The number of sessions, and of links, that one transaction deletes, in some milliseconds.
const BATCH: u32 = 1_000;
/// The pause between transactions, so that a replica deletes at most five thousand of each per second.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause after the last one.
const REST: Rest = Rest::about(Duration::from_secs(600), 0.5);

/// Deletes sessions and links that have ended, for ever. Those that were idle for too long are refused before, and
/// deleted with the others, when they have lasted as long as any may.
pub async fn forget(store: Arc<dyn SessionStore>) {
    repeat(
        REST,
        || forget_now(Arc::clone(&store)),
        |error, repeated| tracing::warn!(%error, repeated, "could not delete old sessions; trying again"),
        |lasted_ms| tracing::info!(lasted_ms, "old sessions can be deleted again"),
    )
    .await;
}

async fn forget_now(store: Arc<dyn SessionStore>) -> Result<(), StoreError> {
    while store.forget_ended(BATCH).await? >= u64::from(BATCH) {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
