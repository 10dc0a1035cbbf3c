//! The check in front of actix-web handlers: Keyward's own, and those of applications that use the library.
//!
//! - `gate`: decides on a request and logs refusals
//! - `owner_claims`: what a token says about its owner beyond the request
//! - `handle` ([`Keyward`]): the gate as applications hold it
//! - `middleware` ([`Protect`]): the check in front of handlers; `rules`: its requirements
//! - `extract`: the caller of a request as a handler's argument
//! - `refused` ([`Refused`]): the response to a refused request; `challenge`: the credential to ask for
//! - `limit_headers`: what is left of limits, in responses
//! - `host`: the format of responses and log lines, which differs between Keyward and other applications
//! - `credentials`, `client_address`, [`forwarded`]: parsing of requests

#![cfg_attr(not(feature = "server"), allow(dead_code, unused_imports, reason = "Keyward's own routes use it"))]

mod challenge;
mod client_address;
pub(crate) mod credentials;
mod extract;
pub mod forwarded;
mod gate;
mod handle;
mod host_app;
mod limit_headers;
mod middleware;
mod owner_claims;
mod refused;
mod rules;

pub(crate) use self::{
    challenge::CredentialKind,
    client_address::BySocket,
    gate::{Gate, without_scope},
    handle::ReplicaHandle,
    host_app::{EmbeddedHost, HostApp},
    limit_headers::{LIMIT_HEADERS, LimitReport},
    refused::{Cause, Row, problem_type},
};
pub use self::{
    client_address::TrustedProxies, extract::Authorized, handle::Keyward, middleware::Protect, refused::Refused,
    rules::Credentials,
};
pub(crate) use crate::telemetry::bounded_log::BoundedLog;
