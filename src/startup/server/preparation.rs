//! Waiting for the database at the start, and for what must be true of it.

use std::{net::SocketAddr, time::Duration};

use rand::RngExt;

use super::peppers::Peppers;
use crate::{
    config::{Audit, Database},
    domain::ports::health::Health,
    store::{OpenError, Schema, Store},
    telemetry::outage::Trouble,
};

/// The pause between attempts to reach the database at startup; doubled up to the maximum. Up to half of it is
/// subtracted at random, so that replicas that start together do not retry together.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often the schema is looked at that is older than this program. Whoever migrates waits for this at most, and an idle
/// replica costs the database nothing that shows.
const SCHEMA_ASKED_EVERY: Duration = Duration::from_secs(1);

/// Waits until somebody has brought the schema up to date. An outage meanwhile is told by those who ask for readiness.
pub(super) async fn wait_for_schema(store: &dyn Health) {
    while !matches!(store.is_ready().await, Ok(true)) {
        tracing::debug!("the database's schema is still older than this program");
        tokio::time::sleep(SCHEMA_ASKED_EVERY).await;
    }
    tracing::info!("the database's schema is up to date: this replica begins its work");
}

/// Tries until all is there, or something is wrong for good.
pub(super) async fn prepare(
    store: &Store,
    peppers: &Peppers,
    database: &Database,
    audit: &Audit,
    address: SocketAddr,
) -> Result<Schema, OpenError> {
    let attempt = async || {
        let schema = store.prepare(database, audit).await?;
        if schema.fits {
            peppers.claim().await?;
        }
        Ok::<_, OpenError>(schema)
    };
    let trouble = Trouble::default();
    let mut pause = PAUSE;
    loop {
        match attempt().await {
            Err(error) if error.heals() => trouble.tell(&error, |repeated| {
                tracing::warn!(
                    %error,
                    repeated,
                    %address,
                    "waiting for the database: alive, but not ready; trying again"
                );
            }),
            Ok(schema) => {
                trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "the database answers"));
                return Ok(schema);
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
