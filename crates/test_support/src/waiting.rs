//! Tests wait for conditions, and never for times.

use std::{
    iter, thread,
    time::{Duration, Instant},
};

/// Long enough that only a defect reaches it.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between the first two looks at what nobody announces. What has not come soon is looked at less often, because
/// looking takes the processor from what is waited for.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    let mut pauses = pauses();
    while !condition() {
        assert!(Instant::now() < give_up, "never came: {what}");
        thread::sleep(pauses.next().expect("there is always another"));
    }
}

/// The same, out of the way of the test's runtime.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    let mut pauses = pauses();
    while !condition().await {
        assert!(Instant::now() < give_up, "never came: {what}");
        tokio::time::sleep(pauses.next().expect("there is always another")).await;
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    iter::successors(Some(FIRST_PAUSE), |pause| Some((*pause * 3 / 2).min(LONGEST_PAUSE)))
}

/// What `work` gives; a failed test when it does not end.
pub async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
