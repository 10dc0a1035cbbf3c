//! The audit's monthly partitions: creates those of the coming months, and drops those that are too old.

use std::{sync::Arc, time::Duration};

use crate::{domain::ports::ledger::KeyLedger, telemetry::outage::Trouble};

/// Partitions are created a year ahead, so the exact time does not matter.
const REST: Duration = Duration::from_secs(60 * 60);
/// After a failure, for example because a backup is reading the audit.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Maintains the partitions for ever. Only one replica at a time does so.
pub async fn keep(ledger: Arc<dyn KeyLedger>) {
    let trouble = Trouble::default();
    loop {
        let rest = match ledger.keep_audit_months().await {
            Ok(()) => {
                trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "the audit's months are in order again"));
                tracing::debug!("the audit's months are in order");
                REST
            }
            Err(error) => {
                trouble.tell(&error, |repeated| {
                    tracing::warn!(
                        %error,
                        repeated,
                        "the audit's months to come could not be made, or old ones not dropped; trying again"
                    );
                });
                REST_AFTER_FAILURE
            }
        };
        tokio::time::sleep(rest).await;
    }
}
