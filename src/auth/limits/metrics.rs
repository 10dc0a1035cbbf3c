//! How often limits were applied, with which outcome.

use crate::{
    domain::worded_enum::worded_enum,
    telemetry::metrics::counting::{Counter, Counters},
};

worded_enum! {
    /// The outcome for a request on which there are limits.
    pub enum LimitOutcome {
        /// Granted from what was in hand.
        Granted => "granted",
        /// Granted after the database had answered.
        GrantedLater => "granted_later",
        /// Refused: a limit is exhausted.
        Refused => "refused",
        /// The database did not answer, and a limit refuses then.
        Undecided => "undecided",
        /// The database did not answer, and the limits concerned admit then.
        Uncounted => "uncounted",
    }
}

worded_enum! {
    /// The outcome of a question to the database.
    pub enum Grant {
        /// It granted a slice.
        Granted => "granted",
        /// Nothing was left.
        Refused => "refused",
        /// Credits were given back, or only looked at.
        Returned => "returned",
        /// It did not answer, or not in time.
        Failed => "failed",
    }
}

/// The counters.
pub struct LimitCounts {
    outcomes: Counters,
    grants: Counters,
    /// Credits of replicas that are gone, which count as spent.
    written_off: Counter,
}

impl Default for LimitCounts {
    fn default() -> Self {
        Self {
            outcomes: Counters::new(LimitOutcome::ALL.len()),
            grants: Counters::new(Grant::ALL.len()),
            written_off: Counter::default(),
        }
    }
}

impl LimitCounts {
    pub(super) fn count(&self, outcome: LimitOutcome) {
        self.outcomes.add(outcome as usize, 1);
    }

    pub(super) fn count_grant(&self, grant: Grant) {
        self.grants.add(grant as usize, 1);
    }

    /// The requests on which there were limits, by outcome.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LimitOutcome::ALL.into_iter().map(|outcome| (outcome.as_str(), self.outcomes.get(outcome as usize)))
    }

    /// The questions to the database, by outcome.
    pub fn grants(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Grant::ALL.into_iter().map(|grant| (grant.as_str(), self.grants.get(grant as usize)))
    }

    /// Counts credits of replicas that are gone.
    pub(in crate::auth) fn count_written_off(&self, credits: u64) {
        self.written_off.add(credits);
    }

    /// The credits of replicas that are gone, which count as spent.
    pub fn written_off(&self) -> u64 {
        self.written_off.get()
    }
}
