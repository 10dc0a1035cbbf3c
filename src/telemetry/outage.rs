//! Something that goes wrong again and again until somebody mends it: a line when it begins, now and then a
//! number, and a line when it is over.

use std::{
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How often it is told that the same still goes wrong.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Whole milliseconds: in the log, spans are numbers with their unit in the name.
pub(crate) fn millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}

/// What has gone wrong last.
#[derive(Default)]
pub(crate) struct Trouble(Mutex<Option<Told>>);

struct Told {
    what: String,
    /// When the trouble began, whatever it was then.
    since: Instant,
    at: Instant,
    repeated: u64,
}

impl Trouble {
    /// Calls `line` when `what` is new, or was not told for a minute. It is given how often the same went wrong without
    /// being told.
    pub(crate) fn tell(&self, what: &impl Display, line: impl FnOnce(u64)) {
        let what = what.to_string();
        let now = Instant::now();
        let mut told = self.lock();
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
        *told = Some(Told { what, since, at: now, repeated: 0 });
        drop(told);
        line(repeated);
    }

    /// It went well; what goes wrong next is told at once. Calls `line` if something was told, with how long it has lasted in
    /// milliseconds: whoever reads the log sees the end where the beginning is.
    pub(crate) fn is_over(&self, line: impl FnOnce(u64)) {
        let told = self.lock().take();
        if let Some(told) = told {
            line(millis(told.since.elapsed()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Told>> {
        // A panic while it was locked leaves a valid value.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
