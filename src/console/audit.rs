//! What was done to keys, by whom.

use actix_web::{HttpRequest, HttpResponse, http::header::CONTENT_DISPOSITION, web::Data};
use askama::Template;

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
const EXPORTED: usize = 1_000;
/// How often the list is read for an export, because one read examines a limited number of events.
const READS: usize = 4;
/// The bytes of an export after which it ends where a read has ended: a thousand usual events have about as many. What
/// there is of it waits for the database, and long metadata must not make a replica hold more.
const EXPORTED_BYTES: usize = 256 * 1024;
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
    let events: Vec<Event> = events.into_iter().map(Event::new).collect();
    let names = KeyNames::of(&request, &console, events.iter().filter_map(|event| event.key_id), &reach).await?;
    let (here, title) = if is_all { ("all-audit", EN.all_audit) } else { ("audit", EN.audit) };
    shown(&AuditPage {
        frame: visitor.frame(here, title).telling(query.complaint()),
        events: events.into_iter().map(|event| event.with_name(&names)).collect(),
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

/// `GET /console/audit/export`: the newest events that a query selects. There are fewer than [`EXPORTED`] if they are
/// long.
pub(super) async fn export(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let mut query = Form::of_query(&request);
    let area = if query.text("all").is_some() { Area::All } else { Area::Own };
    let reach = visitor.caller(area)?.reach;
    let filter = filter(&mut query, &reach, console.issuer.keyring.prefix());
    query.refuse_problems()?;
    let header = ["at", "action", "key", "owner_issuer", "owner_subject", "by", "from", "details"];
    let (mut text, mut after, mut left) = (csv::line(&header), None, EXPORTED);
    for _ in 0..READS {
        let page = Page { after, limit: left as u32 };
        let listed = console.ledger.events(&filter, &page, &reach).await;
        let listed = listed.map_err(|error| Fault::outage(&request, &error))?;
        listed.items.iter().for_each(|event| text += &line(event));
        (after, left) = (listed.next, left - listed.items.len());
        if after.is_none() || left == 0 || text.len() >= EXPORTED_BYTES {
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
        event.details.as_json().to_owned(),
    ])
}
