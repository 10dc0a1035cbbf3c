//! How many credentials were checked, with which outcome, and what it took. Counted at each check, so it takes a few
//! nanoseconds and no lock.

use crate::{domain::worded_enum::worded_enum, telemetry::metrics::counting::Counters};

worded_enum! {
    /// What decided on a credential.
    pub enum Way {
        /// The replica's memory.
        Memory => "memory",
        /// A row, for a secret or a token that was proven before or just now.
        Row => "row",
        /// A hash of the presented secret.
        Hash => "hash",
        /// The form and the tag of a key.
        Tag => "tag",
        /// The signature or the claims of a token.
        Signature => "signature",
        /// Nothing: it could not be decided.
        None => "none",
    }
}

worded_enum! {
    /// What was decided.
    pub enum Outcome {
        /// The credential is valid.
        Granted => "granted",
        /// The credential is refused.
        Denied => "denied",
        /// It could not be decided.
        Undecided => "undecided",
    }
}

/// The kind of credential that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// API keys.
    Keys,
    /// Tokens.
    Tokens,
}

/// The counters of one kind of credential.
pub struct CheckCounts {
    kind: Counted,
    counters: Counters,
}

/// One of these counters.
pub struct CheckCount {
    /// The name of the outcome.
    pub outcome: &'static str,
    /// The name of the way.
    pub way: &'static str,
    /// The number of checks.
    pub count: u64,
}

impl CheckCounts {
    pub(super) fn new(kind: Counted) -> Self {
        Self { kind, counters: Counters::new(Outcome::ALL.len() * Way::ALL.len()) }
    }

    pub(super) fn count(&self, outcome: Outcome, way: Way) {
        self.counters.add(place(outcome, way), 1);
    }

    /// The counters of all combinations that can happen.
    pub fn all(&self) -> impl Iterator<Item = CheckCount> {
        let combinations = Outcome::ALL.into_iter().flat_map(|outcome| Way::ALL.map(|way| (outcome, way)));
        let possible = combinations.filter(|(outcome, way)| can_happen(self.kind, *outcome, *way));
        possible.map(|(outcome, way)| CheckCount {
            outcome: outcome.as_str(),
            way: way.as_str(),
            count: self.counters.get(place(outcome, way)),
        })
    }
}

fn place(outcome: Outcome, way: Way) -> usize {
    outcome as usize * Way::ALL.len() + way as usize
}

fn can_happen(kind: Counted, outcome: Outcome, way: Way) -> bool {
    match (outcome, way) {
        (Outcome::Undecided, way) => way == Way::None,
        (_, Way::None) => false,
        (_, Way::Row) | (Outcome::Granted, Way::Memory) => true,
        (_, Way::Hash) | (Outcome::Denied, Way::Memory) => kind == Counted::Keys,
        (outcome, Way::Tag) => kind == Counted::Keys && outcome == Outcome::Denied,
        (outcome, Way::Signature) => kind == Counted::Tokens && outcome == Outcome::Denied,
    }
}
