//! Changes of keys and owners: what is asked for, and what comes of it. Every change is written together with the event that
//! records it; [`KeyLedger`](super::ports::ledger::KeyLedger) is where.

use std::time::Duration;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{
    api_key::KeyId,
    audit::{Action, Author},
    coherence::Mark,
    key_record::{DisabledBy, ManagedKey},
    metadata::InvalidMetadata,
    owner::Owner,
    ports::keys::StoredHash,
    text::ChangeReason,
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

/// How an owner stands after a switch.
#[derive(Clone, Debug)]
pub struct OwnerSwitched {
    /// Whether it was the switch that made it so.
    pub changed: bool,
    /// Why the owner is switched off, in the words of who did it first.
    pub reason: Option<ChangeReason>,
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
