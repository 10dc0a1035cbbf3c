//! The check in front of routes that require an API key. It calls the handler itself and passes the key's [`Principal`]
//! as an argument, because inserting it into the request's extensions would cost as much as the check.

use std::future::Future;

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::immediate::ImmediateHandler;
use crate::api::{services::Services, wire::failure::Reason};
use crate::{
    auth::{Checked, Undecided},
    domain::{principal::Principal, verdict::Verdict},
    protect::{
        CredentialKind,
        credentials::{self, Presented},
    },
};

/// A handler that is called only with the [`Principal`] of a valid API key.
pub(crate) type KeyedHandler = fn(&Principal) -> HttpResponse;

/// The check with its handler.
#[derive(Clone)]
pub(crate) struct WithKey {
    /// Stored here, because the lookup in the application's data would take a tenth of the check.
    pub(crate) services: Data<Services>,
    pub(crate) handler: KeyedHandler,
}

impl ImmediateHandler for WithKey {
    fn answer<'a>(&'a self, request: &'a HttpRequest) -> Checked<HttpResponse, impl Future<Output = HttpResponse>> {
        let presented = credentials::api_key(request.headers()).map(Presented::Key);
        match self.services.gate.check(presented, request) {
            Checked::Now(verdict) => Checked::Now(self.respond(verdict, request)),
            Checked::Later(waiting) => Checked::Later(async move { self.respond(waiting.await, request) }),
        }
    }
}

impl WithKey {
    fn respond(&self, verdict: Result<Verdict, Undecided>, request: &HttpRequest) -> HttpResponse {
        match self.services.gate.decide(CredentialKind::ApiKey, verdict, request) {
            Ok(principal) => {
                let mut response = (self.handler)(&principal);
                if let Some(limits) = principal.limits() {
                    self.services.gate.tell_limits(limits, response.headers_mut());
                }
                response
            }
            Err(refused) => HttpResponse::from_error(Reason::from(refused)),
        }
    }
}
