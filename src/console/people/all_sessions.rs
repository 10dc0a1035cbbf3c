//! Everybody's sessions, and those of an owner.

use actix_web::{
    HttpRequest,
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use super::view::SessionView;
use crate::{
    console::{
        access::{
            form::Form,
            notice::{Done, Notice},
            paging::Paging,
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault, shown},
        frame::Frame,
        keys::OwnerLink,
        services::Console,
        texts::EN,
    },
    domain::{
        ledger::Reach,
        owner::Owner,
        owner_id,
        ports::sessions::{Endings, SessionFilter, SessionsEnding},
    },
};

/// The number of sessions on a page.
const ON_A_PAGE: u32 = 50;
/// The name that this list's cursors are sealed with.
const LIST: &str = "console sessions";
/// Where the page is.
const PAGE: &str = "/console/all/sessions";

#[derive(Template)]
#[template(path = "people/all_sessions.html")]
struct AllSessionsPage {
    frame: Frame,
    sessions: Vec<SessionView>,
    /// Whose they are, if they are an owner's.
    owner: Option<OwnerLink>,
    person: Option<String>,
    next: Option<String>,
}

/// `GET /console/all/sessions`; with `owner`, those in which the owner's keys are managed, and with `person` theirs
/// alone.
pub(in crate::console) async fn list_all(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let mut query = Form::of_query(&request);
    let owner = query.owner(&Reach::Any);
    let person = query.text("person").filter(|_| owner.is_some()).map(str::to_owned);
    let filter = SessionFilter { owner, person };
    let paging = Paging::of(&request, &console, LIST, ON_A_PAGE);
    let (sessions, next) = paging.found(&query, console.sessions.list(&filter, &paging.page)).await?;
    shown(&AllSessionsPage {
        frame: visitor.frame("all-sessions", EN.all_sessions).telling(query.complaint()),
        sessions: SessionView::all(&sessions, &visitor.session),
        owner: filter.owner.as_ref().map(OwnerLink::from),
        person: filter.person,
        next,
    })
}

/// `POST /console/all/sessions`: ends one session, or all of an owner or of a person.
pub(in crate::console) async fn end_any(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let mut form = Form::of(&request, &body, &visitor)?;
    let author = visitor.caller(Area::All)?.author;
    visitor.demand_fresh()?;
    let owner: Option<Owner> = form.owner(&Reach::Any);
    let one = form.text("session").and_then(|id| id.parse().ok());
    form.refuse_problems()?;
    let person = form.text("person");
    let which = match (one, &owner) {
        (Some(id), _) => Endings::One(id),
        (None, Some(owner)) if form.text("all").is_some() => Endings::Of(owner, person),
        _ => return Err(Fault::NotFound),
    };
    let ending = SessionsEnding { which, at: OffsetDateTime::now_utc(), author: &author };
    let ended = console.sessions.end_of_others(&ending).await.map_err(|error| Fault::outage(&request, &error))?;
    console.gate.host.in_request(&request, &mut || tracing::info!(ended, "ended sessions of the console"));
    let back = owner.map_or_else(|| PAGE.to_owned(), |owner| format!("{PAGE}?owner={}", owner_id::write(&owner)));
    Ok(visitor.go_to_telling(&back, &Notice::counted(Done::Sessions, ended)))
}
