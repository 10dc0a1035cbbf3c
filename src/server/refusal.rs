//! The response to an invalid request: its kinds, its form on the wire, and its log line.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use actix_web::{
    HttpResponse,
    body::MessageBody,
    http::{
        StatusCode,
        header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, HttpDate},
    },
};

use super::request_id::REQUEST_ID;
use crate::protect::BoundedLog;

/// Why a request is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The head is not valid HTTP/1.0 or HTTP/1.1 (RFC 9112).
    Malformed,
    /// The target has none of the allowed forms (RFC 9112 §3.2).
    InvalidTarget,
    /// `Host` is missing or repeated, or the host is invalid (RFC 9112 §3.2).
    InvalidHost,
    /// The request line alone exceeds the maximum length of a head.
    TargetTooLong,
    /// The head exceeds the configured length, or has too many fields.
    HeadersTooLarge,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body could not be read.
    BodyUnreadable,
    /// The body is larger than configured.
    BodyTooLarge,
    /// The body is compressed.
    ContentCoding,
    /// The memory for clients (`server.max_buffered_bytes`) is used up.
    NoMemory,
}

impl Refusal {
    /// The status, the stable code, and the title.
    pub fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => {
                (StatusCode::BAD_REQUEST, "malformed_request", "The request is not well-formed HTTP/1.1")
            }
            Self::InvalidTarget => (StatusCode::BAD_REQUEST, "invalid_target", "The request target is not valid"),
            Self::InvalidHost => {
                (StatusCode::BAD_REQUEST, "invalid_host", "The host is missing, repeated or not valid")
            }
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "target_too_long", "The request target is too long"),
            Self::HeadersTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The headers are too large")
            }
            Self::HeadTimeout => (StatusCode::REQUEST_TIMEOUT, "head_timeout", "The request did not arrive in time"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body_timeout", "The body did not arrive in time"),
            Self::BodyUnreadable => (StatusCode::BAD_REQUEST, "body_unreadable", "The body could not be read"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large"),
            Self::ContentCoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_content_encoding",
                "Send the body without a content coding",
            ),
            Self::NoMemory => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable"),
        }
    }
}

/// Words refusals in the application's format.
pub type Wording = Arc<dyn Fn(Refusal, &Refused<'_>) -> HttpResponse + Send + Sync>;

/// The known parts of a refused request.
pub struct Refused<'a> {
    /// The path.
    pub path: &'a str,
    /// The headers; `None` if they are not reliable.
    pub headers: Option<&'a HeaderMap>,
    /// The id of the request, its own or a new one.
    pub request_id: &'a HeaderValue,
}

/// Answers and logs refusals.
#[derive(Clone)]
pub(super) struct Refusals {
    pub(super) wording: Wording,
    /// Bounds the log lines. Shared by all workers.
    pub(super) log: Arc<BoundedLog>,
}

impl Refusals {
    /// The response, after which the connection is closed. The log line has the same request id.
    pub(super) fn answer(
        &self,
        path: &str,
        headers: Option<&HeaderMap>,
        refusal: Refusal,
        request_id: HeaderValue,
        client: Option<IpAddr>,
    ) -> HttpResponse {
        if let Some(suppressed) = self.log.admit() {
            let span = tracing::info_span!("request", route = "none", request_id = request_id.to_str().ok());
            span.in_scope(|| tell(refusal, client, suppressed));
        }
        let mut response = (self.wording)(refusal, &Refused { path, headers, request_id: &request_id });
        response.headers_mut().insert(REQUEST_ID, request_id);
        response
    }
}

/// The log names the peer's address, which may be that of a proxy shared by many clients.
fn tell(refusal: Refusal, client: Option<IpAddr>, suppressed: u64) {
    let (status, reason, _) = refusal.facts();
    let (status, client) = (status.as_u16(), client.map(tracing::field::display));
    if refusal == Refusal::NoMemory {
        tracing::warn!(status, client, suppressed, "refused a request: server.max_buffered_bytes is used up");
    } else {
        tracing::info!(status, reason, client, suppressed, "refused a request");
    }
}

/// Serializes a response that actix-http does not send. `HEAD` gets no content (RFC 9110 §9.3.2).
pub(super) fn on_the_wire(response: HttpResponse, is_head: bool) -> Vec<u8> {
    let status = response.status();
    let headers = response.headers().clone();
    let content = response.into_body().try_into_bytes().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let mut line = |name: HeaderName, value: &str| {
        for part in [name.as_str(), ": ", value, "\r\n"] {
            bytes.push_str(part);
        }
    };
    line(CONTENT_LENGTH, &content.len().to_string());
    line(CONNECTION, "close");
    line(DATE, &HttpDate::from(SystemTime::now()).to_string());
    for (name, value) in &headers {
        line(name.clone(), value.to_str().unwrap_or_default());
    }
    bytes.push_str("\r\n");
    let mut bytes = bytes.into_bytes();
    if !is_head {
        bytes.extend_from_slice(&content);
    }
    bytes
}
