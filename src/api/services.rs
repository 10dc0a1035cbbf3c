//! What the handlers and the middleware work with, and how they say that it could not be done.

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

use super::{
    handlers::authorize::Authorize,
    readiness::Readiness,
    wire::failure::{Failure, Reason},
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

pub(super) fn services(request: &HttpRequest) -> &Services {
    request.app_data::<Data<Services>>().expect("server.rs gives every application its services")
}

/// A request with its answer. `ServiceRequest::into_response` would forget of which failure the answer was made.
pub(super) fn answered(request: ServiceRequest, response: HttpResponse) -> ServiceResponse {
    ServiceResponse::new(request.into_parts().0, response)
}

/// The answer when something could not be done; the cause goes to the log.
pub(super) fn unavailable(request: &HttpRequest, undecided: &Undecided, what: &str) -> Failure {
    let gate = &services(request).gate;
    gate.log_outage(request, &mut |untold| {
        let client = gate.proxies.client_address(request).map(tracing::field::display);
        tracing::error!(error = %undecided, client, untold, "could not {what}; answering 503");
    });
    Failure::new(request.path(), Reason::Unavailable)
}

/// The same for what could not be read.
pub(super) fn read_failed(request: &HttpRequest, error: &StoreError) -> Failure {
    unavailable(request, &Undecided::Store(error.clone()), "read what was asked for")
}
