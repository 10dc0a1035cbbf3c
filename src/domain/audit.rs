//! Audit events: who did what to which key, when, and from where.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{api_key::KeyId, owner::Owner, worded_enum::worded_enum};

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

worded_enum! {
    /// The kind of an audit event.
    pub enum Action {
        /// A key was created.
        KeyCreated => "key.created",
        /// A key's scopes, metadata or other fields were changed.
        KeyUpdated => "key.updated",
        /// A key got a successor.
        KeyRotated => "key.rotated",
        /// A key was disabled.
        KeyDisabled => "key.disabled",
        /// A key was enabled.
        KeyEnabled => "key.enabled",
        /// A key was revoked.
        KeyRevoked => "key.revoked",
        /// The credits of a key were topped up or set.
        KeyCreditsChanged => "key.credits_changed",
        /// An owner was disabled: all of their keys are refused.
        OwnerDisabled => "owner.disabled",
        /// An owner was enabled.
        OwnerEnabled => "owner.enabled",
        /// The limits that all keys of an owner share were changed.
        OwnerLimitsChanged => "owner.limits_changed",
        /// The credits that all keys of an owner share were topped up or set.
        OwnerCreditsChanged => "owner.credits_changed",
        /// An owner got another plan, or none.
        OwnerPlanChanged => "owner.plan_changed",
        /// A plan was created.
        PlanCreated => "plan.created",
        /// A plan's limits or caps were changed.
        PlanChanged => "plan.changed",
        /// A plan was deleted.
        PlanDeleted => "plan.deleted",
        /// A token was revoked by its id.
        TokenRevoked => "token.revoked",
        /// All tokens of a subject that were issued before an instant were revoked.
        SubjectTokensRevoked => "subject.tokens_revoked",
        /// An administrator ended sessions of the console.
        SessionsEnded => "sessions.ended",
        /// A link was made that opens a session of an owner in the console.
        SessionHandedOver => "session.handed_over",
    }
}

impl Action {
    /// Whether an owner can do it only so often in a day. What stops a key is never refused, because a leak must be
    /// stoppable, and is bounded nevertheless: a key is revoked once, and disabled once for each time that it was created
    /// or enabled. Creations and rotations have a limit of their own.
    pub fn is_limited_per_day(self) -> bool {
        matches!(self, Self::KeyUpdated | Self::KeyEnabled | Self::KeyCreditsChanged)
    }

    /// Whether somebody may have had more before than after it: a database that was restored from a backup gives that
    /// back.
    pub fn may_take_away(self) -> bool {
        match self {
            Self::KeyCreated | Self::KeyEnabled | Self::OwnerEnabled | Self::PlanCreated | Self::SessionHandedOver => {
                false
            }
            Self::KeyUpdated
            | Self::KeyRotated
            | Self::KeyDisabled
            | Self::KeyRevoked
            | Self::KeyCreditsChanged
            | Self::OwnerDisabled
            | Self::OwnerLimitsChanged
            | Self::OwnerCreditsChanged
            | Self::OwnerPlanChanged
            | Self::PlanChanged
            | Self::PlanDeleted
            | Self::TokenRevoked
            | Self::SubjectTokensRevoked
            | Self::SessionsEnded => true,
        }
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
    pub details: Details,
}

/// What an event says besides: compact JSON of an object. It stays text from the store to whoever reads it, because a
/// tree of `{"":1}` takes a hundred times the memory, and owners choose the metadata in it.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Details(Box<RawValue>);

impl Details {
    /// Details from the database, which writes blanks between values and shorter names first: `to` before `from`.
    ///
    /// # Errors
    /// If the text is no object.
    pub fn from_stored(json: &str) -> serde_json::Result<Self> {
        let json = compact(json);
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(&json)?;
        let in_order = members.into_iter().map(|(name, value)| {
            let changes = (name == "changes").then(|| changes(value)).flatten();
            (name, changes.map_or(Member::Other(value), Member::Changes))
        });
        to_raw_value(&in_order.collect::<BTreeMap<_, _>>()).map(Self)
    }

    /// Compact JSON of an object.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Whether there is nothing in them.
    pub fn is_empty(&self) -> bool {
        self.as_json() == "{}"
    }

    /// The members, by their names.
    pub fn members(&self) -> BTreeMap<String, &RawValue> {
        serde_json::from_str(self.as_json()).unwrap_or_default()
    }
}

/// What changed: fields, with the value before and the one after.
pub type Changes<'a> = BTreeMap<String, BTreeMap<String, &'a RawValue>>;

/// The member `changes` of details; `None` if it is something else.
pub fn changes(value: &RawValue) -> Option<Changes<'_>> {
    serde_json::from_str(value.get()).ok()
}

#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Changes(Changes<'a>),
    Other(&'a RawValue),
}

/// Valid JSON without what stands between its values.
fn compact(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut is_in_text, mut is_escaped) = (false, false);
    for letter in json.chars() {
        if is_in_text || !letter.is_ascii_whitespace() {
            compact.push(letter);
        }
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_in_text = !is_in_text,
            _ => {}
        }
    }
    compact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_compact_and_otherwise_as_they_were_stored() {
        let stored = r#"{"a": [1.10, 1e400, {"": null}], "b\" : ": "x \\", "c": ",\" : {"}"#;
        let details = Details::from_stored(stored).expect("an object");
        assert_eq!(details.as_json(), r#"{"a":[1.10,1e400,{"":null}],"b\" : ":"x \\","c":",\" : {"}"#);
        assert_eq!(serde_json::to_string(&details).expect("JSON"), details.as_json());
        let members: Vec<(String, &str)> =
            details.members().into_iter().map(|(name, value)| (name, value.get())).collect();
        let expected = [("a", r#"[1.10,1e400,{"":null}]"#), ("b\" : ", r#""x \\""#), ("c", r#"",\" : {""#)];
        assert_eq!(members, expected.map(|(name, value)| (name.to_owned(), value)));
        let stored = r#"{"changes": {"name": {"to": "b", "from": "a"}, "limits": {"to": [], "from": [1]}}}"#;
        let told = r#"{"changes":{"limits":{"from":[1],"to":[]},"name":{"from":"a","to":"b"}}}"#;
        assert_eq!(Details::from_stored(stored).expect("an object").as_json(), told);
        assert!(Details::from_stored("{ }").is_ok_and(|details| details.is_empty()));
        assert!(Details::from_stored("[]").is_err() && Details::from_stored("{").is_err());
    }
}
