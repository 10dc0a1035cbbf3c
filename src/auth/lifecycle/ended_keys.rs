//! Keys that ended long ago are removed: in pieces, beside everything else, by one replica at a time.

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{ledger::KeyLedger, ports::StoreError},
    telemetry::outage::Trouble,
};

/// Keys that one transaction removes: it takes some milliseconds, and sends one notification.
const TOGETHER: u32 = 200;
/// Between two pieces, so that a replica removes at most a thousand a second.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two looks where there is nothing to remove, or another replica is at it.
const REST: Duration = Duration::from_secs(60);

/// Removes keys that ended longer than `keep` ago, for ever.
pub async fn forget(ledger: Arc<dyn KeyLedger>, keep: Duration) {
    let trouble = Trouble::default();
    loop {
        match forget_all(&*ledger, keep).await {
            Ok(count) => {
                trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "keys that ended long ago can be removed again"));
                if count > 0 {
                    tracing::info!(count, "removed keys that ended long ago");
                }
            }
            Err(error) => trouble.tell(&error, |repeated| {
                tracing::warn!(%error, repeated, "could not remove keys that ended long ago; trying again");
            }),
        }
        tokio::time::sleep(REST).await;
    }
}

/// As many as there are now, unless another replica is at it.
async fn forget_all(ledger: &dyn KeyLedger, keep: Duration) -> Result<u64, StoreError> {
    let mut count = 0;
    while let Some(forgotten) = ledger.forget_ended(keep, TOGETHER).await? {
        count += u64::from(forgotten);
        if forgotten < TOGETHER {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(count)
}
