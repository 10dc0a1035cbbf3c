//! The sessions of whoever is signed in.

use actix_web::{
    HttpRequest,
    web::{Bytes, Data},
};
use askama::Template;

use crate::{
    console::{
        access::{
            form::Form,
            notice::{Done, Notice},
            visitor::Visitor,
        },
        fault::{Answer, Fault, shown},
        frame::{Frame, When},
        services::Console,
        texts::EN,
    },
    domain::{ports::sessions::WhichSessions, session::Session},
};

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    frame: Frame,
    sessions: Vec<Row>,
}

struct Row {
    id: String,
    browser: String,
    address: String,
    signed_in: When,
    last_used: When,
    is_this: bool,
    was_handed_over: bool,
}

impl Row {
    fn of(session: &Session, this: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            browser: session.browser.clone().unwrap_or_else(|| EN.unknown.to_owned()),
            address: session.address.map_or_else(|| EN.unknown.to_owned(), |address| address.to_string()),
            signed_in: session.signed_in_at.into(),
            last_used: session.last_used_at.into(),
            is_this: session.id == this.id,
            was_handed_over: session.handed_over.is_some(),
        }
    }
}

/// `GET /console/sessions`
pub(in crate::console) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_own_sign_in()?;
    let sessions =
        console.sessions.of(&visitor.session.person).await.map_err(|error| Fault::outage(&request, &error))?;
    let sessions = sessions.iter().map(|session| Row::of(session, &visitor.session)).collect();
    shown(&SessionsPage { frame: visitor.frame("sessions", EN.sessions), sessions })
}

/// `POST /console/sessions`: ends one session, or all others.
pub(in crate::console) async fn end(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    let form = Form::of(&request, &body, &visitor)?;
    visitor.demand_own_sign_in()?;
    let which = match form.text("session").and_then(|id| id.parse().ok()) {
        Some(id) => WhichSessions::Only(id),
        None if form.text("others").is_some() => WhichSessions::AllBut(visitor.session.id),
        None => return Err(Fault::NotFound),
    };
    let ended = console.sessions.end(&visitor.session.person, which).await;
    let ended = ended.map_err(|error| Fault::outage(&request, &error))?;
    Ok(visitor.go_to_telling("/console/sessions", &Notice::counted(Done::Sessions, ended)))
}
