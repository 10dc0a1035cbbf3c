//! Signing in and out.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::USER_AGENT},
    web::{Bytes, Data},
};
use askama::Template;
use time::OffsetDateTime;

use crate::{
    auth::people::{Attempt, Begun, Callback, NotSignedIn, SignedIn},
    console::{
        access::{
            cookies::{ATTEMPT_LASTS, ConsoleCookie},
            form::{Form, go_to},
            in_query, sealed,
            visitor::{Visitor, session_of_browser},
        },
        fault::{Answer, Fault, shown},
        frame::{Frame, render},
        services::{Console, SignInWay},
        texts::EN,
    },
    domain::{
        ports::sessions::WhichSessions,
        session::{AtProvider, HandedOver, Person, ReturnAddress},
    },
};

/// What attempts to sign in are sealed for.
const PURPOSE: &str = "console sign-in";

#[derive(Template)]
#[template(path = "people/choice.html")]
struct ChoicePage<'a> {
    frame: Frame,
    people: &'a [Person],
    back: String,
}

#[derive(Template)]
#[template(path = "people/signed_out.html")]
struct SignedOutPage {
    frame: Frame,
    at_provider: Option<String>,
    was_handed_over: bool,
    /// Where somebody goes back to who was handed over.
    back: Option<ReturnAddress>,
}

/// `GET /console/sign-in`: to the provider, or the people to choose from.
pub(in crate::console) async fn begin(request: HttpRequest, console: Data<Console>) -> Answer {
    let query = Form::of_query(&request);
    let back = back(query.text("to"));
    match &console.sign_in {
        SignInWay::Choice(people) => shown(&ChoicePage { frame: Frame::bare(EN.sign_in), people, back }),
        SignInWay::OpenId(sign_in) => {
            let begun = sign_in.begin(query.text("again").is_some()).await;
            let (address, attempt) = begun.map_err(|error| Fault::outage(&request, &error))?;
            let mut answer = go_to(&address);
            let kept = sealed(&console, &attempt, &back, OffsetDateTime::now_utc());
            keep(&mut answer, &ConsoleCookie::Attempt.keep(&console, &kept))?;
            Ok(answer)
        }
    }
}

/// `POST /console/sign-in`: one of the people to choose from.
pub(in crate::console) async fn choose(request: HttpRequest, console: Data<Console>, body: Bytes) -> Answer {
    let form = Form::without_session(&request, &body)?;
    let SignInWay::Choice(people) = &console.sign_in else { return Err(Fault::NotFound) };
    let chosen = people.iter().find(|person| Some(&*person.subject) == form.text("person"));
    let person = chosen.ok_or(Fault::NotFound)?.clone();
    let signed_in = SignedIn {
        person,
        authenticated_at: Some(OffsetDateTime::now_utc()),
        at_provider: AtProvider::default(),
        identity: None,
    };
    enter(&request, &console, signed_in, &back(form.text("to"))).await
}

/// `GET /console/signed-in`: the provider sends the browser back.
pub(in crate::console) async fn finish(request: HttpRequest, console: Data<Console>) -> Answer {
    let SignInWay::OpenId(sign_in) = &console.sign_in else { return Err(Fault::NotFound) };
    let kept = ConsoleCookie::Attempt.value(&console, &request).unwrap_or_default();
    let Some((attempt, to)) = unsealed(&console, &kept, OffsetDateTime::now_utc()) else { return Err(Fault::SignIn) };
    let query = Form::of_query(&request);
    let callback = Callback {
        code: query.text("code"),
        state: query.text("state"),
        error: query.text("error"),
        issuer: query.text("iss"),
    };
    let finished = sign_in.finish(&attempt, &callback, &console.gate.tokens, OffsetDateTime::now_utc()).await;
    match finished.map_err(|error| Fault::outage(&request, &error))? {
        Ok(mut signed_in) => {
            follow_plan(&request, &console, &mut signed_in).await?;
            let mut answer = enter(&request, &console, signed_in, &to).await?;
            keep(&mut answer, &ConsoleCookie::Attempt.forget(&console))?;
            Ok(answer)
        }
        Err(reason) => {
            if let NotSignedIn::OwnerDisabled(identity) = &reason {
                // As for any other token that says so.
                console.gate.stop_owner(identity, &request).await;
            }
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

/// Puts the owner on the plan that the token claims, as with every token that manages keys.
async fn follow_plan(request: &HttpRequest, console: &Console, signed_in: &mut SignedIn) -> Result<(), Fault> {
    let Some(identity) = &signed_in.identity else { return Ok(()) };
    let followed = console.gate.follow_plan(identity, signed_in.person.actor(), request).await;
    signed_in.person.unknown_plan = followed.map_err(|error| Fault::outage(request, &error))?;
    Ok(())
}

/// Begins a session. The one that the browser has had before ends, so that nobody goes on with it.
async fn enter(request: &HttpRequest, console: &Console, signed_in: SignedIn, to: &str) -> Answer {
    end_of_browser(request, console).await?;
    let address = console.gate.proxies.client_address(request);
    let person = signed_in.person.clone();
    let begun = console.sessions.begin(signed_in, address, user_agent(request)).await;
    let begun = begun.map_err(|error| Fault::outage(request, &error))?;
    console.gate.host.in_request(request, &mut || {
        tracing::info!(
            session = %begun.id,
            issuer = &*person.owner.issuer,
            subject = &*person.subject,
            "signed somebody in to the console"
        );
    });
    let mut answer = go_on(console, to, &begun)?;
    keep(&mut answer, &ConsoleCookie::HandedOver.forget(console))?;
    Ok(answer)
}

/// Ends the session that the browser has had.
pub(super) async fn end_of_browser(request: &HttpRequest, console: &Console) -> Result<(), Fault> {
    if let Some((session, _)) = session_of_browser(request, console).await? {
        let ended = console.sessions.end(&session.person, WhichSessions::Only(session.id)).await;
        ended.map_err(|error| Fault::outage(request, &error))?;
    }
    Ok(())
}

/// What the browser says of itself.
pub(super) fn user_agent(request: &HttpRequest) -> &str {
    request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default()
}

/// Sends the browser on, with its new session.
pub(super) fn go_on(console: &Console, to: &str, begun: &Begun) -> Answer {
    let mut answer = go_to(to);
    keep(&mut answer, &ConsoleCookie::Session.keep(console, begun.secret.expose()))?;
    Ok(answer)
}

/// `POST /console/sign-out`. Whoever was handed over goes back to where they came from, by a link: browsers let no form
/// lead to another site.
pub(in crate::console) async fn sign_out(
    request: HttpRequest,
    console: Data<Console>,
    visitor: Visitor,
    body: Bytes,
) -> Answer {
    Form::of(&request, &body, &visitor)?;
    let ended = console.sessions.end(&visitor.session.person, WhichSessions::Only(visitor.session.id)).await;
    ended.map_err(|error| Fault::outage(&request, &error))?;
    let mut answer = match visitor.session.handed_over {
        Some(HandedOver { return_to, .. }) => {
            let frame = Frame::bare(EN.signed_out);
            render(StatusCode::OK, &SignedOutPage { frame, at_provider: None, was_handed_over: true, back: return_to })
        }
        None => go_to("/console/signed-out"),
    };
    keep(&mut answer, &ConsoleCookie::Session.forget(&console))?;
    keep(&mut answer, &ConsoleCookie::HandedOver.forget(&console))?;
    Ok(answer)
}

/// `GET /console/signed-out`: on to the provider, so that the next sign-in there needs a password again.
pub(in crate::console) async fn signed_out(console: Data<Console>) -> Answer {
    let at_provider = match &console.sign_in {
        SignInWay::OpenId(sign_in) => sign_in.sign_out_address().await,
        SignInWay::Choice(_) => None,
    };
    let frame = Frame::bare(EN.signed_out);
    shown(&SignedOutPage { frame, at_provider, was_handed_over: false, back: None })
}

/// An attempt for the browser to keep. Sealed with the time, so that nobody makes Keyward ask the provider about
/// attempts that it has not begun.
fn sealed(console: &Console, attempt: &Attempt, back: &str, now: OffsetDateTime) -> String {
    let text = format!("{}.{}", attempt.write(), in_query(back));
    sealed::seal(&console.issuer.keyring, PURPOSE, &text, now.unix_timestamp())
}

/// The attempt that a browser has kept, and where to go after it.
fn unsealed(console: &Console, kept: &str, now: OffsetDateTime) -> Option<(Attempt, String)> {
    let (keyring, lasts) = (&console.issuer.keyring, ATTEMPT_LASTS.whole_seconds());
    let text = sealed::unseal(keyring, PURPOSE, kept, now.unix_timestamp(), lasts)?;
    let (attempt, to) = text.rsplit_once('.')?;
    let to = percent_encoding::percent_decode_str(to).decode_utf8_lossy();
    Some((Attempt::read(attempt)?, back(Some(&to))))
}

/// Where to go after signing in: a page of the console, and never another site.
fn back(asked: Option<&str>) -> String {
    let is_page = |path: &str| path == "/console" || path.starts_with("/console/") || path.starts_with("/console?");
    let is_plain = |path: &str| path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    asked.filter(|path| is_page(path) && is_plain(path) && path.len() <= 1024).unwrap_or("/console").to_owned()
}

/// Has the browser keep or forget a cookie.
pub(super) fn keep(answer: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) -> Result<(), Fault> {
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
