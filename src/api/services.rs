//! The state shared by handlers and middleware, and their answer to an outage.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    dev::{ServiceRequest, ServiceResponse},
    web::Data,
};

use crate::{
    auth::{
        Undecided,
        lifecycle::{KeyIssuer, Lifecycle},
        people::Sessions,
    },
    domain::{
        credential_in_text::credential_in_names_of,
        owner::Owner,
        owner_id,
        ports::{StoreError, ledger::KeyLedger, plans::PlanStore, usage::UsageStore},
    },
    protect::{BoundedLog, Gate},
};

use super::{
    handlers::authorize::Authorize,
    readiness::Readiness,
    wire::failure::{Missing, Reason},
};

/// The state shared by handlers and middleware of all workers.
pub struct Services {
    /// Checks credentials.
    pub(crate) gate: Arc<Gate>,
    /// Bounds the log of responses with a status of 500 and above.
    pub(crate) broken_answers: BoundedLog,
    /// Creates keys.
    pub issuer: Arc<KeyIssuer>,
    /// Reads keys, owners and the audit.
    pub ledger: Arc<dyn KeyLedger>,
    /// Reads plans.
    pub plans: Arc<dyn PlanStore>,
    /// Reports usage.
    pub usage: Arc<dyn UsageStore>,
    /// Changes and revokes keys, owners and plans.
    pub lifecycle: Arc<Lifecycle>,
    /// The base URL for clients, if configured.
    pub public_url: Option<String>,
    /// Where `/` leads, relative to it; `None`: nowhere.
    pub home: Option<&'static str>,
    /// Whether whoever sends requests reads the log, too, as with `keyward dev`.
    pub callers_read_log: bool,
    /// The links into the console, if there is one.
    pub console: Option<ConsoleLinks>,
    /// Decides on gateway requests.
    pub authorize: Authorize,
    /// Whether this replica wants requests.
    pub readiness: Arc<Readiness>,
}

/// The links into the console.
pub struct ConsoleLinks {
    /// Makes links.
    pub sessions: Arc<Sessions>,
    /// The address at which browsers reach the console; `None` if it is the one that they ask for, on this machine.
    pub public_url: Option<String>,
}

impl Services {
    /// The owner with this id, for what gives them something under their names, in which no credential may stand.
    /// Whoever is named so already can be looked at, disabled and enabled.
    pub(crate) fn owner_to_change(&self, id: &str) -> Result<Owner, Reason> {
        let keyring = &self.issuer.keyring;
        let owner = owner_id::read(id).filter(|owner| credential_in_names_of(owner, keyring).is_none());
        owner.ok_or(Reason::NotFound(Missing::Owner))
    }
}

pub(super) fn services(request: &HttpRequest) -> &Services {
    request.app_data::<Data<Services>>().expect("`application.rs` registers the services")
}

/// A response to a request. `ServiceRequest::into_response` would lose the reason behind the response.
pub(super) fn answered(request: ServiceRequest, response: HttpResponse) -> ServiceResponse {
    ServiceResponse::new(request.into_parts().0, response)
}

/// The answer to an outage, in which the request could not do `what`, or to an owner whose own requests keep this one
/// waiting. The cause is logged, not sent.
pub(super) fn unavailable(request: &HttpRequest, what: &'static str) -> impl Fn(Undecided) -> Reason {
    move |undecided| {
        let gate = &services(request).gate;
        if undecided.is_of_a_busy_owner() {
            gate.log_busy_owner(request, None, &undecided);
            return Reason::OwnerBusy;
        }
        gate.log_outage(request, &mut |suppressed| {
            let client = gate.proxies.client_address(request).map(tracing::field::display);
            tracing::error!(error = %undecided, client, suppressed, "could not {what}; answering 503");
        });
        Reason::Unavailable
    }
}

/// The same for a failed read.
pub(super) fn read_failed(request: &HttpRequest) -> impl Fn(StoreError) -> Reason {
    move |error| unavailable(request, "read what was asked for")(Undecided::Store(error))
}
