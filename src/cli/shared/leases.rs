//! Waiting for leases: until no replica can use data from before a change.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use keyward::domain::timestamp::span;
use tokio::time::{Instant, sleep};

use super::output::{tell, tell_line};

/// How often the remaining seconds are updated on a terminal.
const TICK: Duration = Duration::from_millis(200);

/// This process can't receive acknowledgements, so it waits until no replica can use data from before the change.
/// Reachable replicas have applied it within milliseconds.
pub(super) async fn wait(lease: Duration) {
    if lease.is_zero() {
        return; // No replica has ever run on this database.
    }
    let end = Instant::now() + lease;
    let told = "in case a replica cannot be reached …";
    if !stderr().is_terminal() {
        tell_line(format_args!("Done. Waiting {} {told}", span(lease)));
        return sleep(lease).await;
    }
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        tell(format_args!("\rDone. Waiting {:2} s {told}", left.as_secs() + 1));
        sleep(left.min(TICK)).await;
    }
    // Clears the line.
    tell("\r\x1b[K");
}
