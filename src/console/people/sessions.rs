//! The sessions of whoever is signed in.

use actix_web::{
    HttpRequest,
    web::{Bytes, Data},
};
use askama::Template;

use super::view::SessionView;
use crate::{
    console::{
        access::{
            form::Form,
            notice::{Done, Notice},
            visitor::Visitor,
        },
        fault::{Answer, Fault, shown},
        frame::Frame,
        services::Console,
        texts::EN,
    },
    domain::ports::sessions::WhichSessions,
};

#[derive(Template)]
#[template(path = "people/sessions.html")]
struct SessionsPage {
    frame: Frame,
    sessions: Vec<SessionView>,
}

/// `GET /console/sessions`
pub(in crate::console) async fn list(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_own_sign_in()?;
    let sessions =
        console.sessions.of(&visitor.session.person).await.map_err(|error| Fault::outage(&request, &error))?;
    let sessions = SessionView::all(&sessions, &visitor.session);
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
