//! Links with which a product hands its customers over. Opening one only asks: whoever reads links before people do
//! uses none up, and nobody gets into somebody else's session without seeing whose it is.

use actix_web::{
    HttpRequest,
    http::StatusCode,
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use super::sign_in::{end_of_browser, go_on, keep, user_agent};
use crate::{
    console::{
        access::{
            cookies::{self, ConsoleCookie},
            form::Form,
            visitor::session_of_browser,
        },
        fault::{Answer, Fault},
        frame::{Frame, marked, render},
        keys::owner_name,
        services::Console,
        texts::EN,
    },
    domain::session::{HandOver, HandOverSecret, Person},
};

#[derive(Template)]
#[template(path = "people/handed_over.html")]
struct HandedOverPage<'a> {
    frame: Frame,
    name: String,
    owner: String,
    /// Where they come from.
    from: Option<&'a str>,
    /// Who is signed in until then, if that is somebody else.
    instead_of: Option<String>,
    link: &'a HandOverSecret,
}

/// `GET /console/handed-over?link=…`: who will be signed in, and whether that is meant.
pub(in crate::console) async fn ask(request: HttpRequest, console: Data<Console>) -> Answer {
    let query = Form::of_query(&request);
    let link = link(&console, &query)?;
    let outage = |error| Fault::outage(&request, &error);
    let HandOver { person, return_to } =
        console.sessions.offered(&link).await.map_err(outage)?.ok_or(Fault::LinkOver)?;
    let before = session_of_browser(&request, &console).await?;
    let is_other = |other: &Person| (&other.owner, &other.subject) != (&person.owner, &person.subject);
    let instead_of = before.map(|(session, _)| session.person).filter(is_other);
    let page = HandedOverPage {
        frame: Frame::bare(EN.handed_over),
        name: person.shown_name().to_owned(),
        owner: marked(&owner_name(&person.owner)),
        from: return_to.as_ref().map(|address| address.host()),
        instead_of: instead_of.map(|other| other.shown_name().to_owned()),
        link: &link,
    };
    Ok(render(StatusCode::OK, &page))
}

/// `POST /console/handed-over`: uses the link up, and begins its session.
pub(in crate::console) async fn accept(request: HttpRequest, console: Data<Console>, body: Bytes) -> Answer {
    let form = Form::without_session(&request, &body)?;
    let link = link(&console, &form)?;
    let outage = |error| Fault::outage(&request, &error);
    let offered = console.sessions.offered(&link).await.map_err(outage)?.ok_or(Fault::LinkOver)?;
    let from = offered.return_to;
    let address = console.gate.proxies.client_address(&request);
    let accepted = console.sessions.accept(&link, address, user_agent(&request)).await;
    let accepted = accepted.map_err(|error| Fault::outage(&request, &error))?;
    let (begun, person) = accepted.ok_or(Fault::LinkOver)?;
    end_of_browser(&request, &console).await?;
    console.gate.host.in_request(&request, &mut || {
        tracing::info!(
            session = %begun.id,
            issuer = &*person.owner.issuer,
            subject = &*person.subject,
            "somebody was handed over to the console"
        );
    });
    let way = cookies::way_here(&console, from.as_ref(), OffsetDateTime::now_utc());
    let mut answer = go_on(&console, "/console/keys", &begun)?;
    keep(&mut answer, &ConsoleCookie::HandedOver.keep(&console, &way))?;
    Ok(answer)
}

fn link(console: &Console, form: &Form) -> Result<HandOverSecret, Fault> {
    form.text("link").and_then(|text| console.sessions.link(text)).ok_or(Fault::LinkOver)
}
