//! How many credentials were checked, with which outcome, and what it took. Counted at each check, so it takes a few
//! nanoseconds and no lock.

use crate::telemetry::metrics::counting::Counters;

/// What decided on a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The replica's memory.
    Memory,
    /// A row, for a secret or a token that was proven before or just now.
    Row,
    /// A hash of the presented secret.
    Hash,
    /// The form and the tag of a key.
    Tag,
    /// The signature or the claims of a token.
    Signature,
    /// Nothing: it could not be decided.
    None,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The credential is valid.
    Granted,
    /// The credential is refused.
    Denied,
    /// It could not be decided.
    Undecided,
}

/// The kind of credential that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// API keys.
    Keys,
    /// Tokens.
    Tokens,
}

impl Way {
    const ALL: [(Self, &str); 6] = [
        (Self::Memory, "memory"),
        (Self::Row, "row"),
        (Self::Hash, "hash"),
        (Self::Tag, "tag"),
        (Self::Signature, "signature"),
        (Self::None, "none"),
    ];
}

impl Outcome {
    const ALL: [(Self, &str); 3] =
        [(Self::Granted, "granted"), (Self::Denied, "denied"), (Self::Undecided, "undecided")];
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
        let possible = combinations.filter(|((outcome, _), (way, _))| can_happen(self.kind, *outcome, *way));
        possible.map(|((outcome, outcome_name), (way, way_name))| CheckCount {
            outcome: outcome_name,
            way: way_name,
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
