//! Thread priority.

/// Enough for an arriving request to get the core immediately. Where cores are never idle, a quarter of the usual share
/// remains, so that first checks still make progress.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Lowers the priority of this thread for good. A hash occupies a core for about ten milliseconds; otherwise a known
/// key that arrives in the meantime would wait until the scheduler's time slice of 4 ms ends.
///
/// Only on Linux, where niceness is per thread and not per process. Failures are harmless: a process that was started
/// with a higher niceness keeps it.
pub(crate) fn lower_thread_priority() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}
