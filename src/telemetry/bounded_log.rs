//! Bounds the log lines that clients can cause: a limited number per second, followed by the number of suppressed
//! lines.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use time::OffsetDateTime;

/// Enough to see what happens and why. A line costs more than a refusal.
const LINES_A_SECOND: u64 = 100;

/// Decides which events of one kind are logged. At the turn of a second, two threads may log one line too many.
#[derive(Default)]
pub(crate) struct BoundedLog {
    second: AtomicU64,
    lines: AtomicU64,
    suppressed: AtomicU64,
}

impl BoundedLog {
    /// Whether to log the current event; if so, the number of suppressed events before it.
    pub(crate) fn admit(&self) -> Option<u64> {
        self.admit_in(OffsetDateTime::now_utc().unix_timestamp().unsigned_abs())
    }

    /// The same for a given second, counted from any origin.
    fn admit_in(&self, second: u64) -> Option<u64> {
        if self.second.swap(second, Relaxed) != second {
            self.lines.store(0, Relaxed);
        }
        if self.lines.fetch_add(1, Relaxed) < LINES_A_SECOND {
            Some(self.suppressed.swap(0, Relaxed))
        } else {
            self.suppressed.fetch_add(1, Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_so_many_lines_a_second_and_then_a_number() {
        let log = BoundedLog::default();
        let lines = |second, events: u64| (0..events).filter_map(|_| log.admit_in(second)).collect::<Vec<_>>();
        assert_eq!(lines(7, 1_000).len() as u64, LINES_A_SECOND);
        assert_eq!(lines(8, 2), [1_000 - LINES_A_SECOND, 0]);
    }
}
