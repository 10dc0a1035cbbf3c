//! Finds out in the background what no page could wait for, because very many keys have to be looked at.

use std::{sync::Arc, time::Duration};

use super::{Rest, repeat};
use crate::{
    auth::clock,
    domain::{
        listing::Risk,
        ports::{StoreError, surveys::Surveys},
    },
};

/// At most this part of the time is spent with it, however many keys there are.
const PART: f64 = 0.01;

/// Takes a survey about `every` so often, for ever. Only one replica at a time does so.
pub async fn take(store: Arc<dyn Surveys>, every: Duration) {
    // Replicas that started together don't ask together. None comes back before its own last survey is old enough.
    repeat(
        Rest::about(every, 0.5),
        || take_one(Arc::clone(&store), every),
        |error, repeated| {
            tracing::warn!(%error, repeated, "could not take a survey of the keys; trying again later");
        },
        |lasted_ms| tracing::info!(lasted_ms, "surveys of the keys are taken again"),
    )
    .await;
}

/// One survey, if it is due. What fails leaves the rest to be done.
async fn take_one(store: Arc<dyn Surveys>, every: Duration) -> Result<(), StoreError> {
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::domain::ports::surveys::{BusiestKeys, RiskCount};

    const EVERY: Duration = Duration::from_secs(60);

    /// Notes what is done; one of which fails, if it has this name.
    struct Noted {
        is_due: bool,
        failing: &'static str,
        done: Mutex<Vec<String>>,
    }

    impl Noted {
        fn note(&self, what: &str) -> Result<(), StoreError> {
            self.done.lock().expect("no panic").push(what.to_owned());
            if what == self.failing { Err(StoreError::Unavailable(what.to_owned())) } else { Ok(()) }
        }

        async fn takes_one(is_due: bool, failing: &'static str) -> (Vec<String>, Result<(), StoreError>) {
            let store = Arc::new(Self { is_due, failing, done: Mutex::default() });
            let outcome = take_one(Arc::<Self>::clone(&store), EVERY).await;
            (store.done.lock().expect("no panic").clone(), outcome)
        }
    }

    #[async_trait]
    impl Surveys for Noted {
        async fn begin_survey(&self, pause: Duration) -> Result<bool, StoreError> {
            assert_eq!(pause, EVERY / 2, "so that one replica alone is due at each of its turns");
            self.note("begin").map(|()| self.is_due)
        }

        async fn count_risk(&self, risk: Risk) -> Result<(), StoreError> {
            self.note(risk.as_str())
        }

        async fn find_busiest(&self) -> Result<(), StoreError> {
            self.note("busiest")
        }

        async fn end_survey(&self, rest: Duration) -> Result<(), StoreError> {
            assert!(rest >= EVERY / 2);
            self.note("end")
        }

        async fn risks(&self) -> Result<Vec<RiskCount>, StoreError> {
            unimplemented!()
        }

        async fn busiest(&self, _: u32) -> Result<Option<BusiestKeys>, StoreError> {
            unimplemented!()
        }
    }

    #[tokio::test]
    async fn whoever_is_not_due_does_nothing() {
        let (done, outcome) = Noted::takes_one(false, "").await;
        assert!(outcome.is_ok());
        assert_eq!(done, ["begin"]);
    }

    #[tokio::test]
    async fn what_fails_leaves_the_rest_to_be_done_and_is_told() {
        let all = ["begin", "busiest", "leaked", "expiring_in_use", "never_expires", "unused", "unlimited", "end"];
        let (done, outcome) = Noted::takes_one(true, "").await;
        assert!(outcome.is_ok());
        assert_eq!(done, all);
        for failing in &all[1..] {
            let (done, outcome) = Noted::takes_one(true, failing).await;
            assert_eq!(
                outcome.expect_err("a failure").to_string(),
                StoreError::Unavailable((*failing).into()).to_string()
            );
            assert_eq!(done, all);
        }
    }
}
