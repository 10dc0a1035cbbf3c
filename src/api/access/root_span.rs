//! The request id, and one span per request that contains every log line of the request.
//!
//! The span has the route's pattern, never the raw target or a header, because either may contain a credential.

use std::borrow::Cow;

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header::HeaderValue},
};
use tracing::{Level, Span};
use tracing_actix_web::{RequestId, RootSpanBuilder};

use crate::api::{paths, services::services};
use crate::server::{REQUEST_ID, request_id_from, request_id_of};
use crate::telemetry::traces::{self, Incoming};

/// Builds the span of a request for `tracing-actix-web`.
pub(crate) struct RootSpan;

impl RootSpanBuilder for RootSpan {
    /// A span costs more than a check, and most requests log nothing. So the span is opened here only if the request is
    /// traced, or the log has a line for every request; otherwise [`in_request`] opens it.
    fn on_request_start(request: &ServiceRequest) -> Span {
        if let Some(span) = traced_span(request.request()) {
            span
        } else if tracing::enabled!(Level::DEBUG) {
            span(request.request())
        } else {
            Span::none()
        }
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        match outcome {
            Ok(response) => {
                let (request, status) = (response.request(), response.status());
                // At `debug` every request has a line, even if the warning is suppressed. A 503 already has a line with
                // its cause.
                if status.is_server_error()
                    && status != StatusCode::SERVICE_UNAVAILABLE
                    && let Some(suppressed) = services(request).broken_answers.admit()
                {
                    in_request(request, || tracing::warn!(status = status.as_u16(), suppressed, "answered"));
                } else {
                    tracing::debug!(status = status.as_u16(), "answered");
                }
            }
            Err(error) => tracing::warn!(status = error.as_response_error().status_code().as_u16(), "answered"),
        }
        if !span.is_disabled() {
            let status =
                outcome.as_ref().map_or_else(|error| error.as_response_error().status_code(), |done| done.status());
            // The integers of OpenTelemetry are signed; others would become text.
            span.record("status", i64::from(status.as_u16()));
        }
    }
}

/// Logs within the request's span, so that every line names its request.
pub(crate) fn in_request<T>(request: &HttpRequest, log: impl FnOnce() -> T) -> T {
    if Span::current().is_none() { span(request).in_scope(log) } else { log() }
}

/// The span of a request that is not traced. It names the caller's trace, too, if there is one.
fn span(request: &HttpRequest) -> Span {
    let trace_id = incoming(request).and_then(|incoming| incoming.trace_id());
    tracing::info_span!(
        "request",
        method = method_name(request.method()),
        route = route(request).as_deref().unwrap_or("none"),
        request_id = request_id(request).to_str().unwrap_or_default(),
        trace_id = trace_id.map(tracing::field::display),
    )
}

/// The span of a request, if it is traced.
fn traced_span(request: &HttpRequest) -> Option<Span> {
    let incoming = incoming(request).filter(Incoming::is_sampled)?;
    let span = tracing::info_span!(
        target: traces::REQUEST,
        "request",
        method = method_name(request.method()),
        route = route(request).as_deref().unwrap_or("none"),
        request_id = request_id(request).to_str().unwrap_or_default(),
        trace_id = tracing::field::Empty,
        status = tracing::field::Empty,
    );
    let trace_id = incoming.begin(&span);
    span.record("trace_id", tracing::field::display(trace_id));
    Some(span)
}

/// The trace that a request belongs to; `None` if traces are off.
fn incoming(request: &HttpRequest) -> Option<Incoming> {
    traces::incoming(|| request.headers().get(traces::TRACEPARENT)?.to_str().ok())
}

/// The pattern of the route. Gateway requests are served by a scope, which has no pattern.
fn route(request: &HttpRequest) -> Option<Cow<'static, str>> {
    match request.path().strip_prefix(paths::AUTHORIZE) {
        Some("") => Some(Cow::Borrowed(paths::AUTHORIZE)),
        Some(rest) if rest.starts_with('/') => Some(Cow::Borrowed(paths::AUTHORIZE_BELOW)),
        _ => request.match_pattern().map(Cow::Owned),
    }
}

/// The name of a standard method. Any other method is text chosen by the client, which does not belong in a log.
fn method_name(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::PATCH
        | Method::OPTIONS
        | Method::CONNECT
        | Method::TRACE => method.as_str(),
        _ => "other",
    }
}

/// The request's own id if it is a plain word (from a load balancer, for example); otherwise a new one.
pub(crate) fn request_id(request: &HttpRequest) -> HeaderValue {
    let came = request.headers().get(REQUEST_ID).and_then(|value| request_id_from(value.as_bytes()));
    came.unwrap_or_else(|| request_id_of(request.extensions().get::<RequestId>().map(|id| **id).unwrap_or_default()))
}
