//! Requests to change keys and owners, and their outcomes. [`KeyLedger`](crate::domain::ports::ledger::KeyLedger)
//! writes each change together with its audit event.

use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::domain::{
    api_key::{Environment, KeyId, PepperFingerprint},
    audit::{Action, Author},
    coherence::Mark,
    key_record::ManagedKey,
    limits::{CreditsChange, CreditsRefused, LimitsRefused},
    metadata::InvalidMetadata,
    owner::Owner,
    plan::{Plan, PlanName},
    ports::keys::StoredHash,
    role::Role,
    text::ChangeReason,
};

/// The keys that a caller may see and change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The keys of this owner. For the caller, no others exist.
    Own(Owner),
    /// The keys of every owner.
    Any,
}

impl Reach {
    /// The role of such a caller.
    pub fn role(&self) -> Role {
        match self {
            Self::Own(_) => Role::Owner,
            Self::Any => Role::Administrator,
        }
    }

    /// The single owner within reach, if there is only one.
    pub fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Own(owner) => Some(owner),
            Self::Any => None,
        }
    }
}

/// Why a request is refused. The caller may know the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such key is within reach.
    NotFound,
    /// The key does not have a version that the request demands.
    VersionMismatch,
    /// The key has a version that the request excludes.
    PreconditionFailed,
    /// The key was revoked, which can't be undone.
    KeyRevoked,
    /// The key has expired.
    KeyExpired,
    /// The key already has this successor.
    AlreadyRotated(KeyId),
    /// An administrator disabled the key, so only an administrator can enable it.
    DisabledByAdministrator,
    /// The owner is disabled: their keys can be neither created nor enabled.
    OwnerDisabled,
    /// The owner has the maximum number of keys.
    TooManyKeys {
        /// So many.
        most: u32,
        /// The plan that allows no more; `None`: the configuration.
        plan: Option<PlanName>,
    },
    /// The owner has created the maximum number of keys per day.
    TooManyNewKeys {
        /// The time until the next key can be created.
        retry_after: Duration,
    },
    /// The owner has changed keys as often as is allowed per day.
    TooManyChanges {
        /// The time until the next change is allowed.
        retry_after: Duration,
    },
    /// The caller's token names this plan for the owner, and it does not exist: what the owner may have is not known.
    UnknownPlan(Box<str>),
    /// The `Idempotency-Key` was used with another request.
    OtherRequest,
    /// The request violates the operator's policies.
    Against(Vec<Violation>),
}

/// A violation of a policy by a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// `keys.require_name`.
    NameRequired,
    /// The lifetime is longer than allowed.
    LifetimeTooLong {
        /// The longest.
        longest: Duration,
        /// The plan that allows no more; `None`: `keys.max_lifetime`.
        plan: Option<PlanName>,
    },
    /// The grace period of a rotation is longer than this, the longest by `keys.max_rotation_grace`.
    GracePeriodTooLong(Duration),
    /// Keys of owners on this plan can't be given this scope.
    ScopeNotInPlan {
        /// The scope.
        scope: String,
        /// The plan.
        plan: PlanName,
    },
    /// Owners on this plan have no keys of this environment.
    EnvironmentNotInPlan {
        /// The environment.
        environment: Environment,
        /// The plan.
        plan: PlanName,
    },
    /// The caller does not hold this scope.
    ScopeNotHeld(String),
    /// The operator's catalogue does not have this scope, and no other is allowed.
    UnknownScope(String),
    /// Only tokens may have this scope.
    ScopeNotForKeys(String),
    /// The metadata is invalid after the merge.
    Metadata(InvalidMetadata),
    /// The limits can't be these.
    Limits(LimitsRefused),
    /// The credits can't be these.
    Credits(CreditsRefused),
}

impl From<CreditsRefused> for Refusal {
    fn from(refused: CreditsRefused) -> Self {
        Self::Against(vec![Violation::Credits(refused)])
    }
}

impl From<LimitsRefused> for Refusal {
    fn from(refused: LimitsRefused) -> Self {
        Self::Against(vec![Violation::Limits(refused)])
    }
}

/// A key to be created.
pub struct Insertion<'a> {
    /// The key, as it is if its owner is on no plan.
    pub key: &'a ManagedKey,
    /// Fits the key into the plan of its owner, which doesn't change in the meantime.
    pub fit: &'a Fit<'a>,
    /// Its credits, if it gets any.
    pub credits: Option<&'a CreditsChange>,
    /// The hash of its secret.
    pub hash: &'a StoredHash,
    /// The pepper of the key and of its hash.
    pub pepper: PepperFingerprint,
    /// The caller's reach.
    pub reach: &'a Reach,
    /// The idempotent request, if repeating it must not create another key.
    pub request: Option<&'a IdempotentRequest>,
    /// The owner's limits.
    pub quota: Quota,
}

/// Decides whether, and how, a key is created for an owner on this plan.
pub type Fit<'a> = dyn Fn(&Plan) -> Result<ManagedKey, Refusal> + Send + Sync + 'a;

/// The limits on an owner's keys; `None` means unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// The maximum number of keys that are neither revoked nor expired. Twice as many are allowed in rotations, because
    /// a key and its successor may coexist until the key ends; a key that is to go on for longer then counts as any.
    pub living: Option<u32>,
    /// The plan that says so; `None`: the configuration.
    pub plan: Option<PlanName>,
    /// The maximum number of keys created within a day, whatever became of them. Twice as many including successors,
    /// because an owner at the limit must still be able to replace a leaked key.
    pub made_in_a_day: Option<u32>,
}

impl Quota {
    /// The tighter of these limits and those of the owner's plan.
    pub fn tightened_by(self, plan: Option<&Plan>) -> Self {
        match plan.and_then(|plan| Some((plan, plan.content.caps.max_keys?))) {
            Some((plan, most)) if self.living.is_none_or(|living| most <= living) => {
                Self { living: Some(most), plan: Some(plan.name.clone()), ..self }
            }
            _ => self,
        }
    }
}

/// A request with an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub struct IdempotentRequest {
    /// Issuer and subject of the caller's token; `Idempotency-Key`s of different callers are unrelated.
    pub by: Owner,
    /// The header's value.
    pub key: String,
    /// SHA-256 of the request.
    pub hash: [u8; 32],
}

impl IdempotentRequest {
    /// One by the command line, which has no token. `parts`: all that it asks for.
    pub fn of_command_line(key: String, parts: &[&str]) -> Self {
        let hash = parts.iter().fold(Sha256::new(), |hash, part| {
            // With their lengths, so that no two requests have the same input.
            hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
        });
        // No token has an empty subject.
        Self { by: Owner { issuer: "".into(), subject: "".into() }, key, hash: hash.finalize().into() }
    }
}

/// The outcome of an [`Insertion`], or of an earlier, identical request.
pub enum Inserted {
    /// The key was created; this is its stored form.
    Now(Box<ManagedKey>),
    /// An earlier, identical request created the key.
    Before(Box<ManagedKey>),
    /// The request was refused.
    Refused(Refusal),
}

/// A change of one key.
pub struct Change<'a> {
    /// The key.
    pub id: KeyId,
    /// The caller's reach.
    pub reach: &'a Reach,
    /// The caller.
    pub author: &'a Author,
    /// The time of the change.
    pub at: OffsetDateTime,
    /// Decides on the change. Nobody else changes the key in the meantime.
    pub decide: &'a Decide<'a>,
    /// What belongs to the successor that `decide` may create.
    pub successor: Option<SuccessorProof<'a>>,
    /// Whether `decide` may change credits.
    pub with_credits: bool,
    /// The idempotent request, if repeating it must not change the key again.
    pub once: Option<&'a IdempotentRequest>,
    /// The owner's limits, if the change may give the key or its owner more than before. Then it goes by the owner's
    /// plan, too, which doesn't change in the meantime.
    pub quota: Option<Quota>,
    /// How many changes the owner may make within a day, if it is the owner who makes it; `None`: any number.
    pub most_in_a_day: Option<u32>,
    /// The message that announces the change to the replicas. It is sent even if nothing changes, because whoever made
    /// the change earlier may have failed while waiting. `None` if nobody waits for the replicas.
    pub mark: Option<&'a Mark>,
}

/// What belongs to a successor.
#[derive(Clone, Copy)]
pub struct SuccessorProof<'a> {
    /// The hash of its secret.
    pub hash: &'a StoredHash,
    /// The pepper of the key and of its hash.
    pub pepper: PepperFingerprint,
    /// The idempotent request, if repeating it must not create another successor.
    pub request: Option<&'a IdempotentRequest>,
}

/// Decides on a change from the current state of the key, and the plan of its owner if the change has a
/// [quota](Change::quota).
pub type Decide<'a> = dyn Fn(&ManagedKey, Option<&Plan>) -> Result<Decision, Refusal> + Send + Sync + 'a;

/// The result of a change.
pub struct Decision {
    /// The new state of the key. Id, owner, environment and creation time stay the same.
    pub key: ManagedKey,
    /// The event for the audit; `None` if nothing changes.
    pub event: Option<Event>,
    /// A successor to be created.
    pub successor: Option<ManagedKey>,
    /// The change of its credits, if there is one.
    pub credits: Option<CreditsChange>,
}

impl Decision {
    /// That nothing changes.
    pub fn unchanged(key: ManagedKey) -> Self {
        Self { key, event: None, successor: None, credits: None }
    }

    /// That the key changes, and nothing besides.
    pub fn change(key: ManagedKey, event: Event) -> Self {
        Self { key, event: Some(event), successor: None, credits: None }
    }
}

/// An event for the audit.
pub struct Event {
    /// The kind of event.
    pub action: Action,
    /// The details.
    pub details: Map<String, Value>,
}

/// The outcome of a [`Change`].
pub enum Outcome {
    /// The key was changed; this is its new state.
    Changed(Box<ManagedKey>),
    /// The change was refused.
    Refused(Refusal),
}

/// Disables or enables an owner.
#[derive(Clone, Debug)]
pub struct OwnerSwitch {
    /// The owner.
    pub owner: Owner,
    /// `true` to disable the owner.
    pub disabled: bool,
    /// The reason.
    pub reason: Option<ChangeReason>,
    /// The time of the change.
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

/// Who revokes a key, or changes several keys, or tokens, and how it is announced.
#[derive(Clone, Copy, Debug)]
pub struct ChangeContext<'a> {
    /// The caller's reach.
    pub reach: &'a Reach,
    /// The caller.
    pub author: &'a Author,
    /// The message that announces the change, as in [`Change`].
    pub mark: Option<&'a Mark>,
}
