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
use crate::domain::{session::HandedOver, text::is_blank, timestamp};

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
    /// What is wrong with the form that was sent.
    pub(super) mistakes: Vec<Mistake>,
}

/// What is wrong with a field of a form.
pub(super) struct Mistake {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) text: String,
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
        Self { t: &EN, title: title.into(), css, js, icon, visitor: None, here: "", notice: None, mistakes: Vec::new() }
    }

    /// The same with this notice, if there is one.
    pub(super) fn telling(self, notice: Option<String>) -> Self {
        Self { notice: notice.or(self.notice), ..self }
    }

    /// The same with what is wrong with the form that was sent.
    pub(super) fn of_mistakes(self, mistakes: Vec<Mistake>) -> Self {
        Self { mistakes, ..self }
    }

    /// What forms of this page carry.
    pub(super) fn form_token(&self) -> &str {
        self.visitor.as_ref().map_or("", |visitor| &visitor.form_token)
    }
}

/// A text of somebody's in which nothing hides: what shows nothing, or turns the text around it, stands there by its
/// number, and so do blanks at both ends.
pub(super) fn marked(text: &str) -> String {
    let ends = text.len() - text.trim_start().len()..text.trim_end().len();
    let mut marked = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        let is_plain_blank = letter == ' ' && ends.contains(&at);
        if !is_plain_blank && (letter.is_control() || is_blank(letter)) {
            marked.push_str(&format!("[U+{:04X}]", u32::from(letter)));
        } else {
            marked.push(letter);
        }
    }
    marked
}

/// A name as pages show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// All of it.
    pub(super) full: String,
    /// As much of it as has room in a table.
    pub(super) short: String,
}

/// The most characters of a name in a table.
const SHORT: usize = 48;

impl Name {
    /// This name, in which nothing hides.
    pub(super) fn new(text: &str) -> Self {
        let full = marked(text);
        let is_long = full.chars().count() > SHORT;
        let short = if is_long { full.chars().take(SHORT - 1).chain(['…']).collect() } else { full.clone() };
        Self { full, short }
    }

    /// Whether some of it is left out.
    pub(super) fn is_cut(&self) -> bool {
        self.full != self.short
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_in_a_name() {
        for (text, shown) in [
            ("alice", "alice"),
            ("a b", "a b"),
            (" a ", "[U+0020]a[U+0020]"),
            ("  ", "[U+0020][U+0020]"),
            ("a\u{202e}b", "a[U+202E]b"),
            ("\u{200b}", "[U+200B]"),
            ("a\nb", "a[U+000A]b"),
            ("מפתח", "מפתח"),
        ] {
            assert_eq!(marked(text), shown, "{text:?}");
        }
        let long = Name::new(&"é".repeat(100));
        assert_eq!((long.full.chars().count(), long.short.chars().count(), long.is_cut()), (100, 48, true));
    }
}
