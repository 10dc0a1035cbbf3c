//! `/v1/audit` and `/v1/admin/audit`: who did what to which key.
//!
//! - `event`: an event as it appears in responses
//! - `lines`: events as CSV and NDJSON

mod event;
mod lines;

use actix_web::{HttpRequest, http::header::VARY, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use self::lines::{Format, LINES_MAX};
pub use self::{
    event::Event,
    lines::{csv_header, csv_lines, ndjson},
};
use crate::api::{
    services::{Services, read_failed},
    wire::{
        actor,
        failure::{Answer, Reason},
        page,
        request::{
            parameters::Parameters,
            queries::{OF_AN_OWNER, OF_EVENTS, Query},
        },
    },
};
use crate::{
    auth::lifecycle::Caller,
    domain::{
        api_key::Keyring,
        audit::Action,
        csv,
        ledger::Reach,
        listing::{EventFilter, Page},
    },
};

/// The name that this list's cursors are sealed with.
const LIST: &str = "audit";

/// A page of events, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventList {
    events: Vec<Event>,
    /// The `cursor` of the next page; `null` on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// `GET /v1/audit`
pub(crate) async fn list(request: HttpRequest, caller: Caller, services: Data<Services>) -> Answer {
    let keyring = &services.issuer.keyring;
    let (filter, page, format) = selected_events(&request, keyring, &caller.reach)?;
    let found = services.ledger.events(&filter, &page, &caller.reach).await;
    let found = found.map_err(read_failed(&request))?;
    let (mut response, next_cursor) = page::begin(&request, keyring, LIST, found.next);
    let events: Vec<Event> = found.items.into_iter().map(Event::from).collect();
    response.insert_header((VARY, "Accept"));
    Ok(match format {
        Format::Json => response.json(EventList { events, next_cursor }),
        Format::Csv => response.content_type(csv::CSV).body(csv_header() + &csv_lines(&events)),
        Format::Ndjson => response.content_type(Format::NDJSON).body(ndjson(&events)),
    })
}

/// The events, the page and the format that a query selects. Only callers who reach every owner's keys can name an
/// owner.
pub(crate) fn selected_events(
    request: &HttpRequest,
    keyring: &Keyring,
    reach: &Reach,
) -> Result<(EventFilter, Page, Format), Reason> {
    let known: Query = if reach.owner().is_some() { &[OF_EVENTS] } else { &[OF_EVENTS, OF_AN_OWNER] };
    let mut parameters = Parameters::of(request, known);
    let format = parameters.take("format", Format::read).unwrap_or_else(|| Format::accepted(request));
    let page = match format {
        Format::Json => parameters.page(keyring, LIST),
        Format::Csv | Format::Ndjson => parameters.page_of(keyring, LIST, LINES_MAX, LINES_MAX),
    };
    let filter = EventFilter {
        key: parameters.take_parsed("keyId"),
        owner: match reach.owner() {
            Some(owner) => Some(owner.clone()),
            None => parameters.owner(),
        },
        actor: parameters.take("actor", actor::read),
        actions: parameters
            .take_several("action", |word| {
                Action::of(word).ok_or_else(|| format!("must be one of {}, or several with commas between", words()))
            })
            .unwrap_or_default(),
        from: parameters.take_instant("from"),
        to: parameters.take_instant("to"),
    };
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from >= to
    {
        parameters.problem("to", "conflict", "must be later than from");
    }
    parameters.finish()?;
    Ok((filter, page, format))
}

/// The names of all actions.
fn words() -> String {
    Action::ALL.map(Action::as_str).join(", ")
}
