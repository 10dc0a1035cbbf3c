//! What was done to keys, by whom.

use actix_web::{HttpRequest, web::Data};
use askama::Template;

use super::{
    access::{
        form::Form,
        visitor::{Area, Visitor},
    },
    fault::{Answer, Fault, shown},
    frame::Frame,
    keys::Event,
    services::Console,
    texts::EN,
};
use crate::domain::{
    audit::Action,
    listing::{EventFilter, Page, cursor},
    owner_id,
};

/// The number of events on a page.
const ON_A_PAGE: u32 = 100;
/// The name that this list's cursors are sealed with.
const LIST: &str = "console audit";

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    events: Vec<Event>,
    actions: Vec<&'static str>,
    action: String,
    key: String,
    is_all: bool,
    next: Option<String>,
}

/// `GET /console/audit`; with `all`, that of everybody, for administrators.
pub(super) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let query = Form::of_query(&request);
    let is_all = query.text("all").is_some();
    let reach = visitor.caller(if is_all { Area::All } else { Area::Own })?.reach;
    let owner = match reach.owner() {
        Some(owner) => Some(owner.clone()),
        None => query.text("owner").and_then(owner_id::read),
    };
    let filter = EventFilter {
        owner,
        key: query.text("key").and_then(|id| id.parse().ok()),
        actor: None,
        actions: query.text("action").and_then(Action::of).into_iter().collect(),
        from: None,
        to: None,
    };
    let keyring = &console.issuer.keyring;
    let after = query.text("cursor").and_then(|text| cursor::read(keyring, LIST, text));
    let found = console.ledger.events(&filter, &Page { after, limit: ON_A_PAGE }, &reach).await;
    let found = found.map_err(|error| Fault::outage(&request, &error))?;
    let next = found.next.as_ref().map(|place| {
        let others = request.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
        let others: String = others.map(|pair| format!("{pair}&")).collect();
        format!("/console/audit?{others}cursor={}", cursor::write(keyring, LIST, place))
    });
    let (here, title) = if is_all { ("all-audit", EN.all_audit) } else { ("audit", EN.audit) };
    shown(&AuditPage {
        frame: visitor.frame(here, title),
        events: found.items.iter().map(Event::from).collect(),
        actions: Action::ALL.into_iter().map(Action::as_str).collect(),
        action: query.shown("action"),
        key: query.shown("key"),
        is_all,
        next,
    })
}
