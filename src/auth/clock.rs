//! This machine's monotonic clock, for leases; and its wall clock, for people.

use rustix::time::{ClockId, clock_gettime};

use super::coherence::MonotonicTime;

/// The clock must continue while the process is stopped and while the machine is suspended, so that a resumed replica
/// finds its lease expired. On macOS, the monotonic clock does.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// The current time. Takes about 20 ns; no system call on Linux.
pub(crate) fn now() -> MonotonicTime {
    let time = clock_gettime(CLOCK);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    MonotonicTime::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// The second of this machine's wall clock. Only for what is told to people: it may step, and differ from the
/// database's.
pub(crate) fn wall_second() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec
}
