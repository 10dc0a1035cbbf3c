//! What every request passes first: the limits, and the request id on its answer.
//!
//! A service of its own instead of `from_fn`, which costs each request a box for the rest of its way and a
//! future large enough for all that could happen to it.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready as when_ready},
};

use actix_web::{
    Error,
    body::BoxBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use futures_util::future::{Either, LocalBoxFuture};

use super::{limits, root_span};

/// The middleware.
pub(super) struct Edge;

impl<S> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: Unpin,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = EdgeService<S>;
    type Future = Ready<Result<EdgeService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService { behind: Rc::new(service) }))
    }
}

/// The middleware before what it protects.
pub(super) struct EdgeService<S> {
    behind: Rc<S>,
}

impl<S> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: Unpin,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Answer<S::Future>;

    forward_ready!(behind);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        // Most requests have no body to wait for, and go on at once.
        Answer(if limits::has_no_body(&mut request) {
            Either::Left(self.behind.call(request))
        } else {
            Either::Right(Box::pin(limits::enforce(request, Rc::clone(&self.behind))))
        })
    }
}

/// The answer to come, which then gets the request id.
pub(super) struct Answer<F>(Either<F, LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>>>);

impl<F> Future for Answer<F>
where
    F: Future<Output = Result<ServiceResponse<BoxBody>, Error>> + Unpin,
{
    type Output = Result<ServiceResponse<BoxBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = when_ready!(Pin::new(&mut self.0).poll(context))?;
        let id = root_span::request_id(response.request());
        response.headers_mut().insert(root_span::REQUEST_ID, id);
        Poll::Ready(Ok(response))
    }
}
