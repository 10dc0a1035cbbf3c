//! The outermost middleware. It answers for handlers that fail with a [`Reason`], adds the request id to every answer,
//! applies CORS, counts, and logs if every answer is to have a line.
//!
//! A `Service` instead of `from_fn`, which would box the future of every request.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready as when_ready},
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpRequest,
    body::BoxBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{StatusCode, header::HeaderMap},
};
use futures_util::future::Either;

use super::{
    cors::Cors,
    explanation::{METRICS_TOKEN, READ_THE_LOG, explanation},
    root_span,
};
use crate::api::{
    paths::METRICS,
    request_metrics::RequestCounts,
    services::{answered, services},
    wire::failure::{Failure, Reason},
};
use crate::{domain::denial::PublicDenial, protect::LIMIT_HEADERS, server::REQUEST_ID};

/// The middleware.
pub(crate) struct Edge {
    pub(crate) cors: Option<Arc<Cors>>,
    /// Counts the answers; `None` if nobody reads that.
    pub(crate) requests: Option<Arc<RequestCounts>>,
    /// Whether each answer has a line in the log.
    pub(crate) log_requests: bool,
}

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
        ready(Ok(EdgeService {
            behind: service,
            cors: self.cors.clone(),
            observer: (self.requests.is_some() || self.log_requests)
                .then(|| Rc::new(Observer { counts: self.requests.clone(), logs: self.log_requests })),
        }))
    }
}

/// Counts and logs the answers of a worker. Each request holds a reference, and a number of references that workers
/// share would make them wait for each other.
struct Observer {
    counts: Option<Arc<RequestCounts>>,
    logs: bool,
}

impl Observer {
    fn answered(&self, request: &HttpRequest, status: StatusCode, took: Duration) {
        if let Some(counts) = &self.counts {
            counts.answered(request, status, took);
        }
        if self.logs {
            root_span::in_request(request, || {
                let client = services(request).gate.proxies.client_address(request).map(tracing::field::display);
                let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                tracing::info!(status = status.as_u16(), took_us, client, "answered a request");
            });
        }
    }
}

/// The middleware with the service behind it.
pub(crate) struct EdgeService<S> {
    behind: S,
    cors: Option<Arc<Cors>>,
    observer: Option<Rc<Observer>>,
}

impl<S> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: Unpin,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = EdgeResponse<S::Future>;

    forward_ready!(behind);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let observed = self.observer.clone().map(|observer| (observer, Instant::now()));
        let preflight = self.cors.as_ref().and_then(|cors| cors.preflight(request.request()));
        let answer = match preflight {
            Some(answer) => Either::Left(ready(Ok(answered(request, answer)))),
            None => Either::Right(self.behind.call(request)),
        };
        EdgeResponse { answer, cors: self.cors.clone(), observed }
    }
}

type Outcome = Result<ServiceResponse<BoxBody>, Error>;

/// The pending answer, which then gets the headers of every answer.
pub(crate) struct EdgeResponse<F> {
    answer: Either<Ready<Outcome>, F>,
    cors: Option<Arc<Cors>>,
    /// Who observes the answer, and when the request began.
    observed: Option<(Rc<Observer>, Instant)>,
}

impl<F: Future<Output = Outcome> + Unpin> Future for EdgeResponse<F> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = when_ready!(Pin::new(&mut self.answer).poll(context))?;
        let id = root_span::request_id(response.request());
        if let Some(failure) = failure(&response) {
            let mut answer = failure.answer(id.to_str().ok());
            keep_limits(response.headers(), answer.headers_mut());
            response = response.into_response(answer);
        }
        if let Some(cors) = &self.cors {
            permit(cors, &mut response);
        }
        response.headers_mut().insert(REQUEST_ID, id);
        if let Some((observer, begun)) = &self.observed {
            observer.answered(response.request(), response.status(), begun.elapsed());
        }
        Poll::Ready(Ok(response))
    }
}

/// A request that has failed was charged nevertheless.
fn keep_limits(from: &HeaderMap, to: &mut HeaderMap) {
    for name in LIMIT_HEADERS {
        if let Some(value) = from.get(&name) {
            to.insert(name, value.clone());
        }
    }
}

fn permit(cors: &Cors, response: &mut ServiceResponse<BoxBody>) {
    let request = response.request().clone();
    cors.permit(request.path(), request.headers(), response.headers_mut());
}

fn failure(response: &ServiceResponse<BoxBody>) -> Option<Failure> {
    let reason = response.response().error()?.as_error::<Reason>()?;
    let request = response.request();
    let explanation = match reason {
        Reason::Denied(_, PublicDenial::MissingCredential | PublicDenial::InvalidCredential)
            if request.path() == METRICS =>
        {
            Some(METRICS_TOKEN)
        }
        Reason::Denied(kind, denial) => {
            let reads_log = *denial == PublicDenial::InvalidCredential && services(request).callers_read_log;
            explanation(request.headers(), request.query_string(), *kind, *denial).or(reads_log.then_some(READ_THE_LOG))
        }
        _ => None,
    };
    Some(Failure::new(request.path(), reason.clone()).explained(explanation))
}
