//! `/v1/audit` and `/v1/admin/audit`: who did what to which key.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, LINK},
    web::Data,
};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{
    Services,
    failure::Failure,
    keys::representation::Owner,
    owner_id,
    parameters::{self, Parameters},
    unread,
};
use crate::{
    auth::lifecycle::Editor,
    domain::{
        audit::{Actor, AuditEvent},
        ledger::{EventFilter, Page},
    },
};

/// What this list's cursors are sealed for.
const LIST: &str = "audit";

/// A page of events, newest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventList {
    events: Vec<Event>,
    /// To be given as `cursor` for the next page; `null` on the last.
    next_cursor: Option<String>,
}

/// Something that was done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    id: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Such as `key.created`.
    action: String,
    /// The key that it was done to; `null` when it was done to an owner.
    key_id: Option<String>,
    /// Whose key it was.
    owner: Owner,
    actor: By,
    /// The client's address, as far as it is known.
    address: Option<String>,
    /// By which the log tells more.
    request_id: Option<String>,
    /// What exactly: names of changed fields, a reason.
    details: Map<String, Value>,
}

/// Who did it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct By {
    /// `token`, `key` or `command_line`.
    kind: &'static str,
    issuer: Option<String>,
    subject: Option<String>,
    key_id: Option<String>,
}

/// `GET /v1/audit`
pub(super) async fn list(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
) -> Result<HttpResponse, Failure> {
    let mut parameters = Parameters::of(&request);
    let page = parameters.page(&services.issuer.keyring, LIST);
    let key = parameters.take_parsed("keyId");
    let owner = match editor.reach.owner() {
        Some(owner) => Some(owner.clone()),
        None => parameters
            .take("owner", |text| owner_id::read(text).ok_or_else(|| "the id of an owner, as keys show it".to_owned())),
    };
    parameters.finish().map_err(|reason| Failure::new(request.path(), reason))?;
    let asked = Page { limit: page.limit + 1, ..page };
    let found = services.lifecycle.events(&EventFilter { owner, key }, asked).await;
    let mut events = found.map_err(|error| unread(&request, &error))?;
    let more = events.len() > page.limit as usize;
    events.truncate(page.limit as usize);
    let last = events.last().filter(|_| more).map(|event| event.id);
    let next_cursor = last.map(|last| parameters::cursor(&services.issuer.keyring, LIST, last));
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    if let Some(cursor) = &next_cursor {
        response.insert_header((LINK, parameters::link_to_next(&request, cursor)));
    }
    Ok(response.json(EventList { events: events.into_iter().map(Event::from).collect(), next_cursor }))
}

impl From<AuditEvent> for Event {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: event.id.to_string(),
            at: event.at,
            action: event.action,
            key_id: event.key.map(|id| id.to_string()),
            owner: Owner::new(&event.owner),
            actor: event.author.actor.into(),
            address: event.author.address.map(|address| address.to_string()),
            request_id: event.author.request_id,
            details: event.details,
        }
    }
}

impl From<Actor> for By {
    fn from(actor: Actor) -> Self {
        let by = |kind| Self { kind, issuer: None, subject: None, key_id: None };
        match actor {
            Actor::Token { issuer, subject } => {
                Self { issuer: Some(issuer.into()), subject: Some(subject.into()), ..by("token") }
            }
            Actor::Key(id) => Self { key_id: Some(id.to_string()), ..by("key") },
            Actor::CommandLine => by("command_line"),
        }
    }
}
