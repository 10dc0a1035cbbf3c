//! The OpenAPI 3.1 document, made of the code: the routes and who may call them from `ENDPOINTS`, the
//! answers from the structs that are sent, the problems from [`Failure`](super::failure::Failure), the
//! limits from the constants that enforce them.
//!
//! - `operations`: what each route does, takes and answers; `operation`: how that is put together
//! - `bodies`, `parameters`: what may be sent; tests compare the names with those that are read
//! - `answers`: what comes back
//! - `page`: the document as a page for people, without any network

mod answers;
mod bodies;
mod operation;
mod operations;
pub(super) mod page;
mod parameters;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{HttpRequest, HttpResponse, web::Bytes};
use serde_json::{Map, Value, json};

use self::operation::Operation;
use super::{
    authorize, oauth,
    routes::{Access, ENDPOINTS, Endpoint},
};

const ABOUT: &str = "Issues API keys to people who hold a JWT, and checks both kinds of credential on every \
request. Errors are problem details (RFC 9457), below `/api/` a `message`. Every answer carries `x-request-id`: \
the one that came with the request, where that is a plain word of at most 64 characters, else a new one.";

/// Made once, at the first question.
static DOCUMENT: LazyLock<page::File> =
    LazyLock::new(|| page::File::new("application/json", Bytes::from(document().to_string())));

/// `GET /openapi.json`
pub(super) async fn openapi_json(request: HttpRequest) -> HttpResponse {
    DOCUMENT.answer(&request)
}

fn document() -> Value {
    json!({
        "openapi": utoipa::openapi::OpenApiVersion::Version31,
        "info": {
            "title": "Keyward",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "paths": paths(),
        "components": {
            "schemas": answers::schemas().into_iter().chain(bodies::schemas()).collect::<Map<_, _>>(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A JWT of a configured issuer. `POST /api/create-api-key` takes it without the word Bearer, too.",
                },
                "basic": { "type": "http", "scheme": "basic", "description": "A key of Keyward's as the password, with any name." },
                "bearerKey": { "type": "http", "scheme": "bearer", "description": "A key of Keyward's, as a bearer token." },
                "apiKey": { "type": "apiKey", "in": "header", "name": "x-api-key", "description": "A key of Keyward's." },
            },
        },
    })
}

fn paths() -> BTreeMap<&'static str, Map<String, Value>> {
    let mut paths = BTreeMap::<_, Map<String, Value>>::new();
    for endpoint in ENDPOINTS {
        if let Some(operation) = operations::of(endpoint) {
            let methods = paths.entry(endpoint.path).or_default();
            methods.insert(endpoint.method.as_str().to_ascii_lowercase(), written(endpoint, operation));
        }
    }
    paths
}

fn written(endpoint: &Endpoint, operation: Operation) -> Value {
    let mut written = json!({
        "operationId": operation.id(endpoint),
        "summary": operation.summary,
        "tags": [tag(endpoint.path)],
        "security": security(endpoint.access),
        "responses": answers::responses(endpoint, &operation),
    });
    if !operation.parameters.is_empty() {
        written["parameters"] = operation.parameters.into();
    }
    if let Some(body) = operation.body {
        written["requestBody"] = body;
    }
    written
}

fn security(access: Access) -> Value {
    match access {
        Access::Public(_) => json!([]),
        Access::GuideToken | Access::Token | Access::Administrator => json!([{ "token": [] }]),
        Access::ApiKey => json!([{ "apiKey": [] }]),
        Access::OwnKey | Access::KeyHolder => json!([{ "apiKey": [] }, { "bearerKey": [] }]),
        Access::Verifier | Access::Forwarded => json!([{ "token": [] }, { "apiKey": [] }, { "bearerKey": [] }]),
        // A key as `client_secret` stands in the form: no scheme of OpenAPI says so.
        Access::OAuthClient => json!([{ "token": [] }, { "apiKey": [] }, { "bearerKey": [] }, { "basic": [] }]),
    }
}

fn tag(path: &str) -> &'static str {
    match path {
        path if path.starts_with("/v1/admin/") => "for administrators",
        authorize::PATH | authorize::BELOW | "/v1/keys/verify" | oauth::INTROSPECT | oauth::REVOKE => "for services",
        path if path.starts_with("/v1/") => "for owners",
        path if path.starts_with("/api/") => "the guide's routes",
        _ => "for operators",
    }
}
