//! Who the client is, as headers of the answer.
//!
//! All of them are always there, empty where there is nothing to say: a gateway that copies them overwrites whatever
//! the client has sent under their names.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderName, HeaderValue},
    },
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{domain::principal::Principal, http::owner_id};

const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const OWNER: HeaderName = HeaderName::from_static("x-auth-owner");
const KEY_ID: HeaderName = HeaderName::from_static("x-auth-key-id");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");
const METHOD: HeaderName = HeaderName::from_static("x-auth-method");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-auth-environment");

/// What a subject is percent-encoded for: with whatever is not ASCII, all that is no visible character, and the `%`
/// itself. So one header stays one header, and any percent-decoder gives the subject back.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The client is this one.
pub(super) fn of(principal: &Principal) -> HttpResponse {
    let subject = match principal.token() {
        Some(token) => &token.subject,
        None => &principal.owner().subject,
    };
    let (key_id, environment, method) = match principal.key() {
        Some(key) => (key.id.to_string(), key.environment.as_str(), "api_key"),
        None => (String::new(), "", "token"),
    };
    answer([
        (SUBJECT, value(utf8_percent_encode(subject, UNSAFE).to_string())),
        (OWNER, value(owner_id::write(principal.owner()))),
        (KEY_ID, value(key_id)),
        (SCOPES, value(principal.scopes().to_string())),
        (METHOD, HeaderValue::from_static(method)),
        (ENVIRONMENT, HeaderValue::from_static(environment)),
    ])
}

/// The client may be anybody, and has not said who it is.
pub(super) fn of_nobody() -> HttpResponse {
    let empty = HeaderValue::from_static("");
    let method = HeaderValue::from_static("anonymous");
    answer([
        (SUBJECT, empty.clone()),
        (OWNER, empty.clone()),
        (KEY_ID, empty.clone()),
        (SCOPES, empty.clone()),
        (METHOD, method),
        (ENVIRONMENT, empty),
    ])
}

fn answer(headers: [(HeaderName, HeaderValue); 6]) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::OK);
    let all = response.headers_mut();
    all.reserve(headers.len() + 2);
    for (name, value) in headers {
        all.insert(name, value);
    }
    all.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Visible ASCII and spaces: that is what subjects are encoded to, and what the rest consists of.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("visible ASCII makes a header")
}
