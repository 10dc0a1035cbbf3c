//! An event as answers show it.

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    api::{
        handlers::keys::representation::Owner,
        wire::{actor::By, times},
    },
    domain::audit::AuditEvent,
};

/// Something that was done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Ids grow with time.
    #[schema(format = Uuid)]
    pub(super) id: String,
    /// When.
    #[serde(serialize_with = "times::required")]
    pub(super) at: OffsetDateTime,
    /// Such as `key.created`.
    #[schema(example = "key.created")]
    pub(super) action: String,
    /// The key that it was done to; `null` when it was done to an owner, or to tokens.
    #[schema(required, pattern = "^[0-9A-Za-z]{22}$")]
    pub(super) key_id: Option<String>,
    /// Whose key it was, or whose tokens; `null` where a token was ended by its id, which does not tell.
    #[schema(required)]
    pub(super) owner: Option<Owner>,
    /// Who did it.
    pub(super) actor: By,
    /// The client's address, as far as it is known.
    #[schema(required, example = "192.0.2.7")]
    pub(super) address: Option<String>,
    /// By which the log tells more.
    #[schema(required)]
    pub(super) request_id: Option<String>,
    /// What exactly: `changes`, each field from what to what; a reason; a successor. Never a secret.
    #[schema(value_type = Object, additional_properties, example = json!({"changed": ["name"], "changes": {"name": {"from": "ci", "to": "ci 2"}}}))]
    pub(super) details: Map<String, Value>,
}

impl From<AuditEvent> for Event {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: event.id.to_string(),
            at: event.at,
            action: event.action,
            key_id: event.key.map(|id| id.to_string()),
            owner: (!event.owner.subject.is_empty()).then(|| Owner::new(&event.owner)),
            actor: event.author.actor.into(),
            address: event.author.address.map(|address| address.to_string()),
            request_id: event.author.request_id,
            details: event.details,
        }
    }
}
