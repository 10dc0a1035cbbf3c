//! Keys as answers show them.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    api::wire::{actor::By, owner_id, times},
    auth::{
        coherence::Settled,
        lifecycle::{ChangedKey, Everywhere, Issued, NewKey, Rotated},
    },
    domain::{
        api_key::Prefix,
        key_record::{DisabledBy, ManagedKey},
        metadata::Metadata,
        owner,
        secret::SecretString,
    },
};

/// Which world a key belongs to, as answers say it.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used; a unit test compares it with the domain's")]
pub(in crate::api) enum Environment {
    Live,
    Test,
}

/// How a key stands, as answers say it.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used; a unit test compares it with the domain's")]
pub(in crate::api) enum State {
    Active,
    Disabled,
    Expired,
    Revoked,
}

/// Who has switched a key off, as answers say it.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used; a unit test compares it with the domain's")]
pub(in crate::api) enum Switcher {
    Owner,
    Administrator,
}

/// The notes as they were sent.
pub(in crate::api) fn notes(metadata: &Metadata) -> Box<RawValue> {
    let notes = RawValue::from_string(metadata.as_object().to_owned());
    notes.expect("notes are written as JSON from what was read as JSON")
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The public name: it may stand in logs and lists.
    #[schema(pattern = "^[0-9A-Za-z]{22}$", example = "01gk8yGvWq3Zr0Xb7LmT2c")]
    id: String,
    /// What the text of the key begins with, by which people recognise it: all that is no secret.
    #[schema(example = "keyward_live_01gk8yGvWq3Zr0Xb7LmT2c")]
    start: String,
    /// What its owner calls it.
    #[schema(required, min_length = 1, max_length = 200, example = "billing worker")]
    name: Option<String>,
    /// What it is for.
    #[schema(required, min_length = 1, max_length = 1000, example = "charges cards each night")]
    description: Option<String>,
    /// Which world it belongs to.
    #[schema(value_type = Environment)]
    environment: &'static str,
    /// How it stands.
    #[schema(value_type = State)]
    state: &'static str,
    /// Switched on, whatever else holds.
    enabled: bool,
    /// Who has switched it off: its owner cannot switch on what an administrator has switched off.
    #[schema(required, value_type = Option<Switcher>)]
    disabled_by: Option<&'static str>,
    /// Whose key it is.
    owner: Owner,
    /// What it may do.
    #[schema(max_items = 100, example = json!(["orders:read"]))]
    scopes: Vec<String>,
    /// The owner's notes.
    #[schema(value_type = Object, additional_properties, example = json!({"team": "payments"}))]
    metadata: Box<RawValue>,
    /// Networks that it may be used from; none means from anywhere.
    #[schema(max_items = 50, example = json!(["192.0.2.0/24"]))]
    allowed_ips: Vec<String>,
    /// When it was made.
    #[serde(serialize_with = "times::required")]
    created_at: OffsetDateTime,
    /// Who made it; `null` where an earlier version did.
    #[schema(required)]
    created_by: Option<By>,
    /// When somebody last changed it.
    #[serde(serialize_with = "times::required")]
    updated_at: OffsetDateTime,
    /// From when on it is refused.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    expires_at: Option<OffsetDateTime>,
    /// When it was ended for good.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    revoked_at: Option<OffsetDateTime>,
    /// What was said when it was revoked.
    #[schema(required, min_length = 1, max_length = 500)]
    revoked_reason: Option<String>,
    /// The key whose place it took.
    #[schema(required, pattern = "^[0-9A-Za-z]{22}$")]
    predecessor_id: Option<String>,
    /// The key that took its place.
    #[schema(required, pattern = "^[0-9A-Za-z]{22}$")]
    successor_id: Option<String>,
    /// When it was last used, within minutes of the truth.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    last_used_at: Option<OffsetDateTime>,
    /// From where it was last used.
    #[schema(required, example = "192.0.2.7")]
    last_used_from: Option<String>,
}

/// Who owns a key.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Owner {
    /// Issuer and subject in one word, for addresses.
    #[schema(format = "owner-id", pattern = "^[A-Za-z0-9_-]+$", example = "AGFsaWNl")]
    id: String,
    /// The `iss` of the owner's tokens; empty when they carry none.
    #[schema(example = "https://issuer.example")]
    pub(in crate::api) issuer: String,
    /// The `sub` of the owner's tokens, or their organisation.
    #[schema(min_length = 1, example = "alice")]
    pub(in crate::api) subject: String,
}

impl Owner {
    pub(in crate::api) fn new(owner: &owner::Owner) -> Self {
        Self {
            id: owner_id::write(owner),
            issuer: owner.issuer.clone().into_string(),
            subject: owner.subject.clone().into_string(),
        }
    }
}

impl Key {
    /// The key as it stands at `now`. `prefix`: the word that keys begin with.
    pub fn new(key: &ManagedKey, prefix: &Prefix, now: OffsetDateTime) -> Self {
        let record = &key.record;
        Self {
            id: record.id.to_string(),
            start: prefix.start_of(record.environment, record.id),
            name: record.name.as_ref().map(|name| name.as_str().to_owned()),
            description: key.description.as_ref().map(|description| description.as_str().to_owned()),
            environment: record.environment.as_str(),
            state: record.state(now).as_str(),
            enabled: record.enabled,
            disabled_by: key.disabled_by.map(DisabledBy::as_str),
            owner: Owner::new(&record.owner),
            scopes: record.scopes.iter().map(str::to_owned).collect(),
            metadata: notes(&record.metadata),
            allowed_ips: record.allowed_ips.networks().iter().map(ToString::to_string).collect(),
            created_at: key.created_at,
            created_by: key.created_by.clone().map(By::from),
            updated_at: key.updated_at,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
            revoked_reason: key.revoked_reason.clone(),
            predecessor_id: key.predecessor.map(|id| id.to_string()),
            successor_id: key.successor.map(|id| id.to_string()),
            last_used_at: key.last_use.map(|last| last.at),
            last_used_from: key.last_use.and_then(|last| last.from).map(|address| address.to_string()),
        }
    }
}

/// A key that was just made, with its secret.
// No `Debug`: a secret in a log is a secret that is lost.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedKey {
    #[serde(flatten)]
    pub(super) key: Key,
    /// The whole key, for the only time; `null` when the same request has made it before.
    #[serde(serialize_with = "shown_once")]
    #[schema(required, value_type = Option<String>, example = "keyward_live_01gk8yGvWq3Zr0Xb7LmT2c…")]
    pub(super) api_key: Option<SecretString>,
    /// Why there is no secret, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) notice: Option<&'static str>,
}

/// What whoever repeats a request is told in place of the secret.
pub(in crate::api) const SHOWN_BEFORE: &str = "The same request has made this key before. Its secret was shown then, and can't be shown again. \
                            Rotate this key to get another secret.";

impl CreatedKey {
    /// A key that the same request has made before.
    pub(super) fn known(key: &ManagedKey, prefix: &Prefix, now: OffsetDateTime) -> Self {
        Self { key: Key::new(key, prefix, now), api_key: None, notice: Some(SHOWN_BEFORE) }
    }

    /// The one place where a secret leaves: the answer to whoever asked for the key.
    pub fn new(NewKey { key, text }: NewKey, prefix: &Prefix) -> Self {
        Self { key: Key::new(&key, prefix, key.created_at), api_key: Some(text), notice: None }
    }
}

fn shown_once<S: Serializer>(key: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    key.as_ref().map(SecretString::expose).serialize(serializer)
}

/// A key that took another one's place, with its secret, and that other one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotatedKey {
    #[serde(flatten)]
    pub(super) created: CreatedKey,
    /// The old key as it is now.
    pub(super) predecessor: Key,
}

impl RotatedKey {
    /// A rotation, told at `now`.
    pub fn new(rotated: Rotated, prefix: &Prefix, now: OffsetDateTime) -> Self {
        let created = match rotated.new {
            Issued::Now(new) => CreatedKey::new(*new, prefix),
            Issued::Before(key) => CreatedKey::known(&key, prefix, now),
        };
        Self { created, predecessor: Key::new(&rotated.old, prefix, now) }
    }
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct KeyList {
    pub(super) keys: Vec<Key>,
    /// To be given as `cursor` for the next page; `null` on the last.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
}

/// A key that no replica accepts any more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct RevokedKey {
    /// Which key.
    #[schema(pattern = "^[0-9A-Za-z]{22}$", example = "01gk8yGvWq3Zr0Xb7LmT2c")]
    id: String,
    /// Since when.
    #[serde(serialize_with = "times::required")]
    revoked_at: OffsetDateTime,
    #[serde(flatten)]
    confirmation: Confirmation,
}

/// How a change became true on all replicas.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Confirmation {
    /// Replicas that have said that they know of it, this one among them.
    #[schema(minimum = 1)]
    pub(in crate::api) replicas_confirmed: usize,
    /// Replicas that said nothing until they could not have known better any more.
    pub(in crate::api) replicas_expired: usize,
    /// Milliseconds from the commit until it was true everywhere.
    #[schema(minimum = 0)]
    took_ms: f64,
}

impl Confirmation {
    pub(in crate::api) fn new(everywhere: &Everywhere) -> Self {
        let (confirmed, expired) = match everywhere.settled {
            Settled::Heard { confirmed, expired } => (confirmed, expired),
            // Nobody was heard, so all that could have accepted it were waited for.
            Settled::Unheard => (0, 0),
        };
        Self {
            replicas_confirmed: confirmed + 1,
            replicas_expired: expired,
            took_ms: (everywhere.took.as_secs_f64() * 1e6).round() / 1e3,
        }
    }
}

impl RevokedKey {
    pub(super) fn new(revoked: &ChangedKey, now: OffsetDateTime) -> Self {
        Self {
            id: revoked.key.record.id.to_string(),
            revoked_at: revoked.key.record.revoked_at.unwrap_or(now),
            confirmation: Confirmation::new(&revoked.everywhere),
        }
    }
}
