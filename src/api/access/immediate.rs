//! Services whose answer is mostly ready at once: the decision on a known credential needs no I/O. An actix handler
//! would allocate a box and a future in any case.

use std::future::{Future, Ready, ready};

use actix_web::{
    Error, HttpRequest, HttpResponse,
    dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse, always_ready},
};
use futures_util::future::{Either, LocalBoxFuture};

use crate::{api::services::answered, auth::Checked};

/// Answers requests.
pub(crate) trait ImmediateHandler: Clone + 'static {
    /// The answer, without waiting if memory suffices.
    fn answer<'a>(&'a self, request: &'a HttpRequest) -> Checked<HttpResponse, impl Future<Output = HttpResponse>>;
}

/// An [`ImmediateHandler`] as a service.
#[derive(Clone)]
pub(crate) struct Immediate<A>(pub(crate) A);

impl<A: ImmediateHandler> ServiceFactory<ServiceRequest> for Immediate<A> {
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

impl<A: ImmediateHandler> Service<ServiceRequest> for Immediate<A> {
    type Response = ServiceResponse;
    type Error = Error;
    type Future =
        Either<Ready<Result<ServiceResponse, Error>>, LocalBoxFuture<'static, Result<ServiceResponse, Error>>>;

    always_ready!();

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if let Some(response) = self.0.answer(request.request()).now() {
            return Either::Left(ready(Ok(answered(request, response))));
        }
        let answer = self.0.clone();
        Either::Right(Box::pin(async move {
            let response = answer.answer(request.request()).await;
            Ok(answered(request, response))
        }))
    }
}
