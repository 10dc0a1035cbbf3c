//! The port to what is found out about all keys in the background, because no page could wait for it.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::{
    listing::{KeyCount, Risk},
    usage::UsageGroup,
};

/// How many keys have a risk, as it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskCount {
    /// The risk.
    pub risk: Risk,
    /// How many keys have it.
    pub count: KeyCount,
    /// When they were counted.
    pub counted_at: OffsetDateTime,
}

/// The keys with the most uses today, in UTC by the store's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusiestKeys {
    /// The keys with their uses, those with the most first.
    pub keys: Vec<UsageGroup>,
    /// When it was found out which keys they are. The uses themselves are of now.
    pub found_at: OffsetDateTime,
}

/// What is found out about all keys, by one replica at a time for all of them.
#[async_trait]
pub trait Surveys: Send + Sync {
    /// Whether a survey is due. Then nobody else begins one for the time of `pause`, or until this one is
    /// [ended](Self::end_survey).
    ///
    /// # Errors
    /// [`StoreError`] if one may have been begun.
    async fn begin_survey(&self, pause: Duration) -> Result<bool, StoreError>;

    /// Counts the keys with this risk.
    ///
    /// # Errors
    /// [`StoreError`] if the count may not have been recorded.
    async fn count_risk(&self, risk: Risk) -> Result<(), StoreError>;

    /// Finds out which keys have the most uses today, a part of the keys after the other.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been recorded.
    async fn find_busiest(&self) -> Result<(), StoreError>;

    /// The next survey is due after `rest`.
    ///
    /// # Errors
    /// [`StoreError`] if that may not have been recorded.
    async fn end_survey(&self, rest: Duration) -> Result<(), StoreError>;

    /// The latest counts. A risk that was never counted is absent.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn risks(&self) -> Result<Vec<RiskCount>, StoreError>;

    /// At most `most` keys with the most uses today; `None` if that was not found out yet.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn busiest(&self, most: u32) -> Result<Option<BusiestKeys>, StoreError>;
}
