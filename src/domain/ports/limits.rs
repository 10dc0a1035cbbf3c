//! The port to the counters of limits.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::limits::{Holder, LimitName};

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
    /// When the window began.
    pub begins: OffsetDateTime,
    /// When the window ends, after `at`.
    pub ends: OffsetDateTime,
    /// The database's clock while it was decided.
    pub at: OffsetDateTime,
}

/// The counters of limits.
#[async_trait]
pub trait LimitStore: Send + Sync {
    /// Takes a slice for each request, in this order. What was granted is taken for good: a replica that does not use it
    /// does not give it back.
    ///
    /// # Errors
    /// [`StoreError`] if it is unknown whether anything was taken. Then nothing of it may be used.
    async fn take_slices(&self, requests: &[SliceRequest]) -> Result<Vec<SliceGrant>, StoreError>;

    /// Deletes counters whose windows ended long ago. Reads at most `most` of them after the counter `after`, and returns
    /// the last of them, with the number of deleted ones; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been done.
    async fn forget_counters(&self, after: Holder, most: u32) -> Result<(Option<Holder>, u64), StoreError>;
}
