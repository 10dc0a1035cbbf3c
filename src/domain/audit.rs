//! Audit events: who did what to which key, when, and from where.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{api_key::KeyId, owner::Owner};

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The bearer of a token: the person, even if keys belong to the person's organisation.
    Token {
        /// The token's `iss`.
        issuer: Box<str>,
        /// The token's `sub`.
        subject: Box<str>,
    },
    /// The holder of a key.
    Key(KeyId),
    /// Somebody with access to the database, through the command line.
    CommandLine,
}

impl Actor {
    /// The actor for details of events, with the names of the API.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Token { issuer, subject } => json!({ "kind": "token", "issuer": issuer, "subject": subject }),
            Self::Key(id) => json!({ "kind": "key", "keyId": id.to_string() }),
            Self::CommandLine => json!({ "kind": "command_line" }),
        }
    }
}

/// An actor, with the circumstances of the request.
#[derive(Clone, Debug)]
pub struct Author {
    /// The actor.
    pub actor: Actor,
    /// The client's address, if known.
    pub address: Option<IpAddr>,
    /// The id of the request, also found in the log.
    pub request_id: Option<String>,
    /// Who has handed the actor over to the console, if a link has begun their session: nobody there has seen them sign
    /// in.
    pub handed_over_by: Option<Actor>,
}

impl Author {
    /// The command line, which has neither an address nor a request.
    pub fn command_line() -> Self {
        Self { actor: Actor::CommandLine, address: None, request_id: None, handed_over_by: None }
    }
}

/// The kind of an audit event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A key was created.
    KeyCreated,
    /// A key's scopes, metadata or other fields were changed.
    KeyUpdated,
    /// A key got a successor.
    KeyRotated,
    /// A key was disabled.
    KeyDisabled,
    /// A key was enabled.
    KeyEnabled,
    /// A key was revoked.
    KeyRevoked,
    /// The credits of a key were topped up or set.
    KeyCreditsChanged,
    /// An owner was disabled: all of their keys are refused.
    OwnerDisabled,
    /// An owner was enabled.
    OwnerEnabled,
    /// The limits that all keys of an owner share were changed.
    OwnerLimitsChanged,
    /// The credits that all keys of an owner share were topped up or set.
    OwnerCreditsChanged,
    /// An owner got another plan, or none.
    OwnerPlanChanged,
    /// A plan was created.
    PlanCreated,
    /// A plan's limits or caps were changed.
    PlanChanged,
    /// A plan was deleted.
    PlanDeleted,
    /// A token was revoked by its id.
    TokenRevoked,
    /// All tokens of a subject that were issued before an instant were revoked.
    SubjectTokensRevoked,
    /// An administrator ended sessions of the console.
    SessionsEnded,
    /// A link was made that opens a session of an owner in the console.
    SessionHandedOver,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 19] = [
        Self::KeyCreated,
        Self::KeyUpdated,
        Self::KeyRotated,
        Self::KeyDisabled,
        Self::KeyEnabled,
        Self::KeyRevoked,
        Self::KeyCreditsChanged,
        Self::OwnerDisabled,
        Self::OwnerEnabled,
        Self::OwnerLimitsChanged,
        Self::OwnerCreditsChanged,
        Self::OwnerPlanChanged,
        Self::PlanCreated,
        Self::PlanChanged,
        Self::PlanDeleted,
        Self::TokenRevoked,
        Self::SubjectTokensRevoked,
        Self::SessionsEnded,
        Self::SessionHandedOver,
    ];

    /// The word in the database and in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyCreated => "key.created",
            Self::KeyUpdated => "key.updated",
            Self::KeyRotated => "key.rotated",
            Self::KeyDisabled => "key.disabled",
            Self::KeyEnabled => "key.enabled",
            Self::KeyRevoked => "key.revoked",
            Self::KeyCreditsChanged => "key.credits_changed",
            Self::OwnerDisabled => "owner.disabled",
            Self::OwnerEnabled => "owner.enabled",
            Self::OwnerLimitsChanged => "owner.limits_changed",
            Self::OwnerCreditsChanged => "owner.credits_changed",
            Self::OwnerPlanChanged => "owner.plan_changed",
            Self::PlanCreated => "plan.created",
            Self::PlanChanged => "plan.changed",
            Self::PlanDeleted => "plan.deleted",
            Self::TokenRevoked => "token.revoked",
            Self::SubjectTokensRevoked => "subject.tokens_revoked",
            Self::SessionsEnded => "sessions.ended",
            Self::SessionHandedOver => "session.handed_over",
        }
    }

    /// The action with this name.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// An audit event as it is stored.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// A UUIDv7, so ids are ordered by time.
    pub id: Uuid,
    /// When it happened.
    pub at: OffsetDateTime,
    /// The name of the [`Action`]; a newer version of Keyward may have written one that this version does not know.
    pub action: String,
    /// The key that was changed; `None` if the event concerns an owner or tokens.
    pub key: Option<KeyId>,
    /// The owner of the key or the tokens. The subject is empty if only the token's issuer is known.
    pub owner: Owner,
    /// Who caused the event.
    pub author: Author,
    /// The old and new values of changed fields; a reason; a successor. Never a secret.
    pub details: Map<String, Value>,
}
