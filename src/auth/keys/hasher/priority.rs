//! Which threads go first.

/// Enough for a request that arrives to take the core at once; with a quarter of the usual share where the cores
/// are never idle, so that first checks go on even then.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Lets every other thread go before this one, from now on. A hash takes a core for some ten milliseconds, and
/// without this a known key that comes meanwhile waits until the system thinks that the hash has had its turn: 4 ms.
///
/// Only on Linux, where the niceness is the thread's own and not the process's. Nothing is lost where it can't be
/// set: a process that was started with a higher one keeps that.
pub(crate) fn step_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}
