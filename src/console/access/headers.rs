//! What every answer of the console tells the browser, and which requests get no further.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    middleware::Next,
};

use super::origin;
use crate::console::{fault::Fault, services::Console};

/// No page of the console runs a script or has a style that is not a file of the console, shows anything of others, or
/// is shown within a page of others (Content Security Policy Level 3).
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// Below `/console`: the page whose address carries a secret.
pub(crate) const HANDED_OVER: &str = "/handed-over";

/// That address is in no `Referer`, not even of the style sheet, which proxies may log. A policy that sends none at all
/// would hide the origin of the page's form, too (Fetch Standard, `Origin`).
const ORIGIN_ALONE: HeaderValue = HeaderValue::from_static("strict-origin");

const EVERY_ANSWER: [(HeaderName, HeaderValue); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Whether the address has a key in it, whose text must not go from here into a page, a link or another address.
fn has_key(console: &Console, request: &HttpRequest) -> bool {
    let address = request.uri().path_and_query().map_or("", |address| address.as_str());
    let prefix = console.issuer.keyring.prefix();
    prefix.begins_a_secret_in(&percent_encoding::percent_decode_str(address).decode_utf8_lossy())
}

/// Refuses what another site sends, and adds the headers to every answer.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let console = Console::of(request.request()).clone();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let fault = if !origin::is_host_fine(&console, request.request()) {
        Some(Fault::OtherHost)
    } else if has_key(&console, request.request()) {
        Some(Fault::KeyInAddress)
    } else if changes && !origin::is_own(&console, request.request()) {
        Some(Fault::OtherSite)
    } else {
        None
    };
    let has_secret = request.path().ends_with(HANDED_OVER);
    let mut response = match fault {
        Some(fault) => {
            ServiceResponse::new(request.into_parts().0, HttpResponse::from_error(fault)).map_into_boxed_body()
        }
        None => next.call(request).await?.map_into_boxed_body(),
    };
    add_headers(response.headers_mut());
    if has_secret {
        response.headers_mut().insert(REFERRER_POLICY, ORIGIN_ALONE);
    }
    Ok(response)
}

/// The page for a request that got no further than the server, because its body is too large, for instance.
pub(crate) fn unread(status: StatusCode) -> HttpResponse {
    let mut response = HttpResponse::from_error(Fault::Unread(status));
    add_headers(response.headers_mut());
    response
}

/// Adds what every answer tells the browser.
fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in EVERY_ANSWER {
        headers.insert(name, value);
    }
}
