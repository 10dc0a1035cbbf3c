//! The check in front of actix-web handlers: of Keyward's own, and of any application that uses the library.
//!
//! - `gate`: what decides on a request, and tells the log of it
//! - `handle` ([`Keyward`]): a gate as an application holds it
//! - `middleware` ([`Protect`]): the check in front of handlers; `rules`: what it asks for
//! - `extract`: who a request is from, as handlers take it
//! - `refused` ([`Refused`]): the answer to who isn't let through; `challenge`: which credential it asks for
//! - `host`: how that answer and the log look, which differs between Keyward and other applications
//! - `credentials`, `client_address`, [`forwarded`], `bounded_log`: what these work with

#![cfg_attr(not(feature = "server"), allow(dead_code, unused_imports, reason = "Keyward's own routes use it"))]

mod challenge;
mod client_address;
pub(crate) mod credentials;
mod extract;
pub mod forwarded;
mod gate;
mod handle;
mod host;
mod middleware;
mod refused;
mod rules;

pub(crate) use self::{
    challenge::CredentialKind,
    client_address::BySocket,
    gate::{Gate, with_scope},
    handle::Membership,
    host::{Elsewhere, Host},
    refused::{Cause, Row},
};
pub use self::{
    client_address::TrustedProxies, extract::Authorized, handle::Keyward, middleware::Protect, refused::Refused,
    rules::Credentials,
};
pub(crate) use crate::telemetry::bounded_log::BoundedLog;
