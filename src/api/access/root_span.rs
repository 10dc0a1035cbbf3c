//! One span a request, which every log line of the request stands in, and the request id.
//!
//! The span names the route's pattern and never the address or a header as it came: either may hold
//! a credential.

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

/// Tells `tracing-actix-web` what a request's span holds.
pub(crate) struct RootSpan;

impl RootSpanBuilder for RootSpan {
    /// A span costs more than a check does, and most requests have nothing to log. So it is opened
    /// at once only where the log has a line for every request; else [`in_request`] opens it.
    fn on_request_start(request: &ServiceRequest) -> Span {
        if tracing::enabled!(Level::DEBUG) { span(request.request()) } else { Span::none() }
    }

    fn on_request_end<B: MessageBody>(_: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        match outcome {
            Ok(response) => {
                let (request, status) = (response.request(), response.status());
                // At `debug` each request has its line, also where there were too many for a warning. What could not be decided
                // or done has one already, which tells why.
                if status.is_server_error()
                    && status != StatusCode::SERVICE_UNAVAILABLE
                    && let Some(untold) = services(request).broken_answers.admit()
                {
                    in_request(request, || tracing::warn!(status = status.as_u16(), untold, "answered"));
                } else {
                    tracing::debug!(status = status.as_u16(), "answered");
                }
            }
            Err(error) => tracing::warn!(status = error.as_response_error().status_code().as_u16(), "answered"),
        }
    }
}

/// Logs within the request's span, so that every line tells which request it is about.
pub(crate) fn in_request<T>(request: &HttpRequest, log: impl FnOnce() -> T) -> T {
    if Span::current().is_none() { span(request).in_scope(log) } else { log() }
}

fn span(request: &HttpRequest) -> Span {
    tracing::info_span!(
        "request",
        method = method_name(request.method()),
        route = route(request).as_deref().unwrap_or("none"),
        request_id = request_id(request).to_str().unwrap_or_default(),
    )
}

/// The pattern of what answers. Gateways' questions are answered by a scope, which has none.
fn route(request: &HttpRequest) -> Option<Cow<'static, str>> {
    match request.path().strip_prefix(paths::AUTHORIZE) {
        Some("") => Some(Cow::Borrowed(paths::AUTHORIZE)),
        Some(rest) if rest.starts_with('/') => Some(Cow::Borrowed(paths::AUTHORIZE_BELOW)),
        _ => request.match_pattern().map(Cow::Owned),
    }
}

/// A method of the standards by its name. Others are the client's own words, which do not belong in a log.
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

/// The id that came with the request where it is a plain word (a load balancer's), else our own.
pub(crate) fn request_id(request: &HttpRequest) -> HeaderValue {
    let came = request.headers().get(REQUEST_ID).and_then(|value| request_id_from(value.as_bytes()));
    came.unwrap_or_else(|| request_id_of(request.extensions().get::<RequestId>().map(|id| **id).unwrap_or_default()))
}
