//! The two routes of the guide. Their paths, statuses and bodies are exact for ever.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    web::{Bytes, Data},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Services,
    failure::{Failure, Reason},
    keys,
    root_span::in_request,
    undone,
};
use crate::{
    auth::lifecycle::{Editor, Expiry, Issued, Order},
    domain::principal::Principal,
};

/// The key that was made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GuideKey)]
pub(super) struct CreatedKey<'a> {
    /// The whole key, for the only time.
    api_key: &'a str,
    /// The public name, which stands in lists and logs.
    id: String,
}

/// `POST /api/create-api-key`: a new key for the bearer of the token. The body does not matter, but
/// one that says it is JSON must be.
pub(super) async fn create_api_key(
    request: HttpRequest,
    principal: Principal,
    editor: Editor,
    services: Data<Services>,
    body: Bytes,
) -> Result<HttpResponse, Failure> {
    if request.content_type().eq_ignore_ascii_case("application/json") && !is_json_or_empty(&body) {
        return Err(Failure::new(request.path(), Reason::InvalidJson));
    }
    // It has no place for a name or an expiry, so the policies of others do not stop it.
    let order = Order { expiry: Expiry::Latest, ..Order::plain(principal.owner().clone()) };
    let issued = services.issuer.issue_unnamed(order, &editor, keys::now()).await;
    let issued = issued.map_err(|undecided| undone(&request, &undecided, "issue a key"))?;
    let new = match issued.map_err(|refusal| Failure::new(request.path(), refusal))? {
        Issued::Now(new) => new,
        Issued::Before(_) => return Err(Failure::new(request.path(), Reason::Internal)),
    };
    in_request(&request, || tracing::info!(key_id = %new.key.record.id, "issued a key"));
    let created = CreatedKey { api_key: new.text.expose(), id: new.key.record.id.to_string() };
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(created))
}

const ACCESS_GRANTED: &str = r#"{"message":"Access granted to protected resource"}"#;

/// `GET /api/protected-resource`: something worth a key.
pub(super) fn protected_resource(_principal: &Principal) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json"))).body(ACCESS_GRANTED)
}

/// JSON is UTF-8 (RFC 8259 §8.1), which `serde_json` does not look for in text that it skips.
fn is_json_or_empty(body: &[u8]) -> bool {
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    body.is_empty() || str::from_utf8(body).is_ok_and(is_json)
}
