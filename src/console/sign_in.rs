//! Signing in and out.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::USER_AGENT},
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use super::{
    access::{
        cookies::Kept,
        form::{Form, go_to},
        visitor::Visitor,
    },
    page::{Answer, Fault, Frame, render, shown},
    services::{Console, SignInWay},
    texts::EN,
};
use crate::{
    auth::people::{Attempt, Callback},
    domain::{ports::sessions::WhichSessions, session::Person},
};

#[derive(Template)]
#[template(path = "choice.html")]
struct ChoicePage<'a> {
    frame: Frame,
    people: &'a [Person],
    back: String,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    frame: Frame,
    at_provider: Option<String>,
}

/// `GET /console/sign-in`: to the provider, or the people to choose from.
pub(super) async fn begin(request: HttpRequest, console: Data<Console>) -> Answer {
    let query = Form::of_query(&request);
    let back = back(query.text("to"));
    match &console.sign_in {
        SignInWay::Choice(people) => shown(&ChoicePage { frame: Frame::bare(EN.sign_in), people, back }),
        SignInWay::OpenId(sign_in) => {
            let begun = sign_in.begin(query.text("again").is_some()).await;
            let (address, attempt) = begun.map_err(|error| Fault::outage(&request, &error))?;
            let mut answer = go_to(&address);
            let kept = format!("{}.{}", attempt.write(), encoded(&back));
            keep(&mut answer, &Kept::Attempt.keep(&console, &kept))?;
            Ok(answer)
        }
    }
}

/// `POST /console/sign-in`: one of the people to choose from.
pub(super) async fn choose(request: HttpRequest, console: Data<Console>, body: Bytes) -> Answer {
    let form = Form::without_session(&request, &body)?;
    let SignInWay::Choice(people) = &console.sign_in else { return Err(Fault::NotFound) };
    let chosen = people.iter().find(|person| Some(&*person.subject) == form.text("person"));
    let person = chosen.ok_or(Fault::NotFound)?.clone();
    enter(&request, &console, person, &back(form.text("to"))).await
}

/// `GET /console/signed-in`: the provider sends the browser back.
pub(super) async fn finish(request: HttpRequest, console: Data<Console>) -> Answer {
    let SignInWay::OpenId(sign_in) = &console.sign_in else { return Err(Fault::NotFound) };
    let kept = Kept::Attempt.value(&console, &request).unwrap_or_default();
    let (attempt, to) = kept.rsplit_once('.').unwrap_or_default();
    let to = back(Some(&percent_encoding::percent_decode_str(to).decode_utf8_lossy()));
    let Some(attempt) = Attempt::read(attempt) else { return Err(Fault::SignIn) };
    let query = Form::of_query(&request);
    let callback = Callback {
        code: query.text("code"),
        state: query.text("state"),
        error: query.text("error"),
        issuer: query.text("iss"),
    };
    let finished = sign_in.finish(&attempt, &callback, &console.gate.tokens, OffsetDateTime::now_utc()).await;
    match finished.map_err(|error| Fault::outage(&request, &error))? {
        Ok(person) => {
            let mut answer = enter(&request, &console, person, &to).await?;
            keep(&mut answer, &Kept::Attempt.forget(&console))?;
            Ok(answer)
        }
        Err(reason) => {
            if let Some(suppressed) = console.refusals.admit() {
                let gate = &console.gate;
                let client = gate.proxies.client_address(&request).map(tracing::field::display);
                gate.host.in_request(&request, &mut || {
                    tracing::info!(%reason, client, suppressed, "refused to sign somebody in to the console");
                });
            }
            Err(Fault::SignIn)
        }
    }
}

/// Begins a session. A session that the browser has had before ends, so that nobody else goes on with it.
async fn enter(request: &HttpRequest, console: &Console, person: Person, to: &str) -> Answer {
    let user_agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let address = console.gate.proxies.client_address(request);
    let begun = console.sessions.begin(person, address, user_agent, OffsetDateTime::now_utc()).await;
    let begun = begun.map_err(|error| Fault::outage(request, &error))?;
    console.gate.host.in_request(request, &mut || {
        let person = &begun.session.person;
        tracing::info!(
            session = %begun.session.id,
            issuer = &*person.owner.issuer,
            subject = &*person.subject,
            "signed somebody in to the console"
        );
    });
    let mut answer = go_to(to);
    keep(&mut answer, &Kept::Session.keep(console, begun.secret.expose()))?;
    Ok(answer)
}

/// `POST /console/sign-out`
pub(super) async fn sign_out(request: HttpRequest, console: Data<Console>, visitor: Visitor, body: Bytes) -> Answer {
    Form::of(&request, &body, &visitor)?;
    let ended = console.sessions.end(&visitor.session.person, WhichSessions::Only(visitor.session.id)).await;
    ended.map_err(|error| Fault::outage(&request, &error))?;
    let mut answer = go_to("/console/signed-out");
    keep(&mut answer, &Kept::Session.forget(&console))?;
    Ok(answer)
}

/// `GET /console/signed-out`: on to the provider, so that the next sign-in there needs a password again.
pub(super) async fn signed_out(console: Data<Console>) -> Answer {
    let at_provider = match &console.sign_in {
        SignInWay::OpenId(sign_in) => sign_in.sign_out_address().await,
        SignInWay::Choice(_) => None,
    };
    Ok(render(StatusCode::OK, &SignedOutPage { frame: Frame::bare(EN.signed_out), at_provider }))
}

/// Where to go after signing in: a page of the console, and never another site.
fn back(asked: Option<&str>) -> String {
    let is_page = |path: &str| path == "/console" || path.starts_with("/console/") || path.starts_with("/console?");
    let is_plain = |path: &str| path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    asked.filter(|path| is_page(path) && is_plain(path) && path.len() <= 1024).unwrap_or("/console").to_owned()
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn keep(answer: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) -> Result<(), Fault> {
    answer.add_cookie(cookie).map_err(|_| Fault::Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for good in ["/console", "/console/keys?state=active", "/console?x"] {
            assert_eq!(back(Some(good)), good);
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "https://evil.example",
            "/consolex",
            "/console/\\evil",
            "/console/\r\nx: y",
            "keys",
        ] {
            assert_eq!(back(Some(bad)), "/console", "{bad}");
        }
    }
}
