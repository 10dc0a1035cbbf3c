//! `server.cors`: the origins whose pages may call the API from a browser (Fetch, "HTTP CORS protocol"). A preflight is
//! answered before anything else, because browsers send no credential with it; the answer only permits the page to send
//! its request. The gateway route ignores CORS: gateways forward the preflights of their clients, and any 2xx would let
//! such a request through.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
            HeaderValue, ORIGIN, VARY,
        },
    },
};

use crate::api::paths;
use crate::config;

/// Every method that a route has.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Every header that a route reads.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, x-api-key, Content-Type, Idempotency-Key, If-Match, If-None-Match, x-request-id",
);
/// Response headers that a page may read, besides those that every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, x-request-id",
);
const OF_PREFLIGHTS: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");

/// The origins that may call the API.
pub(crate) struct Cors {
    origins: Vec<String>,
    max_age: HeaderValue,
}

impl Cors {
    pub(crate) fn new(settings: &config::Cors) -> Self {
        Self { origins: settings.origins.clone(), max_age: settings.max_age.as_secs().into() }
    }

    /// The answer to a preflight from an allowed origin. Other requests continue, and get an answer without permission
    /// to read it.
    pub(crate) fn preflight(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let headers = request.headers();
        let is_preflight = request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight || paths::is_for_gateways(request.path()) {
            return None;
        }
        let origin = self.known_origin(headers)?;
        let mut answer = HttpResponse::NoContent();
        answer
            .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, origin))
            .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
            .insert_header((ACCESS_CONTROL_MAX_AGE, self.max_age.clone()))
            .insert_header((VARY, OF_PREFLIGHTS));
        Some(answer.finish())
    }

    /// Adds headers to the answer that tell the browser whether the page may read it. `path` and `asked` are the path
    /// and headers of the request.
    pub(crate) fn permit(&self, path: &str, asked: &HeaderMap, answer: &mut HeaderMap) {
        if paths::is_for_gateways(path) || answer.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        // Also for origins that are not allowed: a cached answer to a request without an origin must not serve one with
        // an origin.
        answer.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.known_origin(asked) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }

    fn known_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut values = headers.get_all(ORIGIN);
        let (Some(origin), None) = (values.next(), values.next()) else { return None };
        self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}
