//! What is shown instead of a page.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        Method, StatusCode,
        header::{LOCATION, RETRY_AFTER},
    },
};
use askama::Template;

use super::{
    access::in_query,
    frame::{Frame, render},
    services::Console,
    texts::{EN, WHY_NOT},
};
use crate::{
    auth::{Undecided, people::Unfinished},
    domain::{
        ports::{StoreError, key_sets::FetchError},
        session::ReturnAddress,
    },
};

/// The result of a handler.
pub(super) type Answer = Result<HttpResponse, Fault>;

/// A page that was asked for.
pub(super) fn shown(page: &impl Template) -> Answer {
    Ok(render(StatusCode::OK, page))
}

/// Why there is something else instead of a page.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Nobody is signed in. They come back here.
    #[error("not signed in")]
    NotSignedIn(String),
    /// Nobody is signed in any more who could send a form. No redirect: browsers let none lead from a form to another
    /// site.
    #[error("not signed in any more")]
    SessionOver,
    /// They have signed in too long ago for this page.
    #[error("not signed in recently")]
    NotFresh(String),
    /// They have signed in too long ago for what a form of this page asks for.
    #[error("not signed in recently enough for a form")]
    NotFreshForForm(String),
    /// They were handed over too long ago for what they want to do.
    #[error("not handed over recently")]
    ComeAgain(Option<ReturnAddress>),
    /// The session that began with a link of a product has ended. They have come from there.
    #[error("the session of a link is over")]
    HandedOverEnded(Option<ReturnAddress>),
    /// The link does not work, or not any more.
    #[error("a link that does not work")]
    LinkOver,
    /// Signing in has not succeeded.
    #[error("could not sign in")]
    SignIn,
    /// It is only for administrators.
    #[error("for administrators only")]
    Forbidden,
    /// There is no such page, or not for them.
    #[error("not found")]
    NotFound,
    /// No key was found; the text says what was looked for.
    #[error("{0}")]
    NoSuchKey(String),
    /// Another site has sent it, or the page was made for an earlier session.
    #[error("sent by another site")]
    OtherSite,
    /// It was asked for under a name that is not this machine's.
    #[error("asked for under another name")]
    OtherHost,
    /// There is a key in the address.
    #[error("a key in the address")]
    KeyInAddress,
    /// The body is no form.
    #[error("not a form")]
    NoForm,
    /// What was sent could not be read.
    #[error("could not be read")]
    Unread(StatusCode),
    /// What was asked for can't be done; the text says why.
    #[error("{0}")]
    Refused(String),
    /// Other requests of the owner keep this one waiting.
    #[error("too many requests at once")]
    OwnerBusy,
    /// It could not be decided.
    #[error("unavailable")]
    Unavailable,
}

/// Why something could not be shown or done.
pub(super) trait Undone: fmt::Display {
    /// Whether only the owner's own requests are the cause.
    fn is_of_a_busy_owner(&self) -> bool;
}

impl Undone for Undecided {
    fn is_of_a_busy_owner(&self) -> bool {
        Undecided::is_of_a_busy_owner(self)
    }
}

impl Undone for StoreError {
    fn is_of_a_busy_owner(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

impl Undone for Unfinished {
    fn is_of_a_busy_owner(&self) -> bool {
        matches!(self, Self::Undecided(undecided) if undecided.is_of_a_busy_owner())
    }
}

impl Undone for FetchError {
    fn is_of_a_busy_owner(&self) -> bool {
        false
    }
}

impl Fault {
    /// Nobody is signed in.
    pub(super) fn not_signed_in(request: &HttpRequest) -> Self {
        let here = request.uri().path_and_query().map_or("", |here| here.as_str());
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            Self::NotSignedIn(here.to_owned())
        } else {
            Self::SessionOver
        }
    }

    /// The database or the provider could not answer, or not in time because of the owner's own requests. The cause is
    /// logged, not shown.
    pub(super) fn outage(request: &HttpRequest, error: &impl Undone) -> Self {
        let gate = &Console::of(request).gate;
        if error.is_of_a_busy_owner() {
            gate.log_busy_owner(request, None, error);
            return Self::OwnerBusy;
        }
        gate.log_outage(request, &mut |suppressed| {
            let client = gate.proxies.client_address(request).map(tracing::field::display);
            tracing::error!(%error, client, suppressed, "could not show a page of the console; answering 503");
        });
        Self::Unavailable
    }

    fn texts(&self) -> (&'static str, &str) {
        match self {
            Self::NotSignedIn(_) => (EN.sign_in, ""),
            Self::SessionOver => (WHY_NOT.session_over, WHY_NOT.session_over_text),
            Self::NotFresh(_) => (WHY_NOT.not_fresh, WHY_NOT.not_fresh_text),
            Self::NotFreshForForm(_) => (WHY_NOT.not_fresh, WHY_NOT.not_fresh_for_form),
            Self::ComeAgain(_) => (WHY_NOT.come_again, WHY_NOT.come_again_text),
            Self::HandedOverEnded(_) => (WHY_NOT.handed_over_ended, WHY_NOT.handed_over_ended_text),
            Self::LinkOver => (WHY_NOT.link_over, WHY_NOT.link_over_text),
            Self::SignIn => (WHY_NOT.not_signed_in, WHY_NOT.not_signed_in_text),
            Self::Forbidden => (WHY_NOT.forbidden, WHY_NOT.forbidden_text),
            Self::NotFound => (WHY_NOT.not_found, WHY_NOT.not_found_text),
            Self::NoSuchKey(text) => (WHY_NOT.no_such_key, text),
            Self::OtherSite => (WHY_NOT.other_site, WHY_NOT.other_site_text),
            Self::OtherHost => (WHY_NOT.other_host, WHY_NOT.other_host_text),
            Self::KeyInAddress => (WHY_NOT.key_in_address, WHY_NOT.key_in_address_text),
            Self::NoForm => (WHY_NOT.no_form, ""),
            Self::Unread(StatusCode::PAYLOAD_TOO_LARGE) => (WHY_NOT.too_large, WHY_NOT.too_large_text),
            Self::Unread(_) => (WHY_NOT.unread, WHY_NOT.unread_text),
            Self::Refused(text) => (WHY_NOT.refused, text),
            Self::OwnerBusy => (WHY_NOT.owner_busy, WHY_NOT.owner_busy_text),
            Self::Unavailable => (WHY_NOT.unavailable, WHY_NOT.unavailable_text),
        }
    }
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage<'a> {
    frame: Frame,
    text: &'a str,
    /// The page to come back to, if signing in again helps.
    again: Option<String>,
    /// Whether nobody is signed in.
    is_out: bool,
    /// Where whoever was handed over came from.
    from: Option<&'a ReturnAddress>,
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotSignedIn(_) => StatusCode::SEE_OTHER,
            Self::SessionOver
            | Self::NotFresh(_)
            | Self::NotFreshForForm(_)
            | Self::ComeAgain(_)
            | Self::HandedOverEnded(_)
            | Self::SignIn
            | Self::Forbidden
            | Self::OtherSite => StatusCode::FORBIDDEN,
            Self::LinkOver => StatusCode::GONE,
            Self::NotFound | Self::NoSuchKey(_) => StatusCode::NOT_FOUND,
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Self::KeyInAddress => StatusCode::BAD_REQUEST,
            Self::NoForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unread(status) => *status,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::OwnerBusy => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::NotSignedIn(back) = self {
            let address = format!("/console/sign-in?to={}", in_query(back));
            return HttpResponse::SeeOther().insert_header((LOCATION, address)).finish();
        }
        let (title, text) = self.texts();
        let again = match self {
            Self::NotFresh(page) | Self::NotFreshForForm(page) => Some(in_query(page)),
            _ => None,
        };
        let is_out = matches!(self, Self::SignIn | Self::SessionOver | Self::HandedOverEnded(None));
        let from = match self {
            Self::ComeAgain(from) | Self::HandedOverEnded(from) => from.as_ref(),
            _ => None,
        };
        let page = FaultPage { frame: Frame::bare(title), text, again, is_out, from };
        let mut response = render(self.status_code(), &page);
        if matches!(self, Self::OwnerBusy | Self::Unavailable) {
            response.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("1"));
        }
        response
    }
}

/// Any other path.
pub(super) async fn not_found() -> Answer {
    Err(Fault::NotFound)
}
