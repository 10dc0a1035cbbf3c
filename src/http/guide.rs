//! The two routes of the guide. Their paths, statuses and bodies are exact for ever.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    web::{Bytes, Data},
};
use serde::Serialize;
use time::OffsetDateTime;

use super::{
    Services,
    failure::{Failure, Reason},
    root_span::in_request,
};
use crate::domain::principal::Principal;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedKey<'a> {
    api_key: &'a str,
    /// The public name, which stands in lists and logs.
    id: String,
}

/// `POST /api/create-api-key`: a new key for the bearer of the token. The body does not matter, but
/// one that says it is JSON must be.
pub(super) async fn create_api_key(
    request: HttpRequest,
    principal: Principal,
    services: Data<Services>,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    if request.content_type().eq_ignore_ascii_case("application/json") && !is_json_or_empty(&body) {
        return Err(Failure::new(request.path(), Reason::InvalidJson));
    }
    let key = services.lifecycle.issue(&principal, OffsetDateTime::now_utc()).await.map_err(|undecided| {
        in_request(&request, || tracing::error!(error = %undecided, "could not issue a key; answering 503"));
        Failure::new(request.path(), Reason::Unavailable)
    })?;
    in_request(&request, || tracing::info!(key_id = %key.record.id, "issued a key"));
    let created = CreatedKey { api_key: key.text.expose(), id: key.record.id.to_string() };
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(created))
}

const ACCESS_GRANTED: &str = r#"{"message":"Access granted to protected resource"}"#;

/// `GET /api/protected-resource`: something worth a key.
pub(super) async fn protected_resource(_principal: Principal) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))).body(ACCESS_GRANTED)
}

/// JSON is UTF-8 (RFC 8259 §8.1), which `serde_json` does not look for in text that it skips.
fn is_json_or_empty(body: &[u8]) -> bool {
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    body.is_empty() || str::from_utf8(body).is_ok_and(is_json)
}
