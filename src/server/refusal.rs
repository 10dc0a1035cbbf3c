//! The answer to a request that is no good as a request, whatever it asks for: which there are, how they look on the wire, and
//! the line in the log.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use actix_web::{
    HttpResponse,
    body::MessageBody,
    http::{
        StatusCode,
        header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, HttpDate},
    },
};
use uuid::Uuid;

use crate::protect::BoundedLog;

/// Where a request id is taken from and given back.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Shorter than any key (84 bytes or more) and any signed token, so that neither becomes part of a
/// log line by standing in the wrong header; longer than the usual ids (a UUID has 36).
const REQUEST_ID_MAX_BYTES: usize = 64;

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its head isn't HTTP/1.0 or HTTP/1.1 (RFC 9112).
    Malformed,
    /// Its target has none of the forms that a target may have (RFC 9112 §3.2).
    InvalidTarget,
    /// `Host` is missing or repeated, or the host isn't one (RFC 9112 §3.2).
    InvalidHost,
    /// The request line alone is longer than a head may be.
    TargetTooLong,
    /// The head is longer than configured, or has too many fields.
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
    /// Clients make this process hold as much as they may.
    NoMemory,
}

impl Refusal {
    /// The status, a stable word for programs, and the title.
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

/// How the application words refusals.
pub type Wording = Arc<dyn Fn(Refusal, &Refused<'_>) -> HttpResponse + Send + Sync>;

/// A request that is refused, as far as it is known.
pub struct Refused<'a> {
    /// Its path.
    pub path: &'a str,
    /// Its headers; `None` where they can't be relied on.
    pub headers: Option<&'a HeaderMap>,
    /// The id that it came with, or got.
    pub request_id: &'a HeaderValue,
}

/// Words refusals, and tells the log of them.
#[derive(Clone)]
pub(super) struct Refusals {
    pub(super) wording: Wording,
    /// Which of them get a line. Shared by all workers.
    pub(super) log: Arc<BoundedLog>,
}

impl Refusals {
    /// The answer, after which the connection is closed. The line in the log has the same request id.
    pub(super) fn answer(
        &self,
        path: &str,
        headers: Option<&HeaderMap>,
        refusal: Refusal,
        request_id: HeaderValue,
        client: Option<IpAddr>,
    ) -> HttpResponse {
        if let Some(untold) = self.log.admit() {
            let span = tracing::info_span!("request", route = "none", request_id = request_id.to_str().ok());
            span.in_scope(|| tell(refusal, client, untold));
        }
        let mut response = (self.wording)(refusal, &Refused { path, headers, request_id: &request_id });
        response.headers_mut().insert(REQUEST_ID, request_id);
        response
    }
}

/// Who sends such requests is an address, which a proxy may have in common with everybody.
fn tell(refusal: Refusal, client: Option<IpAddr>, untold: u64) {
    let (status, reason, _) = refusal.facts();
    let (status, client) = (status.as_u16(), client.map(tracing::field::display));
    if refusal == Refusal::NoMemory {
        tracing::warn!(status, client, untold, "refused a request: server.max_buffered_bytes is used up");
    } else {
        tracing::info!(status, reason, client, untold, "refused a request");
    }
}

/// An answer as bytes, for a request that nobody else answers. `HEAD` gets no content (RFC 9110 §9.3.2).
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

/// The id that came with a request where it is a plain word (a load balancer's), else a new one.
pub(super) fn request_id(came: &[u8]) -> HeaderValue {
    request_id_from(came).unwrap_or_else(|| request_id_of(Uuid::now_v7()))
}

/// The id that came with a request where it is a plain word.
pub(crate) fn request_id_from(came: &[u8]) -> Option<HeaderValue> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_plain_word = (1..=REQUEST_ID_MAX_BYTES).contains(&came.len()) && came.iter().all(plain);
    is_plain_word.then(|| HeaderValue::from_bytes(came).ok()).flatten()
}

/// An id of ours.
pub(crate) fn request_id_of(id: Uuid) -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut text)).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_are_taken_as_request_ids() {
        for good in ["a", "0190b3c4-7c0e-7cc3-98c4-dc0c0c07398f", "Root=1".trim_start_matches("Root=")] {
            assert!(request_id_from(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["", "a b", "a\nb", "é", &"x".repeat(65)] {
            assert!(request_id_from(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
