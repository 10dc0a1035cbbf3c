//! The middleware before routes that want an API key.
//!
//! A service of its own instead of `from_fn`: a key that memory knows, as most do, is checked on the spot, and
//! the request goes on without a box and a future for what a first check would have to wait for.

use std::{
    future::{Ready, ready},
    rc::Rc,
};

use actix_web::{
    Error, HttpResponse,
    body::BoxBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use futures_util::future::{Either, LocalBoxFuture};
use time::OffsetDateTime;

use super::{
    authenticate::{admit, key_verdict},
    credentials,
    failure::CredentialKind,
    services,
};
use crate::domain::verdict::Verdict;

/// Lets a request through that carries a good API key.
pub(super) struct KeyCheck;

impl<S> Transform<S, ServiceRequest> for KeyCheck
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = KeyCheckService<S>;
    type Future = Ready<Result<KeyCheckService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(KeyCheckService { behind: Rc::new(service) }))
    }
}

/// The middleware before what it protects.
pub(super) struct KeyCheckService<S> {
    behind: Rc<S>,
}

impl<S> Service<ServiceRequest> for KeyCheckService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Either<S::Future, LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>>>;

    forward_ready!(behind);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let verdict = match credentials::api_key(request.headers()) {
            Ok(key) => {
                let services = services(request.request());
                let address = services.proxies.client_address(request.head());
                services.keys.check_from_memory(key, OffsetDateTime::now_utc(), address)
            }
            Err(denial) => Some(Verdict::Denied(denial)),
        };
        let Some(verdict) = verdict else {
            return Either::Right(Box::pin(first_check(request, Rc::clone(&self.behind))));
        };
        match admit(CredentialKind::ApiKey, Ok(verdict), &request) {
            Ok(()) => Either::Left(self.behind.call(request)),
            Err(failure) => {
                let refusal = request.into_response(HttpResponse::from_error(failure));
                Either::Right(Box::pin(ready(Ok(refusal))))
            }
        }
    }
}

/// What memory could not answer.
async fn first_check<S>(request: ServiceRequest, behind: Rc<S>) -> Result<ServiceResponse<BoxBody>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let verdict = key_verdict(&request).await;
    match admit(CredentialKind::ApiKey, verdict, &request) {
        Ok(()) => behind.call(request).await,
        Err(failure) => Ok(request.into_response(HttpResponse::from_error(failure))),
    }
}
