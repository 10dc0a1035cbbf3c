//! What was done to keys, by whom.

use actix_web::{HttpRequest, HttpResponse, http::header::CONTENT_DISPOSITION, web::Data};
use askama::Template;
use serde_json::Value;

use super::{
    access::{
        fields::Fields,
        form::Form,
        paging::Paging,
        visitor::{Area, Visitor},
    },
    fault::{Answer, Fault, shown},
    frame::Frame,
    keys::{Event, KeyNames, OwnerLink, author},
    services::Console,
    texts::{EN, WHY_NOT},
};
use crate::domain::{
    api_key::Prefix,
    audit::{Action, AuditEvent},
    csv,
    ledger::Reach,
    listing::{EventFilter, Page},
    timestamp,
};

/// The number of events on a page.
const ON_A_PAGE: u32 = 100;
/// The most that one export has, as of keys.
const EXPORTED: u32 = 1_000;
/// The number of events that are read at once for an export.
const READ_AT_ONCE: u32 = 250;
/// The name that this list's cursors are sealed with.
const LIST: &str = "console audit";

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    frame: Frame,
    events: Vec<Event>,
    actions: Vec<&'static str>,
    is_all: bool,
    /// Whose audit it is, if it is that of an owner among everybody's.
    owner: Option<OwnerLink>,
    fields: Fields<'a>,
    /// The address of the same events as a file.
    export: String,
    next: Option<String>,
}

/// `GET /console/audit`; with `all`, that of everybody, for administrators.
pub(super) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let mut query = Form::of_query(&request);
    let is_all = query.text("all").is_some();
    let reach = visitor.caller(if is_all { Area::All } else { Area::Own })?.reach;
    let filter = filter(&mut query, &reach, console.issuer.keyring.prefix());
    let paging = Paging::of(&request, &console, LIST, ON_A_PAGE);
    let (events, next) = paging.found(&query, console.ledger.events(&filter, &paging.page, &reach)).await?;
    let names = KeyNames::of(&request, &console, events.iter().filter_map(|event| event.key), &reach).await?;
    let (here, title) = if is_all { ("all-audit", EN.all_audit) } else { ("audit", EN.audit) };
    shown(&AuditPage {
        frame: visitor.frame(here, title).telling(query.complaint()),
        events: events.iter().map(|event| Event::new(event, &names)).collect(),
        actions: Action::ALL.into_iter().map(Action::as_str).collect(),
        is_all,
        owner: filter.owner.as_ref().filter(|_| is_all).map(OwnerLink::from),
        fields: Fields::of(&query),
        export: format!("/console/audit/export?{}", request.query_string()),
        next,
    })
}

/// The events that a query selects. Conditions that make no sense are problems of the form.
fn filter(query: &mut Form, reach: &Reach, prefix: &Prefix) -> EventFilter {
    let action = query.read("action", |word| Action::of(word).ok_or_else(|| WHY_NOT.no_such_action.to_owned()));
    let whole = |text: &str| prefix.read_shown(text).and_then(|shown| shown.whole());
    EventFilter {
        owner: query.owner(reach),
        key: query.read("key", |text| whole(text).ok_or_else(|| WHY_NOT.no_such_id.to_owned())),
        actor: None,
        actions: action.into_iter().collect(),
        from: None,
        to: None,
    }
}

/// `GET /console/audit/export`: the newest events that a query selects.
pub(super) async fn export(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let mut query = Form::of_query(&request);
    let area = if query.text("all").is_some() { Area::All } else { Area::Own };
    let reach = visitor.caller(area)?.reach;
    let filter = filter(&mut query, &reach, console.issuer.keyring.prefix());
    query.refuse_problems()?;
    let header = ["at", "action", "key", "owner_issuer", "owner_subject", "by", "from", "details"];
    let (mut text, mut after) = (csv::line(&header), None);
    for _ in 0..EXPORTED / READ_AT_ONCE {
        let page = Page { after, limit: READ_AT_ONCE };
        let listed = console.ledger.events(&filter, &page, &reach).await;
        let listed = listed.map_err(|error| Fault::outage(&request, &error))?;
        listed.items.iter().for_each(|event| text += &line(event));
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    let answer = HttpResponse::Ok()
        .content_type(csv::CSV)
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\""))
        .body(text);
    Ok(answer)
}

fn line(event: &AuditEvent) -> String {
    csv::line(&[
        timestamp::write(event.at),
        event.action.clone(),
        event.key.map(|id| id.to_string()).unwrap_or_default(),
        event.owner.issuer.to_string(),
        event.owner.subject.to_string(),
        author(event),
        event.author.address.map(|address| address.to_string()).unwrap_or_default(),
        Value::Object(event.details.clone()).to_string(),
    ])
}
