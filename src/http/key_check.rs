//! What stands before routes that want an API key, and calls their handlers itself.
//!
//! A service of its own instead of `from_fn` before an actix handler: a key that memory knows, as most do, is
//! checked on the spot, and its [`Principal`] goes to the handler as an argument. It needs no place in the request's
//! extensions and no box for what a first check would have to wait for, each of which costs as much as a check does.

use std::future::{Ready, ready};

use actix_web::{
    Error, HttpResponse,
    dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse, always_ready},
    web::Data,
};
use futures_util::future::{Either, LocalBoxFuture};

use super::{OwnRoutes, Services};
use crate::{
    auth::Undecided,
    domain::{principal::Principal, verdict::Verdict},
    protect::{CredentialKind, Host, credentials},
};

/// Answers whoever has shown a good API key. It is called with the key's [`Principal`] or not at all.
pub(super) type KeyedHandler = fn(&Principal) -> HttpResponse;

/// The check before its handler.
#[derive(Clone)]
pub(super) struct WithKey {
    /// At hand: to look for them in the application's data takes a tenth of the check.
    services: Data<Services>,
    handler: KeyedHandler,
}

impl ServiceFactory<ServiceRequest> for WithKey {
    type Response = ServiceResponse;
    type Error = Error;
    type Config = ();
    type Service = Self;
    type InitError = ();
    type Future = Ready<Result<Self, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        ready(Ok(self.clone()))
    }
}

impl Service<ServiceRequest> for WithKey {
    type Response = ServiceResponse;
    type Error = Error;
    type Future =
        Either<Ready<Result<ServiceResponse, Error>>, LocalBoxFuture<'static, Result<ServiceResponse, Error>>>;

    always_ready!();

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let verdict = match credentials::api_key(request.headers()) {
            Ok(key) => self.services.gate.recall_key(key, request.head()),
            Err(denial) => Some(Verdict::Denied(denial)),
        };
        match verdict {
            Some(verdict) => Either::Left(ready(Ok(self.answer(Ok(verdict), request)))),
            None => Either::Right(Box::pin(self.clone().first_check(request))),
        }
    }
}

impl WithKey {
    pub(super) fn new(services: &Data<Services>, handler: KeyedHandler) -> Self {
        Self { services: services.clone(), handler }
    }

    /// What memory could not answer.
    async fn first_check(self, request: ServiceRequest) -> Result<ServiceResponse, Error> {
        let verdict = match credentials::api_key(request.headers()) {
            Ok(key) => self.services.gate.check_key(key, request.head()).await,
            Err(denial) => Ok(Verdict::Denied(denial)),
        };
        Ok(self.answer(verdict, request))
    }

    fn answer(&self, verdict: Result<Verdict, Undecided>, request: ServiceRequest) -> ServiceResponse {
        let response = match self.services.gate.judge(CredentialKind::ApiKey, verdict, request.request()) {
            Ok(principal) => (self.handler)(&principal),
            Err(refused) => OwnRoutes.answer(request.request(), refused),
        };
        request.into_response(response)
    }
}
