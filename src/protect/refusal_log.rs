//! Refusals are logged, but no stranger may fill the log with them: a flood of bad credentials gets
//! so many lines a second and then a number.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Enough to see who is refused and why; a line costs more than the refusal does.
const LINES_A_SECOND: u64 = 100;

/// Decides which refusals get a line. Two threads at the turn of a second may let a line more through.
#[derive(Default)]
pub struct RefusalLog {
    second: AtomicU64,
    lines: AtomicU64,
    untold: AtomicU64,
}

impl RefusalLog {
    /// Whether a refusal in this second (since any origin) gets a line; if so, how many before it got none.
    pub(super) fn admit(&self, second: u64) -> Option<u64> {
        if self.second.swap(second, Relaxed) != second {
            self.lines.store(0, Relaxed);
        }
        if self.lines.fetch_add(1, Relaxed) < LINES_A_SECOND {
            Some(self.untold.swap(0, Relaxed))
        } else {
            self.untold.fetch_add(1, Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_so_many_lines_a_second_and_then_a_number() {
        let log = RefusalLog::default();
        let lines = |second, refusals: u64| (0..refusals).filter_map(|_| log.admit(second)).collect::<Vec<_>>();
        assert_eq!(lines(7, 1_000).len() as u64, LINES_A_SECOND);
        assert_eq!(lines(8, 2), [1_000 - LINES_A_SECOND, 0]);
    }
}
