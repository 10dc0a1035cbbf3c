//! Who did what to which key, when, from where.

use std::net::IpAddr;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{api_key::KeyId, owner::Owner};

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The bearer of a token: the person, also where keys belong to the person's organisation.
    Token {
        /// The token's `iss`.
        issuer: Box<str>,
        /// The token's `sub`.
        subject: Box<str>,
    },
    /// The holder of a key.
    Key(KeyId),
    /// Somebody with access to the database, by the command line.
    CommandLine,
}

/// Who did something, and how they came.
#[derive(Clone, Debug)]
pub struct Author {
    /// Who.
    pub actor: Actor,
    /// The client's address, as far as it is known.
    pub address: Option<IpAddr>,
    /// The request's id, by which the log tells more.
    pub request_id: Option<String>,
}

impl Author {
    /// The command line, which has neither address nor request.
    pub fn command_line() -> Self {
        Self { actor: Actor::CommandLine, address: None, request_id: None }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A key was made.
    KeyCreated,
    /// A key's rights or notes were changed.
    KeyUpdated,
    /// A key got a successor.
    KeyRotated,
    /// A key was switched off.
    KeyDisabled,
    /// A key was switched on again.
    KeyEnabled,
    /// A key was ended for good.
    KeyRevoked,
    /// All keys of an owner were switched off.
    OwnerDisabled,
    /// The keys of an owner were switched on again.
    OwnerEnabled,
    /// A token was ended before it expired.
    TokenRevoked,
    /// All tokens of a subject that were issued before an instant were.
    SubjectTokensRevoked,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 10] = [
        Self::KeyCreated,
        Self::KeyUpdated,
        Self::KeyRotated,
        Self::KeyDisabled,
        Self::KeyEnabled,
        Self::KeyRevoked,
        Self::OwnerDisabled,
        Self::OwnerEnabled,
        Self::TokenRevoked,
        Self::SubjectTokensRevoked,
    ];

    /// The word for it in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyCreated => "key.created",
            Self::KeyUpdated => "key.updated",
            Self::KeyRotated => "key.rotated",
            Self::KeyDisabled => "key.disabled",
            Self::KeyEnabled => "key.enabled",
            Self::KeyRevoked => "key.revoked",
            Self::OwnerDisabled => "owner.disabled",
            Self::OwnerEnabled => "owner.enabled",
            Self::TokenRevoked => "token.revoked",
            Self::SubjectTokensRevoked => "subject.tokens_revoked",
        }
    }

    /// The action of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// Something that was done, as it is kept.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// A UUIDv7, so the order of ids is that of time.
    pub id: Uuid,
    /// When.
    pub at: OffsetDateTime,
    /// What, as an [`Action`] says it; a newer Keyward's events may say more.
    pub action: String,
    /// To which key; `None` when it was about an owner, or about tokens.
    pub key: Option<KeyId>,
    /// Whose key, or whose tokens; with an empty subject where only the token's issuer is known.
    pub owner: Owner,
    /// By whom.
    pub author: Author,
    /// Changed fields, each from what to what; a reason, a successor. Never a secret.
    pub details: Map<String, Value>,
}
