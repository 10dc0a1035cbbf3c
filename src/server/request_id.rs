//! The id of a request, by which its answer and its log lines are found.

use actix_web::http::header::{HeaderName, HeaderValue};
use uuid::Uuid;

/// The header of the request id, in requests and responses.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Shorter than any key (84 bytes or more) and any signed token (68 or more: `{"alg":"HS256"}`, `{}` and the signature),
/// so that neither reaches a log line, the audit or an answer through this header; longer than usual ids (a UUID has 36
/// characters).
const REQUEST_ID_MAX_BYTES: usize = 64;

/// The request's own id if it is a plain word (from a load balancer, for example); otherwise a new one.
pub(super) fn request_id(came: &[u8]) -> HeaderValue {
    request_id_from(came).unwrap_or_else(|| request_id_of(Uuid::now_v7()))
}

/// The request's own id if it is a plain word.
pub(crate) fn request_id_from(came: &[u8]) -> Option<HeaderValue> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_plain_word = (1..=REQUEST_ID_MAX_BYTES).contains(&came.len()) && came.iter().all(plain);
    is_plain_word.then(|| HeaderValue::from_bytes(came).ok()).flatten()
}

/// A new id.
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
