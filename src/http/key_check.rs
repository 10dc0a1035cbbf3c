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
use time::OffsetDateTime;

use super::{
    Services,
    authenticate::{decide, key_verdict},
    credentials,
    failure::CredentialKind,
};
use crate::{
    auth::Undecided,
    domain::{principal::Principal, verdict::Verdict},
};

/// Answers whoever has shown a good API key. It is called with the key's [`Principal`] or not at all.
pub(super) type KeyedHandler = fn(&Principal) -> HttpResponse;

/// The check before its handler.
#[derive(Clone)]
pub(super) struct WithKey {
    /// At hand: to look for them in the request's data takes a tenth of the check.
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
        match self.verdict_from_memory(&request) {
            Some(verdict) => Either::Left(ready(Ok(answer(self.handler, Ok(verdict), request)))),
            None => Either::Right(Box::pin(first_check(self.handler, request))),
        }
    }
}

impl WithKey {
    pub(super) fn new(services: &Data<Services>, handler: KeyedHandler) -> Self {
        Self { services: services.clone(), handler }
    }

    fn verdict_from_memory(&self, request: &ServiceRequest) -> Option<Verdict> {
        match credentials::api_key(request.headers()) {
            Ok(key) => {
                let address = self.services.proxies.client_address(request.head());
                self.services.keys.check_from_memory(key, OffsetDateTime::now_utc(), address)
            }
            Err(denial) => Some(Verdict::Denied(denial)),
        }
    }
}

/// What memory could not answer.
async fn first_check(handler: KeyedHandler, request: ServiceRequest) -> Result<ServiceResponse, Error> {
    let verdict = key_verdict(&request).await;
    Ok(answer(handler, verdict, request))
}

fn answer(handler: KeyedHandler, verdict: Result<Verdict, Undecided>, request: ServiceRequest) -> ServiceResponse {
    let response = match decide(CredentialKind::ApiKey, verdict, &request) {
        Ok(principal) => handler(&principal),
        Err(failure) => HttpResponse::from_error(failure),
    };
    request.into_response(response)
}
