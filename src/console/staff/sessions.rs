//! Everybody's sessions, and those of an owner.

use actix_web::{
    HttpRequest,
    web::{Bytes, Data},
};
use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

use crate::{
    console::{
        access::{
            form::Form,
            notice::{Done, Notice},
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault, shown},
        frame::{Frame, When, next_page},
        keys::{OwnerLink, owner_name},
        services::Console,
        texts::EN,
    },
    domain::{
        ledger::Reach,
        listing::{Listed, Page, cursor},
        owner::Owner,
        owner_id,
        ports::sessions::{Endings, SessionFilter, SessionsEnding},
        session::Session,
    },
};

/// The number of sessions on a page.
const ON_A_PAGE: u32 = 50;
/// The name that this list's cursors are sealed with.
const LIST: &str = "console sessions";
/// Where the page is.
const PAGE: &str = "/console/all/sessions";

#[derive(Template)]
#[template(path = "all_sessions.html")]
struct SessionsPage {
    frame: Frame,
    sessions: Vec<Row>,
    /// Whose they are, if they are an owner's.
    owner: Option<OwnerLink>,
    person: Option<String>,
    next: Option<String>,
}

struct Row {
    id: String,
    person: String,
    person_in_query: String,
    owner: String,
    owner_id: String,
    browser: String,
    address: String,
    signed_in: When,
    last_used: When,
    is_this: bool,
    was_handed_over: bool,
}

impl Row {
    fn of(session: &Session, this: &Session) -> Self {
        let person = &session.person;
        Self {
            id: session.id.to_string(),
            person: person.subject.to_string(),
            person_in_query: utf8_percent_encode(&person.subject, NON_ALPHANUMERIC).to_string(),
            owner: owner_name(&person.owner),
            owner_id: owner_id::write(&person.owner),
            browser: session.browser.clone().unwrap_or_else(|| EN.unknown.to_owned()),
            address: session.address.map_or_else(|| EN.unknown.to_owned(), |address| address.to_string()),
            signed_in: session.signed_in_at.into(),
            last_used: session.last_used_at.into(),
            is_this: session.id == this.id,
            was_handed_over: session.handed_over.is_some(),
        }
    }
}

/// `GET /console/all/sessions`; with `owner`, those in which the owner's keys are managed, and with `person` theirs alone.
pub(in crate::console) async fn sessions(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let mut query = Form::of_query(&request);
    let owner = query.owner(&Reach::Any);
    let person = query.text("person").filter(|_| owner.is_some()).map(str::to_owned);
    let keyring = &console.issuer.keyring;
    let after = query.text("cursor").and_then(|text| cursor::read(keyring, LIST, text));
    let complaint = query.complaint();
    let filter = SessionFilter { owner, person };
    let listed = match complaint {
        Some(_) => Listed::none(),
        None => {
            let listed = console.sessions.list(&filter, &Page { after, limit: ON_A_PAGE }).await;
            listed.map_err(|error| Fault::outage(&request, &error))?
        }
    };
    let next = listed.next.as_ref().map(|place| next_page(&request, keyring, LIST, place));
    shown(&SessionsPage {
        frame: visitor.frame("all-sessions", EN.all_sessions).telling(complaint),
        sessions: listed.items.iter().map(|session| Row::of(session, &visitor.session)).collect(),
        owner: filter.owner.as_ref().map(OwnerLink::from),
        person: filter.person,
        next,
    })
}

/// `POST /console/all/sessions`: ends one session, or all of an owner or of a person.
pub(in crate::console) async fn end_sessions(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let mut form = Form::of(&request, &body, &visitor)?;
    let author = visitor.caller(Area::All)?.author;
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
    let ended = console.sessions.end_for_staff(&ending).await.map_err(|error| Fault::outage(&request, &error))?;
    console.gate.host.in_request(&request, &mut || tracing::info!(ended, "ended sessions of the console"));
    let back = owner.map_or_else(|| PAGE.to_owned(), |owner| format!("{PAGE}?owner={}", owner_id::write(&owner)));
    Ok(visitor.go_to_telling(&back, &Notice::counted(Done::Sessions, ended)))
}
