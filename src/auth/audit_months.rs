//! The audit's months: those to come get a table, and those that are too old lose theirs.

use std::{sync::Arc, time::Duration};

use crate::{domain::ledger::KeyLedger, telemetry::outage::Trouble};

/// Months are made a year ahead, so it matters to nobody when in an hour it is done.
const REST: Duration = Duration::from_secs(60 * 60);
/// After it failed, for instance because a backup is reading the audit.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Sees to them for ever. Of several replicas, one at a time.
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
