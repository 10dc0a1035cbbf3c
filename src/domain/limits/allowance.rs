//! What is left of the limits on a credential, for responses.

use std::{fmt, sync::Arc, time::Duration};

use super::Limit;

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitState<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// How much of it this replica knows to be left in the current window. It never rises within a window. Other replicas
    /// may use some of it: see `docs/limits.md`.
    pub remaining: u64,
    /// How long the current window lasts.
    pub resets_in: Duration,
}

/// The limits of one holder, which can be read at any time.
pub trait LimitReadings: Send + Sync {
    /// Visits each limit.
    fn visit(&self, visitor: &mut dyn FnMut(LimitState<'_>));

    /// The number of limits.
    fn count(&self) -> usize;
}

/// The limits that were applied to a request: those of the key, and those of its owner. What is left is read when it is
/// asked for, so that a request whose response does not show it pays nothing.
#[derive(Clone, Default)]
pub struct Allowance {
    /// The limits of the key.
    pub of_key: Option<Arc<dyn LimitReadings>>,
    /// The limits of the owner.
    pub of_owner: Option<Arc<dyn LimitReadings>>,
}

impl Allowance {
    /// Visits each limit: those of the key first.
    pub fn visit(&self, visitor: &mut dyn FnMut(LimitState<'_>)) {
        for readings in self.of_key.iter().chain(&self.of_owner) {
            readings.visit(visitor);
        }
    }

    /// Whether no limit applied.
    pub fn is_unlimited(&self) -> bool {
        self.of_key.is_none() && self.of_owner.is_none()
    }
}

impl fmt::Debug for Allowance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = formatter.debug_list();
        self.visit(&mut |state| {
            list.entry(&(state.limit.name.as_str(), state.remaining));
        });
        list.finish()
    }
}

/// A request was refused, because at least one limit has too little left. Nothing was taken from the others.
#[derive(Clone, Debug)]
pub struct Exceeded {
    /// All limits that apply.
    pub allowance: Allowance,
    /// A bit for each limit that has too little left, in the order of [`Allowance::visit`].
    pub violated: u32,
    /// How long until all of these begin anew.
    pub retry_after: Duration,
}

impl Exceeded {
    /// Visits each limit that has too little left.
    pub fn visit_violated(&self, visitor: &mut dyn FnMut(LimitState<'_>)) {
        let mut at = 0;
        self.allowance.visit(&mut |state| {
            if self.violated & (1 << at) != 0 {
                visitor(state);
            }
            at += 1;
        });
    }

    /// [`retry_after`](Self::retry_after) in whole seconds, at least one. Rounded up, so that nobody retries too early.
    pub fn retry_after_seconds(&self) -> u32 {
        let seconds = self.retry_after.as_secs() + u64::from(self.retry_after.subsec_nanos() > 0);
        u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
    }
}
