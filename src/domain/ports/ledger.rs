//! What use cases need of where keys, owners, tokens and the audit are kept.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::{
    api_key::KeyId,
    audit::{AuditEvent, Author},
    key_record::ManagedKey,
    ledger::{Change, IdempotentRequest, Inserted, Insertion, Outcome, OwnerSwitch, OwnerSwitched, Reach, Together},
    listing::{EventFilter, KeyFilter, KeyOrder, Listed, OwnerFilter, OwnerStanding, Page},
    owner::Owner,
    text::ChangeReason,
    token::TokenRevocation,
};

/// Where keys are managed.
#[async_trait]
pub trait KeyLedger: Send + Sync {
    /// Makes a key. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`StoreError`] when it may not have been made.
    async fn insert(&self, insertion: &Insertion<'_>, author: &Author) -> Result<Inserted, StoreError>;

    /// What the same request has made before, if it has; `None` when it is new. `reach`: of who asks.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn earlier(
        &self,
        request: &IdempotentRequest,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Option<Inserted>, StoreError>;

    /// A key within reach.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn show(&self, id: KeyId, reach: &Reach) -> Result<Option<ManagedKey>, StoreError>;

    /// Keys in this order. `reach`: of who asks; what is listed is for the filter to say.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn list(
        &self,
        filter: &KeyFilter,
        order: KeyOrder,
        page: &Page,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Listed<ManagedKey>, StoreError>;

    /// Changes a key as `change` decides.
    ///
    /// # Errors
    /// [`StoreError`] when it may not have been changed.
    async fn change(&self, change: &Change<'_>) -> Result<Outcome, StoreError>;

    /// Revokes the newest `most` of the keys that `filter` names and that are not revoked. Where it names an owner, and
    /// there are fewer, none is left; otherwise the successor of a key that was being rotated may be. Gives their number.
    ///
    /// # Errors
    /// [`StoreError`] when they may not have been revoked.
    async fn revoke_together(
        &self,
        filter: &KeyFilter,
        most: u32,
        reason: Option<&ChangeReason>,
        at: OffsetDateTime,
        by: Together<'_>,
    ) -> Result<u32, StoreError>;

    /// How many keys `filter` names that are not revoked: those that [`revoke_together`](Self::revoke_together) would revoke.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn count_living(&self, filter: &KeyFilter, reach: &Reach, now: OffsetDateTime) -> Result<u64, StoreError>;

    /// Whether all keys of an owner are switched off.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn is_disabled(&self, owner: &Owner) -> Result<bool, StoreError>;

    /// Owners who have keys, or are disabled, in the order of issuer and subject. For who reaches everybody.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn owners(
        &self,
        filter: &OwnerFilter,
        page: &Page,
        now: OffsetDateTime,
    ) -> Result<Listed<OwnerStanding>, StoreError>;

    /// One of them; `None` for one who neither has a key nor is disabled.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn owner(&self, owner: &Owner, now: OffsetDateTime) -> Result<Option<OwnerStanding>, StoreError>;

    /// Switches all keys of an owner, those of the future too.
    ///
    /// # Errors
    /// [`StoreError`] when it may not have been switched.
    async fn switch_owner(&self, switch: &OwnerSwitch, by: Together<'_>) -> Result<OwnerSwitched, StoreError>;

    /// Ends tokens before they expire. Gives the instant before which those of the subject are refused, where they were
    /// ended so; it may have been a later one already.
    ///
    /// # Errors
    /// [`StoreError`] when they may not have been ended.
    async fn revoke_tokens(
        &self,
        revocation: &TokenRevocation,
        by: Together<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Removes at most `most` keys whose life ended longer than `keep` ago by the store's clock. Gives their number;
    /// `None` while another replica is at it.
    ///
    /// # Errors
    /// [`StoreError`] when they may not have been removed.
    async fn forget_ended(&self, keep: Duration, most: u32) -> Result<Option<u32>, StoreError>;

    /// Makes the audit's tables for the months to come, and drops those that are too old, unless another session is at it.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be done, for instance because somebody is reading the audit.
    async fn keep_audit_months(&self) -> Result<(), StoreError>;

    /// Events, newest first. `reach`: of who asks; what is listed is for the filter to say.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn events(&self, filter: &EventFilter, page: &Page, reach: &Reach) -> Result<Listed<AuditEvent>, StoreError>;
}
