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
                trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "the audit's partitions are up to date again"));
                tracing::debug!("the audit's partitions are up to date");
                REST
            }
            Err(error) => {
                trouble.tell(&error, |repeated| {
                    tracing::warn!(
                        %error,
                        repeated,
                        "could not create or drop partitions of the audit; trying again"
                    );
                });
                REST_AFTER_FAILURE
            }
        };
        tokio::time::sleep(rest).await;
    }
}
