//! Keyward's own routes over HTTP. The check before them is in [`protect`](crate::protect).

mod actor;
#[cfg(test)]
mod asked;
mod audit;
mod authenticate;
mod authorize;
mod catalog;
mod cors;
pub mod cursor;
mod edge;
mod editor;
pub mod endpoint;
pub mod entity_tag;
mod failure;
mod fields;
mod form;
mod guide;
mod health;
mod host;
mod idempotency;
mod instants;
mod key_check;
mod keys;
mod oauth;
mod on_the_spot;
mod openapi;
pub mod owner_id;
mod owners;
mod parameters;
mod paths;
mod problem;
mod problem_page;
mod root_span;
pub mod routes;
pub mod server;
mod strict;
mod tokens;
mod verify;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    dev::{ServiceRequest, ServiceResponse},
    web::Data,
};

use crate::{
    auth::{
        Undecided,
        lifecycle::{Issuer, Lifecycle},
    },
    domain::ports::StoreError,
    protect::{BoundedLog, Gate},
};

pub(crate) use self::authenticate::OwnRoutes;
pub use self::authorize::Authorize;
use self::failure::{Failure, Reason};
pub use self::{
    actor::read as read_actor,
    audit::{Event, csv_header, csv_lines, ndjson},
    health::Readiness,
    keys::representation::{CreatedKey, Key, RotatedKey},
    owners::OwnerDetails,
    tokens::EndedTokens,
    verify::{Question, Verification},
};

/// What the handlers and the middleware work with. Shared by all workers.
pub struct Services {
    /// Decides on credentials.
    pub(crate) gate: Arc<Gate>,
    /// Which answers of 500 and above are logged.
    pub(crate) broken_answers: BoundedLog,
    /// Makes keys.
    pub issuer: Arc<Issuer>,
    /// Changes and ends them.
    pub lifecycle: Arc<Lifecycle>,
    /// Under which address clients know us, where that is configured.
    pub public_url: Option<String>,
    /// Whether `/` leads to the page about the API.
    pub docs_at_root: bool,
    /// How requests of gateways' clients are decided on.
    pub authorize: Authorize,
    /// Whether this replica wants requests.
    pub readiness: Arc<Readiness>,
}

fn services(request: &HttpRequest) -> &Services {
    request.app_data::<Data<Services>>().expect("server.rs gives every application its services")
}

/// A request with its answer. `ServiceRequest::into_response` would forget of which failure the answer was made.
fn answered(request: ServiceRequest, response: HttpResponse) -> ServiceResponse {
    ServiceResponse::new(request.into_parts().0, response)
}

/// The answer when something could not be done; the cause goes to the log.
fn undone(request: &HttpRequest, undecided: &Undecided, what: &str) -> Failure {
    services(request).gate.log_outage(request, &mut |untold| {
        tracing::error!(error = %undecided, untold, "could not {what}; answering 503");
    });
    Failure::new(request.path(), Reason::Unavailable)
}

/// The same for what could not be read.
fn unread(request: &HttpRequest, error: &StoreError) -> Failure {
    undone(request, &Undecided::Store(error.clone()), "read what was asked for")
}
