//! The port to where keys, and ends of tokens, are kept, for those who manage them. One method is one transaction, and every
//! change is written together with the event that tells of it.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{
    api_key::KeyId,
    audit::{Action, AuditEvent, Author},
    coherence::Mark,
    key_record::{DisabledBy, ManagedKey},
    listing::{EventFilter, KeyFilter, KeyOrder, Listed, OwnerFilter, OwnerStanding, Page},
    metadata::InvalidMetadata,
    owner::Owner,
    ports::{StoreError, StoredHash},
    text::ChangeReason,
    token::TokenRevocation,
};

/// Whose keys somebody may see and change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of this owner. Any other key does not exist for them.
    Own(Owner),
    /// Everybody's.
    Any,
}

impl Reach {
    /// As whom somebody who reaches so far switches a key off.
    pub fn disables_as(&self) -> DisabledBy {
        match self {
            Self::Own(_) => DisabledBy::Owner,
            Self::Any => DisabledBy::Administrator,
        }
    }

    /// The one owner whose keys these are, if it is one.
    pub fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Own(owner) => Some(owner),
            Self::Any => None,
        }
    }
}

/// Why something that was asked for is not done. The one who asked may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such key within reach.
    NotFound,
    /// Somebody has changed the key meanwhile.
    VersionMismatch,
    /// The key is of a version that the request must not meet.
    PreconditionFailed,
    /// The key was revoked, which is final.
    KeyRevoked,
    /// The key has expired.
    KeyExpired,
    /// The key has this successor already.
    AlreadyRotated(KeyId),
    /// An administrator has switched the key off, and only one may switch it on.
    DisabledByAdministrator,
    /// All keys of the owner are switched off: none is made, and none switched on.
    OwnerDisabled,
    /// The owner has as many keys as one may have.
    TooManyKeys(u32),
    /// The owner has made as many keys within a day as one may make.
    TooManyNewKeys {
        /// When the next one may be made.
        retry_after: Duration,
    },
    /// The `Idempotency-Key` came with another request before.
    OtherRequest,
    /// What was asked for is against the operator's policies.
    Against(Vec<Violation>),
}

/// How a request is against a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// `keys.require_name`.
    NameRequired,
    /// `keys.max_lifetime`.
    LifetimeTooLong(Duration),
    /// The one who asks does not hold this scope.
    ScopeNotHeld(String),
    /// Only tokens may carry this scope.
    ScopeNotForKeys(String),
    /// The notes, once merged, are not ones that we keep.
    Metadata(InvalidMetadata),
}

/// A key to be made.
pub struct Insertion<'a> {
    /// The key.
    pub key: &'a ManagedKey,
    /// What proves it.
    pub hash: &'a StoredHash,
    /// How far whoever makes it reaches.
    pub reach: &'a Reach,
    /// The request, where a repetition of it must not make another key.
    pub request: Option<&'a IdempotentRequest>,
    /// How many its owner may have.
    pub quota: Quota,
}

/// How many keys an owner may have; `None` for any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// That are neither revoked nor expired. A key and its successor may live side by side, so of those twice as many.
    pub living: Option<u32>,
    /// That were made within a day, whatever has become of them. With successors, twice as many: an owner who has made
    /// enough must still be able to replace a key that leaked.
    pub made_in_a_day: Option<u32>,
}

/// A request that carried an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub struct IdempotentRequest {
    /// Who asked, as the key is theirs: issuer and subject of the token.
    pub by: Owner,
    /// The header's value.
    pub key: String,
    /// SHA-256 of what was asked for.
    pub hash: [u8; 32],
}

/// What became of an [`Insertion`], or of the same request before.
pub enum Inserted {
    /// The key is there now, as it is kept.
    Now(Box<ManagedKey>),
    /// It was made by the same request before.
    Before(Box<ManagedKey>),
    /// It is not made.
    Refused(Refusal),
}

/// A change of one key.
pub struct Change<'a> {
    /// Which key.
    pub id: KeyId,
    /// Whose keys may be changed.
    pub reach: &'a Reach,
    /// Who changes it.
    pub author: &'a Author,
    /// When.
    pub at: OffsetDateTime,
    /// Decides what becomes of the key, which nobody else changes meanwhile.
    pub decide: &'a Decide<'a>,
    /// What comes with the successor that `decide` may make.
    pub successor: Option<SuccessorProof<'a>>,
    /// How many keys its owner may have; for any number also where the change neither makes a key nor brings one back
    /// to life.
    pub quota: Quota,
    /// What tells the replicas of the change, also when nothing changes: whoever made the change before may have failed
    /// while they waited. `None` where nobody waits for them.
    pub mark: Option<&'a Mark>,
}

/// What comes with a successor.
#[derive(Clone, Copy)]
pub struct SuccessorProof<'a> {
    /// What proves it.
    pub hash: &'a StoredHash,
    /// The request, where a repetition of it must not make another one.
    pub request: Option<&'a IdempotentRequest>,
}

/// From a key as it stands to what becomes of it.
pub type Decide<'a> = dyn Fn(&ManagedKey) -> Result<Decision, Refusal> + Send + Sync + 'a;

/// What becomes of a key.
pub struct Decision {
    /// The key as it is to be. Id, owner, environment and time of creation stay.
    pub key: ManagedKey,
    /// What is remembered of it; `None` when nothing changes.
    pub event: Option<Event>,
    /// A key to be made beside it.
    pub successor: Option<ManagedKey>,
}

/// What is remembered of a change.
pub struct Event {
    /// What was done.
    pub action: Action,
    /// What exactly.
    pub details: Map<String, Value>,
}

/// What became of a [`Change`].
pub enum Outcome {
    /// It is done: the key as it is now.
    Changed(Box<ManagedKey>),
    /// It is not done.
    Refused(Refusal),
}

/// Whether an owner's keys work.
#[derive(Clone, Debug)]
pub struct OwnerSwitch {
    /// Whose.
    pub owner: Owner,
    /// Off when `true`.
    pub disabled: bool,
    /// Why.
    pub reason: Option<ChangeReason>,
    /// When.
    pub at: OffsetDateTime,
}

/// A change of more than one key, or of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Together<'a> {
    /// How far whoever makes it reaches.
    pub reach: &'a Reach,
    /// How they are remembered.
    pub author: &'a Author,
    /// The same as for a [`Change`].
    pub mark: Option<&'a Mark>,
}

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
    async fn switch_owner(&self, switch: &OwnerSwitch, by: Together<'_>) -> Result<(), StoreError>;

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
