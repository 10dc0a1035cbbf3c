//! The port to the counts of uses.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::{
    api_key::KeyId,
    key_record::LastUse,
    ledger::Reach,
    usage::{KeyDay, Period, TooManyCounts, Usage, UsageQuery, UseOutcome},
};

/// A use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key: KeyId,
    /// When and from where it was used.
    pub last: LastUse,
}

/// Uses of a key in an hour that are to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourlyUses {
    /// The key.
    pub key: KeyId,
    /// When the hour began.
    pub hour: OffsetDateTime,
    /// What came of the uses.
    pub outcome: UseOutcome,
    /// Their tag; empty for none.
    pub tag: String,
    /// How many there were.
    pub count: u32,
}

/// What a replica writes at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageBatch {
    /// Its number: that of the batch before and one. A replica writes one after another.
    pub number: i64,
    /// The last uses of keys, at most one for each.
    pub last_uses: Vec<KeyUse>,
    /// What is to be added to the counts.
    pub counts: Vec<HourlyUses>,
}

/// The store of uses.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Records last uses, unless later ones are recorded, and adds to the counts. A batch that was written before is
    /// not written again.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been written. It has to be repeated as it is, before another.
    async fn write_usage(&self, batch: &UsageBatch) -> Result<(), StoreError>;

    /// Reports usage, unless too many counts would have to be read. `reach` is the caller's; only the query decides
    /// which uses are counted.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn usage(&self, query: &UsageQuery, reach: &Reach) -> Result<Result<Usage, TooManyCounts>, StoreError>;

    /// The uses of these keys by day in this time, in no order; days without uses are absent. `reach` is the caller's;
    /// only `keys` decides whose uses are told. For the keys of a page of a list.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn days_of_keys(&self, keys: &[KeyId], period: Period, reach: &Reach) -> Result<Vec<KeyDay>, StoreError>;

    /// Creates the partitions of the coming months, and drops those that are too old (`None`: none). Returns how many
    /// were dropped, or `None` if another session is doing so.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be done, for example because somebody is reading.
    async fn keep_usage_months(
        &self,
        hours: Option<Duration>,
        days: Option<Duration>,
    ) -> Result<Option<u32>, StoreError>;

    /// Forgets the numbers of keys that are gone and have no counts: looks at `most` numbers after `after`, and returns
    /// the last of them; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been done.
    async fn forget_usage_keys(&self, after: i32, most: u32) -> Result<Option<i32>, StoreError>;
}
