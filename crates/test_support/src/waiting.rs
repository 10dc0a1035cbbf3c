//! Tests wait for conditions, and never for times.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Long enough that only a defect reaches it.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at what nobody announces.
const POLL: Duration = Duration::from_millis(2);

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < give_up, "never came: {what}");
        thread::sleep(POLL);
    }
}

/// The same, out of the way of the test's runtime.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < give_up, "never came: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// What `work` gives; a failed test when it does not end.
pub async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
