//! Who asks for a page, and whether one of our own pages does.
//!
//! - `cookies`: what the browser keeps
//! - `visitor`: whoever is signed in
//! - `origin`: which site a request comes from
//! - `headers`: what every answer tells the browser
//! - `form`: what a form has sent; `fields`: what the fields of a page have; `labels`: what these are called
//! - `notice`: what a page says of the change before it; `sealed`: texts that come back from a browser
//! - `paging`: pages of lists

pub(super) mod cookies;
pub(super) mod fields;
pub(super) mod form;
pub(super) mod headers;
pub(super) mod labels;
pub(super) mod notice;
mod origin;
pub(super) mod paging;
pub(super) mod sealed;
pub(super) mod visitor;

/// A text as the value of a parameter.
pub(super) fn in_query(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
