//! Who asks for a page, and whether one of our own pages does.
//!
//! - `cookies`: what the browser keeps
//! - `visitor`: whoever is signed in
//! - `origin`: which site a request comes from
//! - `headers`: what every answer tells the browser
//! - `form`: what a form has sent

pub(super) mod cookies;
pub(super) mod form;
pub(super) mod headers;
mod origin;
pub(super) mod visitor;
