//! What may happen in a world, and which safeguard it lacks.

use keyward::domain::limits::{Limit, LimitName, Window};

/// The length of the limit's window, in ticks: seconds of the database's clock.
pub(crate) const WINDOW: u32 = 4;

/// What may happen in a world, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) amount: u64,
    pub(crate) cost: u64,
    /// How many milliseconds the clock of each replica counts in a second of the database's.
    pub(crate) rates: Vec<u64>,
    /// Requests to each replica.
    pub(crate) requests: u32,
    pub(crate) ticks: u32,
    pub(crate) crashes: u32,
    /// Replicas that stop in order, and give back what they have.
    pub(crate) stops: u32,
    /// Answers that are lost, and transactions that are not committed.
    pub(crate) losses: u32,
    /// Answers that arrive again.
    pub(crate) repetitions: u32,
    /// How often the database's clock is set back.
    pub(crate) set_back: u32,
    pub(crate) fault: Option<Fault>,
}

/// A safeguard that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The row is read first, and written when the answer arrives.
    DeductedLater,
    /// A grant is used though it is unknown whether it was committed.
    UnknownUsed,
    /// A slice is used after its window.
    NoWindowCheck,
    /// Clocks are taken to be exact.
    NoMargin,
    /// The time since the answer counts, and not since the question.
    CountedFromAnswer,
    /// Each answer counts, whatever was asked.
    AnswersNotNumbered,
    /// The clock is read before the request arrives.
    OldClock,
    /// What was given back is used nevertheless.
    ReturnedUsed,
    /// What was given back counts in whichever window it is.
    ReturnedAnytime,
    /// The count of a later window is forgotten when the clock is set back.
    SetBackForgets,
}

impl Rules {
    pub(crate) fn limit(&self) -> Limit {
        let name = LimitName::parse("limit").expect("a name");
        Limit { cost: self.cost, ..Limit::new(name, self.amount, Window::Seconds(WINDOW)).expect("a limit") }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}
