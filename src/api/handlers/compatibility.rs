//! The compatibility routes. Their paths, statuses and bodies never change.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::header::{CONTENT_TYPE, HeaderValue},
    web::{Bytes, Data},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::keys::representation::SHOWN_BEFORE;
use crate::api::{
    access::root_span::in_request,
    services::{Services, unavailable},
    wire::{
        failure::{Answer, Reason},
        request::idempotency,
        times,
    },
};
use crate::{
    auth::{
        lifecycle::{Caller, Expiry, Issued, NewKey},
        strict_json,
    },
    domain::{key_record::ManagedKey, principal::Principal},
};

/// The created key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CompatibilityKey)]
pub(crate) struct CreatedKey<'a> {
    /// The whole key, shown only this once; `null` if an earlier, identical request created it.
    #[schema(required)]
    api_key: Option<&'a str>,
    /// The key's id, which appears in lists and logs.
    id: String,
    /// Why there is no secret; absent if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'static str>,
}

/// `POST /api/create-api-key`: creates a key for the bearer of the token. The body is ignored, but if its type is JSON,
/// it must be valid JSON.
pub(crate) async fn create_api_key(
    request: HttpRequest,
    principal: Principal,
    caller: Caller,
    services: Data<Services>,
    body: Bytes,
) -> Answer {
    let now = times::now();
    let idempotent = idempotency::of(&request, &caller, &body)?;
    if let Some(idempotent) = &idempotent {
        let before = services.issuer.issued_before(idempotent, &caller, now).await;
        if let Some(before) = before.map_err(unavailable(&request, "look for an earlier request"))? {
            return Ok(known(&*before?));
        }
    }
    if request.content_type().eq_ignore_ascii_case("application/json") && !is_json_or_empty(&body) {
        return Err(Reason::InvalidJson(strict_json::fault(&body)));
    }
    // The request can't carry a name or an expiry, so policies that demand them do not apply.
    let new_key = NewKey { expiry: Expiry::Latest, ..NewKey::plain(principal.owner().clone()) };
    let issued = services.issuer.issue_unnamed(new_key, idempotent.as_ref(), &caller, now).await;
    match issued.map_err(unavailable(&request, "issue a key"))?? {
        Issued::Now(new) => {
            in_request(&request, || tracing::info!(key_id = %new.key.record.id, "issued a key"));
            let id = new.key.record.id.to_string();
            let created = CreatedKey { api_key: Some(new.text.expose()), id, message: None };
            Ok(HttpResponse::Created().json(created))
        }
        Issued::Before(key) => Ok(known(&key)),
    }
}

/// A key that an earlier, identical request created.
fn known(key: &ManagedKey) -> HttpResponse {
    let known = CreatedKey { api_key: None, id: key.record.id.to_string(), message: Some(SHOWN_BEFORE) };
    HttpResponse::Ok().json(known)
}

const ACCESS_GRANTED: &str = r#"{"message":"Access granted to protected resource"}"#;

/// `GET /api/protected-resource`: an example of a resource that requires a key.
pub(crate) fn protected_resource(_principal: &Principal) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))).body(ACCESS_GRANTED)
}

/// JSON must be UTF-8 (RFC 8259 §8.1), which `serde_json` does not check in values that it skips.
fn is_json_or_empty(body: &[u8]) -> bool {
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    body.is_empty() || str::from_utf8(body).is_ok_and(is_json)
}
