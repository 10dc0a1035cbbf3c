//! What all pages have in common: the frame around them, and times.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header::ContentType},
};
use askama::Template;
use time::{OffsetDateTime, UtcOffset, macros::format_description};

use super::{
    assets,
    texts::{EN, Texts},
};
use crate::domain::{session::HandedOver, timestamp};

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
    /// How a product handed them over.
    pub(super) handed_over: Option<HandedOver>,
    pub(super) form_token: String,
}

impl Frame {
    /// The frame of a page for whoever is signed in.
    pub(super) fn of(visitor: Shown, here: &'static str, title: impl Into<String>) -> Self {
        Self { visitor: Some(visitor), here, ..Self::bare(title) }
    }

    /// The frame of a page for anybody.
    pub(super) fn bare(title: impl Into<String>) -> Self {
        let (css, js, icon) = (assets::css(), assets::js(), assets::icon());
        Self { t: &EN, title: title.into(), css, js, icon, visitor: None, here: "", notice: None }
    }

    /// The same with this notice, if there is one.
    pub(super) fn telling(self, notice: Option<String>) -> Self {
        Self { notice: notice.or(self.notice), ..self }
    }

    /// What forms of this page carry.
    pub(super) fn form_token(&self) -> &str {
        self.visitor.as_ref().map_or("", |visitor| &visitor.form_token)
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
