//! Waiting for leases: until no replica can use data from before a change.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// How often the remaining seconds are updated on a terminal.
const TICK: Duration = Duration::from_millis(200);

/// This process can't receive acknowledgements, so it waits until no replica can use data from before the change.
/// Reachable replicas have applied it within milliseconds.
pub(super) async fn wait(lease: Duration) {
    if lease.is_zero() {
        return; // No replica has ever run on this database.
    }
    let end = Instant::now() + lease;
    let told = "until it is true for replicas that cannot be reached, too …";
    if !stderr().is_terminal() {
        eprintln!("Done. Waiting {} {told}", humantime::format_duration(lease));
        return sleep(lease).await;
    }
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        eprint!("\rDone. Waiting {:2} s {told}", left.as_secs() + 1);
        sleep(left.min(TICK)).await;
    }
    // Clears the line.
    eprint!("\r\x1b[K");
}
