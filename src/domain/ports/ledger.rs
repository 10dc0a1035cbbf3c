//! The port to the store of keys, owners, token revocations and the audit, for managing them.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Right, StoreError};
use crate::domain::{
    api_key::KeyId,
    audit::{Actor, AuditEvent, Author},
    key_record::ManagedKey,
    ledger::{
        Change, ChangeContext, IdempotentRequest, Inserted, Insertion, Outcome, OwnerSwitch, OwnerSwitched, Reach,
        Refusal,
    },
    listing::{EventFilter, KeyFilter, KeyOrder, Listed, OwnerFilter, OwnerStanding, Page},
    owner::Owner,
    owner_limits::{OwnerAllowance, OwnerLimitsChange, OwnerLimitsChanged},
    revocation::{KeyRevocation, Revoked},
    text::{ChangeReason, KeyName},
    token::TokenRevocation,
};

/// The store of keys, for managing them.
#[async_trait]
pub trait KeyLedger: Send + Sync {
    /// Creates a key. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`] if the key may not have been created.
    async fn insert(&self, insertion: &Insertion<'_>, author: &Author) -> Result<Inserted, StoreError>;

    /// The outcome of an earlier, identical request; `None` if there is none. `reach`: the caller's.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn earlier(
        &self,
        request: &IdempotentRequest,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Option<Inserted>, StoreError>;

    /// A key within reach.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn show(&self, id: KeyId, reach: &Reach) -> Result<Option<ManagedKey>, StoreError>;

    /// The names of these keys: of those within reach that have one.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn names(&self, ids: &[KeyId], reach: &Reach) -> Result<HashMap<KeyId, KeyName>, StoreError>;

    /// Lists keys in this order. `reach` is the caller's; only `filter` decides which keys are listed.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
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
    /// [`StoreError`] if the key may not have been changed.
    async fn change(&self, change: &Change<'_>) -> Result<Outcome, StoreError>;

    /// Revokes a key. If it is already revoked, the first time and reason are kept. Without preconditions, it is
    /// one transaction, after which a second one looks why there was nothing to revoke.
    ///
    /// # Errors
    /// [`StoreError`] if the key may not have been revoked.
    async fn revoke(
        &self,
        revocation: &KeyRevocation,
        by: ChangeContext<'_>,
    ) -> Result<Result<Revoked, Refusal>, StoreError>;

    /// Revokes the newest `most` keys that match `filter`, are `among` these, and are not revoked, and returns their
    /// number. If the filter names an owner and the number is smaller than `most`, no such key is left. Otherwise the
    /// successor of a key that was being rotated may be.
    ///
    /// # Errors
    /// [`StoreError`] if the keys may not have been revoked.
    async fn revoke_in_bulk(
        &self,
        filter: &KeyFilter,
        among: Option<&[KeyId]>,
        most: u32,
        reason: Option<&ChangeReason>,
        at: OffsetDateTime,
        by: ChangeContext<'_>,
    ) -> Result<u32, StoreError>;

    /// How many keys `filter` names that are not revoked: those that [`revoke_in_bulk`](Self::revoke_in_bulk) would
    /// revoke.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn count_living(&self, filter: &KeyFilter, reach: &Reach, now: OffsetDateTime) -> Result<u64, StoreError>;

    /// The newest `most` of these keys, by id.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn living(
        &self,
        filter: &KeyFilter,
        most: u32,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Vec<KeyId>, StoreError>;

    /// Whether an owner is disabled.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn is_disabled(&self, owner: &Owner) -> Result<bool, StoreError>;

    /// Whether an owner's tokens, of which this actor has one, give a right on Keyward itself: not while the owner is
    /// disabled. Changes by administrators have connections of their own.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn keeps_right(&self, owner: &Owner, actor: &Actor, right: Right) -> Result<bool, StoreError>;

    /// Lists owners who have keys or are disabled, ordered by issuer and subject. For administrators.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn owners(
        &self,
        filter: &OwnerFilter,
        page: &Page,
        now: OffsetDateTime,
    ) -> Result<Listed<OwnerStanding>, StoreError>;

    /// One owner; `None` if the owner neither has keys nor is disabled.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn owner(&self, owner: &Owner, now: OffsetDateTime) -> Result<Option<OwnerStanding>, StoreError>;

    /// Disables or enables an owner, which also applies to their future keys.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been switched.
    async fn switch_owner(&self, switch: &OwnerSwitch, by: ChangeContext<'_>) -> Result<OwnerSwitched, StoreError>;

    /// The limits and the credits that all keys of an owner share.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn owner_limits(&self, owner: &Owner) -> Result<OwnerAllowance, StoreError>;

    /// Changes the limits and the credits that all keys of an owner share, including their future ones.
    ///
    /// # Errors
    /// [`StoreError`] if they may not have been replaced.
    async fn change_owner_limits(
        &self,
        change: &OwnerLimitsChange,
        by: ChangeContext<'_>,
    ) -> Result<Result<OwnerLimitsChanged, Refusal>, StoreError>;

    /// Revokes tokens. For a subject's tokens, returns the instant before which they are refused; it can be later than
    /// the requested one if a later one was set before.
    ///
    /// # Errors
    /// [`StoreError`] if the tokens may not have been revoked.
    async fn revoke_tokens(
        &self,
        revocation: &TokenRevocation,
        by: ChangeContext<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Deletes at most `most` keys that were revoked or expired more than `keep` ago by the store's clock, and returns
    /// their number; `None` if another replica is doing so.
    ///
    /// # Errors
    /// [`StoreError`] if the keys may not have been deleted.
    async fn forget_ended(&self, keep: Duration, most: u32) -> Result<Option<u32>, StoreError>;

    /// Creates the audit's partitions for the coming months and drops those that are too old, unless another session is
    /// doing so.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be done, for example because somebody is reading the audit.
    async fn keep_audit_months(&self) -> Result<(), StoreError>;

    /// Lists events, newest first. `reach` is the caller's; only `filter` decides which events are listed.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn events(&self, filter: &EventFilter, page: &Page, reach: &Reach) -> Result<Listed<AuditEvent>, StoreError>;
}
