//! Finds out in the background what no page could wait for, because very many keys have to be looked at.

use std::{sync::Arc, time::Duration};

use rand::RngExt;

use super::clock;
use crate::{
    domain::{
        listing::Risk,
        ports::{StoreError, surveys::Surveys},
    },
    telemetry::outage::Trouble,
};

/// At most this part of the time is spent with it, however many keys there are.
const PART: f64 = 0.01;

/// Takes a survey about `every` so often, for ever. Only one replica at a time does so.
pub async fn take(store: Arc<dyn Surveys>, every: Duration) {
    let trouble = Trouble::default();
    loop {
        match take_one(&*store, every).await {
            Ok(()) => trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "surveys of the keys are taken again")),
            Err(error) => trouble.tell(&error, |repeated| {
                tracing::warn!(%error, repeated, "could not take a survey of the keys; trying again later");
            }),
        }
        // Replicas that started together don't ask together. None comes back before its own last survey is old enough.
        let rest = every.mul_f64(rand::rng().random_range(0.5..1.5));
        tokio::time::sleep(rest).await;
    }
}

/// One survey, if it is due. What fails leaves the rest to be done.
async fn take_one(store: &dyn Surveys, every: Duration) -> Result<(), StoreError> {
    let pause = every / 2;
    if !store.begin_survey(pause).await? {
        return Ok(());
    }
    let begin = clock::now().as_nanos();
    let mut outcome = store.find_busiest().await;
    for risk in Risk::ALL {
        outcome = outcome.and(store.count_risk(risk).await);
    }
    let took = Duration::from_nanos(clock::now().as_nanos().saturating_sub(begin));
    outcome.and(store.end_survey(pause.max(took.div_f64(PART))).await)
}
