//! What all pages have in common: the frame, times, and what is shown instead of a page.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ContentType, LOCATION, RETRY_AFTER},
    },
};
use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use time::{OffsetDateTime, UtcOffset, macros::format_description};

use super::{
    access::visitor::{Area, Visitor},
    assets,
    services::Console,
    texts::{EN, Texts},
};
use crate::domain::timestamp;

/// The result of a handler.
pub(super) type Answer = Result<HttpResponse, Fault>;

/// The frame around a page.
pub(super) struct Frame {
    pub(super) t: &'static Texts,
    pub(super) title: String,
    pub(super) css: &'static str,
    pub(super) js: &'static str,
    pub(super) icon: &'static str,
    /// Whoever is signed in.
    pub(super) visitor: Option<Shown>,
    /// The page that is marked in the navigation.
    pub(super) here: &'static str,
    /// What a change before this page has done.
    pub(super) notice: Option<String>,
}

/// Whoever is signed in, as the frame shows them.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) is_administrator: bool,
    pub(super) form_token: String,
}

impl Frame {
    /// The frame of a page for whoever is signed in.
    pub(super) fn of(visitor: &Visitor, here: &'static str, title: impl Into<String>) -> Self {
        let person = &visitor.session.person;
        let shown = Shown {
            name: person.name.clone().unwrap_or_else(|| person.subject.to_string()),
            is_administrator: visitor.is_administrator(),
            form_token: visitor.form_token.clone(),
        };
        Self { visitor: Some(shown), here, ..Self::bare(title) }
    }

    /// The frame of a page for anybody.
    pub(super) fn bare(title: impl Into<String>) -> Self {
        let (css, js, icon) = (assets::css(), assets::js(), assets::icon());
        Self { t: &EN, title: title.into(), css, js, icon, visitor: None, here: "", notice: None }
    }

    /// The same with a notice.
    pub(super) fn telling(self, notice: Option<String>) -> Self {
        Self { notice, ..self }
    }

    /// What forms of this page carry.
    pub(super) fn form_token(&self) -> &str {
        self.visitor.as_ref().map_or("", |visitor| &visitor.form_token)
    }
}

/// The page of the navigation that an area belongs to.
pub(super) fn here(area: Area) -> &'static str {
    match area {
        Area::Own => "keys",
        Area::All => "all-keys",
    }
}

/// A page as an answer.
pub(super) fn render(status: StatusCode, page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(html) => HttpResponse::build(status).content_type(ContentType::html()).body(html),
        Err(error) => {
            tracing::error!(%error, "could not render a page");
            HttpResponse::InternalServerError().finish()
        }
    }
}

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
    /// They have signed in too long ago for what they want to do.
    #[error("not signed in recently")]
    NotFresh,
    /// Signing in has not succeeded.
    #[error("could not sign in")]
    SignIn,
    /// It is only for administrators.
    #[error("for administrators only")]
    Forbidden,
    /// There is no such page, or not for them.
    #[error("not found")]
    NotFound,
    /// Another site has sent it, or the page was made for an earlier session.
    #[error("sent by another site")]
    OtherSite,
    /// It was asked for under a name that is not this machine's.
    #[error("asked for under another name")]
    OtherHost,
    /// The body is no form.
    #[error("not a form")]
    NoForm,
    /// What was asked for can't be done; the text says why.
    #[error("{0}")]
    Refused(String),
    /// It could not be decided.
    #[error("unavailable")]
    Unavailable,
}

impl Fault {
    /// Nobody is signed in.
    pub(super) fn not_signed_in(request: &HttpRequest) -> Self {
        let here = request.uri().path_and_query().map_or("", |here| here.as_str());
        Self::NotSignedIn(if request.method() == actix_web::http::Method::GET {
            here.to_owned()
        } else {
            String::new()
        })
    }

    /// The database or the provider could not answer. The cause is logged, not shown.
    pub(super) fn outage(request: &HttpRequest, error: &dyn std::fmt::Display) -> Self {
        let console = request.app_data::<actix_web::web::Data<Console>>().expect("`configure` registers the console");
        let gate = &console.gate;
        gate.log_outage(request, &mut |suppressed| {
            let client = gate.proxies.client_address(request).map(tracing::field::display);
            tracing::error!(%error, client, suppressed, "could not show a page of the console; answering 503");
        });
        Self::Unavailable
    }

    fn texts(&self) -> (&'static str, &str) {
        match self {
            Self::NotSignedIn(_) => (EN.sign_in, ""),
            Self::NotFresh => (EN.not_fresh, EN.not_fresh_text),
            Self::SignIn => (EN.not_signed_in, EN.not_signed_in_text),
            Self::Forbidden => (EN.forbidden, EN.forbidden_text),
            Self::NotFound => (EN.not_found, EN.not_found_text),
            Self::OtherSite => (EN.other_site, EN.other_site_text),
            Self::OtherHost => (EN.other_host, EN.other_host_text),
            Self::NoForm => (EN.no_form, ""),
            Self::Refused(text) => (EN.refused, text),
            Self::Unavailable => (EN.unavailable, EN.unavailable_text),
        }
    }
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage<'a> {
    frame: Frame,
    text: &'a str,
    again: bool,
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotSignedIn(_) => StatusCode::SEE_OTHER,
            Self::NotFresh | Self::SignIn | Self::Forbidden | Self::OtherSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NoForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::NotSignedIn(back) = self {
            let back = utf8_percent_encode(back, NON_ALPHANUMERIC);
            let address = format!("/console/sign-in?to={back}");
            return HttpResponse::SeeOther().insert_header((LOCATION, address)).finish();
        }
        let (title, text) = self.texts();
        let again = matches!(self, Self::NotFresh | Self::SignIn);
        let page = FaultPage { frame: Frame::bare(title), text, again };
        let mut response = render(self.status_code(), &page);
        if matches!(self, Self::Unavailable) {
            response.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("1"));
        }
        response
    }
}

/// Any other path.
pub(super) async fn not_found() -> Answer {
    Err(Fault::NotFound)
}

/// A time as pages show it: for people without script in UTC, for script to put into the visitor's zone.
pub(super) struct When {
    pub(super) iso: String,
    pub(super) text: String,
}

impl From<OffsetDateTime> for When {
    fn from(instant: OffsetDateTime) -> Self {
        let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
        let text = instant.to_offset(UtcOffset::UTC).format(&format).unwrap_or_default();
        Self { iso: timestamp::write(instant), text }
    }
}
