//! Keys as they appear in responses.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    api::wire::{
        actor::{ActorView, Switcher},
        confirmation::Confirmation,
        credits::Credits,
        environment::Environment,
        limits::Limit,
        owner::Owner,
        times,
    },
    auth::lifecycle::{Issued, IssuedKey, Propagated, Rotated},
    domain::{
        api_key::Prefix, key_record::ManagedKey, metadata::Metadata, revocation::Revoked, role::Role,
        secret::SecretString,
    },
};

/// The state of a key, for the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used; a unit test compares it with the domain's")]
pub(crate) enum State {
    Active,
    Disabled,
    Expired,
    Revoked,
}

/// The metadata, as JSON exactly as it was sent.
pub(crate) fn notes(metadata: &Metadata) -> Box<RawValue> {
    let notes = RawValue::from_string(metadata.as_object().to_owned());
    notes.expect("metadata is valid JSON")
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The key's id. It is not secret, and may appear in logs and lists.
    #[schema(pattern = "^[0-9A-Za-z]{22}$", example = "01gk8yGvWq3Zr0Xb7LmT2c")]
    id: String,
    /// The beginning of the key's text, without the secret, by which people recognise the key.
    #[schema(example = "keyward_live_01gk8yGvWq3Zr0Xb7LmT2c")]
    start: String,
    /// The name that the owner gave the key.
    #[schema(required, min_length = 1, max_length = 200, example = "billing worker")]
    name: Option<String>,
    /// The purpose of the key.
    #[schema(required, min_length = 1, max_length = 1000, example = "charges cards each night")]
    description: Option<String>,
    /// The key's environment.
    #[schema(value_type = Environment)]
    environment: &'static str,
    /// The key's state.
    #[schema(value_type = State)]
    state: &'static str,
    /// Whether the key is enabled, independent of expiry and revocation.
    enabled: bool,
    /// Who disabled the key. If an administrator did, its owner cannot enable it.
    #[schema(required, value_type = Option<Switcher>)]
    disabled_by: Option<&'static str>,
    /// The owner of the key.
    owner: Owner,
    /// The scopes of the key.
    #[schema(max_items = 100, example = json!(["orders:read"]))]
    scopes: Vec<String>,
    /// The owner's metadata.
    #[schema(value_type = Object, additional_properties, example = json!({"team": "payments"}))]
    metadata: Box<RawValue>,
    /// The networks that the key may be used from; if empty, from anywhere.
    #[schema(max_items = 50, example = json!(["192.0.2.0/24"]))]
    allowed_ips: Vec<String>,
    /// The limits on the key.
    #[schema(max_items = 10)]
    limits: Vec<Limit>,
    /// The credits that the key spends; `null` if it spends none.
    #[schema(required)]
    credits: Option<Credits>,
    /// When the key was created.
    #[serde(serialize_with = "times::required")]
    created_at: OffsetDateTime,
    /// Who created the key; `null` if an earlier version did.
    #[schema(required)]
    created_by: Option<ActorView>,
    /// When the key was last changed.
    #[serde(serialize_with = "times::required")]
    updated_at: OffsetDateTime,
    /// When the key expires; `null` if it never does.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    expires_at: Option<OffsetDateTime>,
    /// When the key was revoked.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    revoked_at: Option<OffsetDateTime>,
    /// The reason given for the revocation.
    #[schema(required, min_length = 1, max_length = 500)]
    revoked_reason: Option<String>,
    /// The key that this key replaced.
    #[schema(required, pattern = "^[0-9A-Za-z]{22}$")]
    predecessor_id: Option<String>,
    /// The key that replaced this key.
    #[schema(required, pattern = "^[0-9A-Za-z]{22}$")]
    successor_id: Option<String>,
    /// When the key was last used, accurate to a few minutes.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    last_used_at: Option<OffsetDateTime>,
    /// The address that the key was last used from.
    #[schema(required, example = "192.0.2.7")]
    last_used_from: Option<String>,
}

impl Key {
    /// The key with its state at `now`. `prefix`: the prefix of all keys.
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
            disabled_by: key.disabled_by.map(Role::as_str),
            owner: Owner::new(&record.owner),
            scopes: record.scopes.iter().map(str::to_owned).collect(),
            metadata: notes(&record.metadata),
            allowed_ips: record.allowed_ips.networks().iter().map(ToString::to_string).collect(),
            limits: record.limits.as_slice().iter().map(Limit::new).collect(),
            credits: key.credits.as_ref().map(Credits::new),
            created_at: key.created_at,
            created_by: key.created_by.clone().map(ActorView::from),
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

/// A new key with its secret.
// No `Debug`: a secret in a log is compromised.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedKey {
    #[serde(flatten)]
    pub(super) key: Key,
    /// The whole key, shown only this once; `null` if an earlier, identical request created it.
    #[serde(serialize_with = "shown_once")]
    #[schema(required, value_type = Option<String>, example = "keyward_live_01gk8yGvWq3Zr0Xb7LmT2c…")]
    pub(super) api_key: Option<SecretString>,
    /// Why there is no secret; absent if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) notice: Option<&'static str>,
}

/// The notice in place of the secret if a request is repeated.
pub(crate) const SHOWN_BEFORE: &str = "The same request has made this key before. Its secret was shown then, and can't be shown again. \
                            Rotate this key to get another secret.";

impl CreatedKey {
    /// A key that an earlier, identical request created.
    pub(super) fn known(key: &ManagedKey, prefix: &Prefix, now: OffsetDateTime) -> Self {
        Self { key: Key::new(key, prefix, now), api_key: None, notice: Some(SHOWN_BEFORE) }
    }

    /// The only place where a secret leaves the program: the response to the request that created the key.
    pub fn new(IssuedKey { key, text }: IssuedKey, prefix: &Prefix) -> Self {
        Self { key: Key::new(&key, prefix, key.created_at), api_key: Some(text), notice: None }
    }
}

fn shown_once<S: Serializer>(key: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    key.as_ref().map(SecretString::expose).serialize(serializer)
}

/// The new key of a rotation, with its secret, and the key that it replaces.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotatedKey {
    #[serde(flatten)]
    pub(super) created: CreatedKey,
    /// The old key, as it is now.
    pub(super) predecessor: Key,
}

impl RotatedKey {
    /// A rotation, with the keys' state at `now`.
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
pub(crate) struct KeyList {
    pub(super) keys: Vec<Key>,
    /// The `cursor` of the next page; `null` on the last page.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
}

/// A key that is revoked on every replica.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevokedKey {
    /// The id of the key.
    #[schema(pattern = "^[0-9A-Za-z]{22}$", example = "01gk8yGvWq3Zr0Xb7LmT2c")]
    id: String,
    /// When the key was revoked.
    #[serde(serialize_with = "times::required")]
    revoked_at: OffsetDateTime,
    #[serde(flatten)]
    confirmation: Confirmation,
}

impl RevokedKey {
    pub(super) fn new(revoked: &Revoked, propagated: &Propagated) -> Self {
        Self { id: revoked.id.to_string(), revoked_at: revoked.at, confirmation: Confirmation::new(propagated) }
    }
}
