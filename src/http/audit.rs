//! `/v1/audit` and `/v1/admin/audit`: who did what to which key.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, LINK},
    web::Data,
};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    Services, cursor,
    failure::{Failure, Reason},
    instants,
    keys::{self, representation::Owner},
    parameters::{self, Parameters},
    unread,
};
use crate::{
    auth::lifecycle::Editor,
    domain::{
        api_key::Keyring,
        audit::{Actor, AuditEvent},
        ledger::{EventFilter, Page, Reach},
    },
};

/// What this list's cursors are sealed for.
const LIST: &str = "audit";

/// A page of events, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventList {
    events: Vec<Event>,
    /// To be given as `cursor` for the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Something that was done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Event {
    /// Ids grow with time.
    #[schema(format = Uuid)]
    id: String,
    /// When.
    #[serde(serialize_with = "instants::required")]
    at: OffsetDateTime,
    /// Such as `key.created`.
    #[schema(example = "key.created")]
    action: String,
    /// The key that it was done to; `null` when it was done to an owner, or to tokens.
    #[schema(required, pattern = "^[0-9A-Za-z]{22}$")]
    key_id: Option<String>,
    /// Whose key it was, or whose tokens; `null` where a token was ended by its id, which does not tell.
    #[schema(required)]
    owner: Option<Owner>,
    /// Who did it.
    actor: By,
    /// The client's address, as far as it is known.
    #[schema(required, example = "192.0.2.7")]
    address: Option<String>,
    /// By which the log tells more.
    #[schema(required)]
    request_id: Option<String>,
    /// What exactly: names of changed fields, a reason.
    #[schema(value_type = Object, additional_properties, example = json!({"fields": ["name"]}))]
    details: Map<String, Value>,
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Actor)]
struct By {
    /// `token`, `key` or `command_line`.
    #[schema(example = "token")]
    kind: &'static str,
    /// The `iss` of the token.
    #[schema(required)]
    issuer: Option<String>,
    /// The `sub` of the token.
    #[schema(required)]
    subject: Option<String>,
    /// The key that was the credential.
    #[schema(required, pattern = "^[0-9A-Za-z]{22}$")]
    key_id: Option<String>,
}

/// `GET /v1/audit`
pub(super) async fn list(
    request: HttpRequest,
    editor: Editor,
    services: Data<Services>,
) -> Result<HttpResponse, Failure> {
    let read = which_events(Parameters::of(&request), &services.issuer.keyring, &editor.reach);
    let (filter, page) = read.map_err(|reason| Failure::new(request.path(), reason))?;
    let asked = Page { limit: page.limit + 1, ..page };
    let found = services.lifecycle.events(&filter, asked, &editor.reach).await;
    let mut events = found.map_err(|error| unread(&request, &error))?;
    let more = events.len() > page.limit as usize;
    events.truncate(page.limit as usize);
    let last = events.last().filter(|_| more).map(|event| event.id);
    let next_cursor = last.map(|last| cursor::write(&services.issuer.keyring, LIST, last));
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    if let Some(cursor) = &next_cursor {
        response.insert_header((LINK, parameters::link_to_next(&request, cursor)));
    }
    Ok(response.json(EventList { events: events.into_iter().map(Event::from).collect(), next_cursor }))
}

/// Which events, and which page of them. Only who reaches any owner's keys may name one.
pub(super) fn which_events(
    mut parameters: Parameters,
    keyring: &Keyring,
    reach: &Reach,
) -> Result<(EventFilter, Page), Reason> {
    let page = parameters.page(keyring, LIST);
    let key = parameters.take_parsed("keyId");
    let owner = match reach.owner() {
        Some(owner) => Some(owner.clone()),
        None => parameters.take("owner", keys::owner),
    };
    parameters.finish()?;
    Ok((EventFilter { owner, key }, page))
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
