//! An audit event as it appears in responses.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    api::wire::{actor::ActorView, owner::Owner, times},
    domain::audit::{AuditEvent, Details},
};

/// An audit event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The event's id. Ids increase over time.
    #[schema(format = Uuid)]
    pub(super) id: String,
    /// When it happened.
    #[serde(serialize_with = "times::required")]
    pub(super) at: OffsetDateTime,
    /// The kind of event, such as `key.created`.
    #[schema(example = "key.created")]
    pub(super) action: String,
    /// The key that was changed; `null` if the event concerns an owner or tokens.
    #[schema(required, pattern = "^[0-9A-Za-z]{22}$")]
    pub(super) key_id: Option<String>,
    /// The owner of the key or the tokens; `null` if a token was revoked by its id, which does not identify its owner.
    #[schema(required)]
    pub(super) owner: Option<Owner>,
    /// Who caused the event.
    pub(super) actor: ActorView,
    /// The client's address, if known.
    #[schema(required, example = "192.0.2.7")]
    pub(super) address: Option<String>,
    /// The id of the request, also found in the log.
    #[schema(required)]
    pub(super) request_id: Option<String>,
    /// Details of the event: `changes`, with the value of each field before as `from` and the new one as `to`, or how
    /// many credits were `added`; a reason; a successor. Never a secret.
    #[schema(value_type = Object, additional_properties, example = json!({"changed": ["name"], "changes": {"name": {"from": "ci", "to": "ci 2"}}}))]
    pub(super) details: Details,
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
