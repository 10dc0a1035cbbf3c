//! What is left of the limits on a credential, for responses.

use std::{fmt, sync::Arc, time::Duration};

use super::{CREDITS, Limit, Limits};

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitState<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// How much of it this replica knows to be left in the current window. It never rises within a window. Other
    /// replicas may use some of it: see `docs/limits.md`.
    pub remaining: u64,
    /// How long the current window lasts.
    pub resets_in: Duration,
}

/// What is left of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditsState {
    /// How much this replica knows to be left: what it has in hand, and what was left when it last asked. Other
    /// replicas may have spent some of it since.
    pub remaining: u64,
    /// How long until the next refill, if there will be one.
    pub refills_in: Option<Duration>,
}

/// The limits of one holder, which can be read at any time.
pub trait LimitReadings: Send + Sync {
    /// The limits.
    fn limits(&self) -> &Limits;

    /// Visits each limit.
    fn visit(&self, visitor: &mut dyn FnMut(LimitState<'_>));

    /// What is left of the credits, if there are any.
    fn credits(&self) -> Option<CreditsState>;
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

    /// Visits the credits: those of the key first. `true`: those of the owner.
    pub fn visit_credits(&self, visitor: &mut dyn FnMut(CreditsState, bool)) {
        for (readings, of_owner) in [(&self.of_key, false), (&self.of_owner, true)] {
            if let Some(state) = readings.as_ref().and_then(|readings| readings.credits()) {
                visitor(state, of_owner);
            }
        }
    }

    /// Whether no limit applied, and no credits.
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
        self.visit_credits(&mut |state, _| {
            list.entry(&(CREDITS, state.remaining));
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
    /// Whether the key's own credits are exhausted, or those of its owner.
    pub credits: SpentUp,
    /// How long until all of these have enough, because they begin anew, or are refilled; `None` if one of them never
    /// will.
    pub retry_after: Option<Duration>,
}

/// Whose credits are exhausted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpentUp {
    /// The key's own.
    pub of_key: bool,
    /// The owner's.
    pub of_owner: bool,
}

impl SpentUp {
    /// Whether any are.
    pub fn any(self) -> bool {
        self.of_key || self.of_owner
    }
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

    /// Whether credits are all that has too little left.
    pub fn is_of_credits_alone(&self) -> bool {
        self.violated == 0
    }

    /// [`retry_after`](Self::retry_after) in whole seconds, at least one. Rounded up, so that nobody retries too early.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        let seconds = |span: Duration| span.as_secs() + u64::from(span.subsec_nanos() > 0);
        self.retry_after.map(|span| u32::try_from(seconds(span).max(1)).unwrap_or(u32::MAX))
    }
}
