//! The adapter for HTTP: the only place with actix.

mod authenticate;
mod credentials;
mod edge;
mod failure;
mod guide;
mod health;
mod key_check;
mod keys;
mod limits;
mod refusal_log;
mod root_span;
pub mod routes;
pub mod server;

use std::sync::Arc;

use crate::auth::{api_key::KeyChecker, jwt::TokenVerifier, lifecycle::Lifecycle};

pub use self::{health::Readiness, refusal_log::RefusalLog};

/// What the handlers and the middleware work with. Shared by all workers.
pub struct Services {
    /// Decides on tokens.
    pub tokens: TokenVerifier,
    /// Decides on keys.
    pub keys: KeyChecker,
    /// Issues and ends keys.
    pub lifecycle: Arc<Lifecycle>,
    /// Which refusals are logged.
    pub refusals: RefusalLog,
    /// Whether this replica wants requests.
    pub readiness: Arc<Readiness>,
}
