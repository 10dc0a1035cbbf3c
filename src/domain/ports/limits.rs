//! The port to the counters of limits.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::limits::{Holder, LimitName, Refill};

/// A request for a part of what a limit has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceRequest {
    /// Whose limit.
    pub holder: Holder,
    /// The limit's name.
    pub name: LimitName,
    /// The limit's window, as [`Window::period`](crate::domain::limits::Window::period) writes it.
    pub period: i32,
    /// The limit's amount.
    pub amount: u64,
    /// With less than this, nothing can be done, so that nothing is taken.
    pub least: u64,
    /// What the requests need that wait now.
    pub need: u64,
    /// What would last for a while.
    pub want: u64,
}

/// What was taken, in a transaction that is as durable as a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SliceGrant {
    /// What the replica may use, which no other may: 0 if less than [`least`](SliceRequest::least) is left.
    pub granted: u64,
    /// What was left of the limit afterwards.
    pub left: u64,
    /// When the window ends, after `at`. Two windows of a limit end at different times.
    pub ends: OffsetDateTime,
    /// The database's clock while it was decided.
    pub at: OffsetDateTime,
}

/// A part of a slice that a replica will not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceReturn {
    /// Whose limit.
    pub holder: Holder,
    /// The limit's name.
    pub name: LimitName,
    /// The limit's window, as in a [`SliceRequest`].
    pub period: i32,
    /// When the window ends that it was taken in.
    pub ends: OffsetDateTime,
    /// How much of it.
    pub amount: u64,
}

/// What a purse says to the database: all that it has ever spent, and what it has in hand. So a message means the same
/// however often it is sent, and whatever became of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CreditRequest {
    /// Whose balance.
    pub holder: Holder,
    /// The purse. Those that a replica begins later have greater numbers.
    pub purse: u64,
    /// The message of this purse. Later ones have greater numbers.
    pub message: u64,
    /// All that the purse has ever spent.
    pub used: u64,
    /// What the purse has in hand. What it was given besides goes back.
    pub in_hand: u64,
    /// With less than this, nothing can be done, so that nothing is taken.
    pub least: u64,
    /// What the requests need that wait now.
    pub need: u64,
    /// What would last for a while; 0 takes nothing.
    pub want: u64,
}

/// What became of a [`CreditRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CreditGrant {
    /// How the message was understood.
    pub outcome: CreditOutcome,
    /// What the purse may use, which no other may.
    pub granted: u64,
    /// What was left of the balance afterwards.
    pub left: u64,
    /// What other replicas have of it. Some of that may come back.
    pub elsewhere: u64,
    /// When the next refill comes.
    pub next_refill: Option<OffsetDateTime>,
    /// What each refill adds.
    pub refill: Option<Refill>,
    /// A refill adds nothing beyond this.
    pub max: Option<u64>,
    /// The database's clock while it was decided.
    pub at: OffsetDateTime,
}

/// How a [`CreditRequest`] was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreditOutcome {
    /// As it was meant.
    Done,
    /// Nothing is left. It was not written that the message came, so an earlier one may still be heard.
    Refused,
    /// A later message was heard before.
    Late,
    /// The balance was set. What is in hand is void.
    Changed,
    /// There is no balance.
    Gone,
}

impl CreditOutcome {
    /// The outcome with this name in the database.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "done" => Some(Self::Done),
            "refused" => Some(Self::Refused),
            "late" => Some(Self::Late),
            "changed" => Some(Self::Changed),
            "gone" => Some(Self::Gone),
            _ => None,
        }
    }
}

/// What was settled of slices whose replicas are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettledSlices {
    /// The last holder that was looked at; `None` at the end.
    pub last: Option<Holder>,
    /// The number of slices.
    pub slices: u64,
    /// How many credits count as spent now, because nobody knows whether they were.
    pub credits: u64,
}

/// What was taken of a limit in the window that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedLimit {
    /// Whose limit.
    pub holder: Holder,
    /// The limit's name.
    pub name: String,
    /// The limit's window, as in a [`SliceRequest`].
    pub period: i32,
    /// What replicas have taken. They may have some of it in hand.
    pub taken: u64,
    /// When the window ends.
    pub ends: OffsetDateTime,
}

/// The counters of limits, and the balances.
#[async_trait]
pub trait LimitStore: Send + Sync {
    /// Takes a slice for each request, in this order.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether anything was taken. Then nothing of it may be used.
    async fn take_slices(&self, requests: &[SliceRequest]) -> Result<Vec<SliceGrant>, StoreError>;

    /// Gives back what was taken and will not be used. What is of a window that has ended is forgotten.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether it was given back. Then it must not be given back once more.
    async fn return_slices(&self, returns: &[SliceReturn]) -> Result<(), StoreError>;

    /// What was taken of the limits of these holders, for people. Limits of which nothing was taken are not there.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn counted(&self, holders: &[Holder]) -> Result<Vec<CountedLimit>, StoreError>;

    /// Deletes counters whose windows ended long ago. Reads at most `most` of them after the counter `after`, and
    /// returns the last of them, with the number of deleted ones; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been done.
    async fn forget_counters(&self, after: Holder, most: u32) -> Result<(Option<Holder>, u64), StoreError>;

    /// Settles what purses of this replica have spent, and gives them new slices, for each request in this order.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether anything was done. Then nothing of what was granted may be used.
    async fn exchange_credits(&self, requests: &[CreditRequest]) -> Result<Vec<CreditGrant>, StoreError>;

    /// Settles slices of replicas that have been silent for long. Looks at `most` of them after the holder `after`.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been done.
    async fn settle_silent_slices(&self, after: Holder, most: u32) -> Result<SettledSlices, StoreError>;
}
