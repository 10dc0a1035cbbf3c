//! What stands before routes that want an API key, and calls their handlers itself: the key's [`Principal`] goes to the
//! handler as an argument, and needs no place in the request's extensions, which costs as much as a check does.

use std::future::Future;

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::immediate::Answer;
use crate::api::{OwnRoutes, services::Services};
use crate::{
    auth::{Checked, Undecided},
    domain::{principal::Principal, verdict::Verdict},
    protect::{
        CredentialKind, Host,
        credentials::{self, Presented},
    },
};

/// Answers whoever has shown a good API key. It is called with the key's [`Principal`] or not at all.
pub(crate) type KeyedHandler = fn(&Principal) -> HttpResponse;

/// The check before its handler.
#[derive(Clone)]
pub(crate) struct WithKey {
    /// At hand: to look for them in the application's data takes a tenth of the check.
    pub(crate) services: Data<Services>,
    pub(crate) handler: KeyedHandler,
}

impl Answer for WithKey {
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
        match self.services.gate.judge(CredentialKind::ApiKey, verdict, request) {
            Ok(principal) => (self.handler)(&principal),
            Err(refused) => OwnRoutes.answer(request, refused),
        }
    }
}
