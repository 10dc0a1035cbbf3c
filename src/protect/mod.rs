//! The check in front of actix-web handlers: Keyward's own, and those of applications that use the library.
//!
//! - `gate`: decides on a request and logs refusals
//! - `owner_claims`: what a token says about its owner beyond the request
//! - `handle` ([`Keyward`]): the gate as applications hold it
//! - `middleware` ([`Protect`]): the check in front of handlers; `rules`: its requirements
//! - `extract`: the caller of a request as a handler's argument
//! - `request`: what a request says of its caller: credentials, address
//! - `response`: what is told of a check: refusals, challenges, what is left of limits
//! - `host_app`: the format of responses and log lines, which differs between Keyward and other applications

#![cfg_attr(not(feature = "server"), allow(dead_code, unused_imports, reason = "Keyward's own routes use it"))]

mod extract;
mod gate;
mod handle;
mod host_app;
mod middleware;
mod owner_claims;
mod request;
mod response;
mod rules;

pub use self::{
    extract::Authorized,
    handle::Keyward,
    middleware::Protect,
    request::{client_address::TrustedProxies, forwarded},
    response::refused::Refused,
    rules::Credentials,
};
pub(crate) use self::{
    gate::{Gate, without_scope},
    handle::ReplicaHandle,
    host_app::{EmbeddedHost, HostApp},
    request::{client_address::BySocket, credentials},
    response::{
        challenge::CredentialKind,
        limit_headers::{LIMIT_HEADERS, LimitReport},
        refused::{Cause, Row, problem_type},
    },
};
pub(crate) use crate::telemetry::bounded_log::BoundedLog;
