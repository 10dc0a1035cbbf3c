//! What was done to keys, by whom.

use actix_web::{HttpRequest, web::Data};
use askama::Template;

use super::{
    access::{
        fields::Fields,
        form::Form,
        paging::Paging,
        visitor::{Area, Visitor},
    },
    fault::{Answer, shown},
    frame::Frame,
    keys::{Event, OwnerLink},
    services::Console,
    texts::{EN, WHY_NOT},
};
use crate::domain::{audit::Action, listing::EventFilter};

/// The number of events on a page.
const ON_A_PAGE: u32 = 100;
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
    next: Option<String>,
}

/// `GET /console/audit`; with `all`, that of everybody, for administrators.
pub(super) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let mut query = Form::of_query(&request);
    let is_all = query.text("all").is_some();
    let reach = visitor.caller(if is_all { Area::All } else { Area::Own })?.reach;
    let action = query.read("action", |word| Action::of(word).ok_or_else(|| WHY_NOT.no_such_action.to_owned()));
    let filter = EventFilter {
        owner: query.owner(&reach),
        key: query.parsed("key"),
        actor: None,
        actions: action.into_iter().collect(),
        from: None,
        to: None,
    };
    let paging = Paging::of(&request, &console, LIST, ON_A_PAGE);
    let (events, next) = paging.found(&query, console.ledger.events(&filter, &paging.page, &reach)).await?;
    let (here, title) = if is_all { ("all-audit", EN.all_audit) } else { ("audit", EN.audit) };
    shown(&AuditPage {
        frame: visitor.frame(here, title).telling(query.complaint()),
        events: events.iter().map(Event::from).collect(),
        actions: Action::ALL.into_iter().map(Action::as_str).collect(),
        is_all,
        owner: filter.owner.as_ref().filter(|_| is_all).map(OwnerLink::from),
        fields: Fields::of(&query),
        next,
    })
}
