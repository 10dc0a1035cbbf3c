//! What a process costs, as Linux tells it.

use std::{collections::HashMap, ffi::OsString, fs, time::Duration};

/// The memory that a process has from the system now, in KiB.
pub(crate) fn memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// How busy the busiest thread of a process is while the test waits: the time in which it ran or wanted to, divided by
/// the time that passed. One that spins wants to all the time, however busy the machine is with others.
pub(crate) async fn busyness(pid: u32) -> f64 {
    const WATCHED: Duration = Duration::from_secs(2);
    let before = busy_nanoseconds(pid);
    tokio::time::sleep(WATCHED).await;
    let after = busy_nanoseconds(pid);
    let busy = after.iter().map(|(thread, after)| after - before.get(thread).unwrap_or(&0));
    busy.max().unwrap_or(0) as f64 / WATCHED.as_nanos() as f64
}

/// Of each thread; `schedstat` tells nanoseconds on a core, nanoseconds in its queue, and how often it came on.
fn busy_nanoseconds(pid: u32) -> HashMap<OsString, u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("a process").flatten();
    let busy = threads.filter_map(|thread| {
        let told = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let busy = told.split_whitespace().take(2).map(|part| part.parse::<u64>().expect("a number"));
        Some((thread.file_name(), busy.sum()))
    });
    busy.collect()
}
