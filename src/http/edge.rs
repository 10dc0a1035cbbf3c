//! What every request passes first: its answer gets the request id.
//!
//! A service of its own instead of `from_fn`, which costs each request a box for the rest of its way.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll, ready as when_ready},
};

use actix_web::{
    Error,
    body::BoxBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};

use super::root_span;
use crate::server::REQUEST_ID;

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
        ready(Ok(EdgeService { behind: service }))
    }
}

/// The middleware before what is behind it.
pub(super) struct EdgeService<S> {
    behind: S,
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

    fn call(&self, request: ServiceRequest) -> Self::Future {
        Answer(self.behind.call(request))
    }
}

/// The answer to come, which then gets the request id.
pub(super) struct Answer<F>(F);

impl<F> Future for Answer<F>
where
    F: Future<Output = Result<ServiceResponse<BoxBody>, Error>> + Unpin,
{
    type Output = Result<ServiceResponse<BoxBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = when_ready!(Pin::new(&mut self.0).poll(context))?;
        let id = root_span::request_id(response.request());
        response.headers_mut().insert(REQUEST_ID, id);
        Poll::Ready(Ok(response))
    }
}
