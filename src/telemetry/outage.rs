//! Logs a recurring failure: one line when it begins, a line with a count at intervals, and one line when it is over.
//! And a state that should not be: one line when it begins, and one when it is over.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The interval at which a continuing failure is logged again.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Whole milliseconds: in the log, durations are numbers with their unit in the name.
pub(crate) fn millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}

/// The last failure.
#[derive(Default)]
pub(crate) struct Trouble(Mutex<Option<Reported>>);

struct Reported {
    what: String,
    /// When the outage began, whatever its first failure was.
    since: Instant,
    at: Instant,
    repeated: u64,
}

impl Trouble {
    /// Calls `line` if `what` is new or was not logged for a minute, with the number of repetitions that were not
    /// logged.
    pub(crate) fn tell(&self, what: &impl Display, line: impl FnOnce(u64)) {
        let what = what.to_string();
        let now = Instant::now();
        let mut told = self.0.lock();
        let since = told.as_ref().map_or(now, |told| told.since);
        let repeated = match &mut *told {
            Some(told) if told.what == what => {
                if told.at.elapsed() < TOLD_AGAIN {
                    told.repeated += 1;
                    return;
                }
                told.repeated
            }
            _ => 0,
        };
        *told = Some(Reported { what, since, at: now, repeated: 0 });
        drop(told);
        line(repeated);
    }

    /// Marks the operation as successful; the next failure is logged immediately. If a failure was logged, calls `line`
    /// with the duration of the outage in milliseconds, so that the log shows the end as well as the beginning.
    pub(crate) fn is_over(&self, line: impl FnOnce(u64)) {
        let told = self.0.lock().take();
        if let Some(told) = told {
            line(millis(told.since.elapsed()));
        }
    }
}

/// A state that should not be, such as that of a replica that is not ready.
#[derive(Default)]
pub(crate) struct Lapse(Mutex<Option<Instant>>);

impl Lapse {
    /// Calls `line` unless it has begun before.
    pub(crate) fn begins(&self, line: impl FnOnce()) {
        let mut since = self.0.lock();
        if since.is_none() {
            *since = Some(Instant::now());
            drop(since);
            line();
        }
    }

    /// If it has begun, calls `line` with how long it lasted, in milliseconds.
    pub(crate) fn is_over(&self, line: impl FnOnce(u64)) {
        let since = self.0.lock().take();
        if let Some(since) = since {
            line(millis(since.elapsed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lapse_is_told_when_it_begins_and_when_it_is_over() {
        let (lapse, lines) = (Lapse::default(), std::cell::RefCell::new(Vec::new()));
        let over = || lapse.is_over(|_| lines.borrow_mut().push("over"));
        let begins = || lapse.begins(|| lines.borrow_mut().push("begins"));
        over();
        begins();
        begins();
        over();
        over();
        begins();
        assert_eq!(*lines.borrow(), ["begins", "over", "begins"]);
    }

    #[test]
    fn the_same_is_told_once_and_something_else_at_once() {
        let (trouble, lines) = (Trouble::default(), std::cell::RefCell::new(Vec::new()));
        let tell = |what: &str| trouble.tell(&what, |_| lines.borrow_mut().push(what.to_owned()));
        ["a", "a", "b", "a", "a"].into_iter().for_each(tell);
        let end = || trouble.is_over(|_| lines.borrow_mut().push("over".to_owned()));
        end();
        end();
        tell("a");
        assert_eq!(*lines.borrow(), ["a", "b", "a", "over", "a"]);
    }
}
