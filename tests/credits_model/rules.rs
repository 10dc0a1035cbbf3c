//! What may happen in a world, and which safeguard it lacks.

/// What may happen in a world, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The balance in the beginning.
    pub(crate) balance: u64,
    /// Requests to each replica, which cost 1.
    pub(crate) requests: Vec<u32>,
    /// Requests that go before they are answered.
    pub(crate) impatient: u32,
    /// Half minutes that pass.
    pub(crate) ticks: u32,
    pub(crate) crashes: u32,
    /// Messages and answers that get lost, or come much later.
    pub(crate) losses: u32,
    /// Messages that come twice.
    pub(crate) repetitions: u32,
    /// Replicas that live, and are taken to be gone.
    pub(crate) sweeps: u32,
    /// How often somebody sets the balance, to what it was in the beginning.
    pub(crate) sets: u32,
    /// How often somebody adds 1 to the balance.
    pub(crate) additions: u32,
    pub(crate) fault: Option<Fault>,
}

/// A safeguard that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The balance is not lowered by what is granted.
    NotDeducted,
    /// A grant is used though it is unknown whether it was committed.
    UnknownUsed,
    /// Messages are heard in any order.
    AnyOrder,
    /// What a purse does not mention stays where it is.
    NothingRecovered,
    /// Slices of an earlier balance stay valid in the database.
    EpochIgnored,
    /// A replica that hears of a new balance goes on spending what it has of the old one.
    OldKept,
    /// It uses the answer to a question that it asked before it heard of the new balance.
    OvertakenUsed,
    /// What a silent replica has goes back.
    Incautious,
    /// What is given back can be used until the answer comes.
    ReturnedKept,
}

impl Rules {
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}
