//! The client's identity as headers of the answer.
//!
//! All headers are always present, with an empty value if there is nothing to say, so that a gateway that copies them
//! overwrites what the client sent under their names. There is no header for the organisation if no keys belong to
//! organisations.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue},
    },
    web::Bytes,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    api::wire::owner_id,
    auth::jwt::TokenVerifier,
    domain::{owner::OwnerKind, principal::Principal},
};

const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const TENANT: HeaderName = HeaderName::from_static("x-auth-tenant");
const OWNER: HeaderName = HeaderName::from_static("x-auth-owner");
const KEY_ID: HeaderName = HeaderName::from_static("x-auth-key-id");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");
const METHOD: HeaderName = HeaderName::from_static("x-auth-method");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-auth-environment");

/// The characters to percent-encode in a subject or an organisation, besides everything that is not ASCII: invisible
/// characters, and `%` itself. So a value can't break out of its header, and any percent-decoder restores it.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// A capacity that suffices for most headers.
const USUAL_BYTES: usize = 256;

// `append` costs less than `insert`, which returns the old value.

/// The answer for this principal. `verifier` knows what kind of owner its issuer has.
///
/// A key of an organisation has no subject. Otherwise an API that reads only the subject would take the organisation
/// for a person of that name.
pub(super) fn of(principal: &Principal, verifier: &TokenVerifier) -> HttpResponse {
    let owner = principal.owner();
    let kind = verifier.owner_kind(&owner.issuer);
    let subject = match principal.token() {
        Some(token) => &*token.subject,
        None if kind == OwnerKind::Person => &*owner.subject,
        None => "",
    };
    let tenant = if kind == OwnerKind::Organisation { &*owner.subject } else { "" };
    let (key_id, environment, method) = match principal.key() {
        Some(key) => (Some(key.id), key.environment.as_str(), "api_key"),
        None => (None, "", "token"),
    };
    // The headers share one allocation; allocations are most of the cost of a grant.
    let mut text = String::with_capacity(USUAL_BYTES);
    text.extend(utf8_percent_encode(subject, UNSAFE));
    let tenant_begins = text.len();
    text.extend(utf8_percent_encode(tenant, UNSAFE));
    let owner_begins = text.len();
    owner_id::push(owner, &mut text);
    let key_id_begins = text.len();
    if let Some(id) = key_id {
        id.push_to(&mut text);
    }
    let scopes_begin = text.len();
    for (place, scope) in principal.scopes().iter().enumerate() {
        text.push_str(if place == 0 { "" } else { " " });
        text.push_str(scope);
    }
    let text = Bytes::from(text);
    answer(|headers| {
        headers.append(SUBJECT, value(text.slice(..tenant_begins)));
        headers.append(TENANT, value(text.slice(tenant_begins..owner_begins)));
        headers.append(OWNER, value(text.slice(owner_begins..key_id_begins)));
        headers.append(KEY_ID, value(text.slice(key_id_begins..scopes_begin)));
        headers.append(SCOPES, value(text.slice(scopes_begin..)));
        headers.append(METHOD, HeaderValue::from_static(method));
        headers.append(ENVIRONMENT, HeaderValue::from_static(environment));
    })
}

/// The answer for an anonymous client.
pub(super) fn of_nobody() -> HttpResponse {
    answer(|headers| {
        for name in [SUBJECT, TENANT, OWNER, KEY_ID, SCOPES, ENVIRONMENT] {
            headers.append(name, HeaderValue::from_static(""));
        }
        headers.append(METHOD, HeaderValue::from_static("anonymous"));
    })
}

fn answer(say_who: impl FnOnce(&mut HeaderMap)) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::OK);
    let headers = response.headers_mut();
    say_who(headers);
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The text consists of visible ASCII and spaces: the encoded parts by construction, the others by their type.
fn value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).expect("visible ASCII makes a header")
}
