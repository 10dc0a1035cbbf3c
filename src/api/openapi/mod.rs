//! The OpenAPI 3.1 document, generated from the code: routes and access rules come from `ENDPOINTS`, responses from the
//! structs that are serialized, problems from [`Reason`](super::wire::failure::Reason), and limits from the constants
//! that enforce them.
//!
//! - `operations`: what each route does, takes and returns; `operation`: the builder for one of them
//! - `bodies`, `parameters`: what clients may send, from the tables of `wire::request`
//! - `answers`: the responses; `schemas`: what they hold
//! - `documentation`: the descriptions, in reading order
//! - `shared`: moves what several operations have in common into the document's components
//! - `page`: the document as a web page that needs no network

mod answers;
mod bodies;
mod documentation;
mod operation;
mod operations;
pub(super) mod page;
mod parameters;
mod schemas;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApiVersion;

use self::operation::Operation;
use super::endpoint::{Access, Endpoint, Reads};

/// The API page; a part of it is the document's description.
const PAGE: &str = include_str!("../../../docs/api.md");

/// The document for the routes that are served.
pub(super) struct Document(pub(super) &'static LazyLock<page::File>);

/// `GET /openapi.json`
pub(super) async fn openapi_json(request: HttpRequest, document: Data<Document>) -> HttpResponse {
    document.0.answer(&request)
}

/// Generates the document for these routes.
pub(super) fn document(endpoints: &'static [Endpoint]) -> page::File {
    page::File::new("application/json", Bytes::from(text(endpoints)))
}

/// The document as it is sent, with its members in reading order.
#[derive(Serialize)]
struct Written {
    openapi: OpenApiVersion,
    info: Value,
    tags: Vec<Value>,
    paths: Paths,
    components: Value,
}

/// An object that keeps the order of its members.
struct InOrder<K, V>(Vec<(K, V)>);

/// Every path, with its operations by method.
type Paths = InOrder<&'static str, InOrder<String, Value>>;

impl<K: Serialize, V: Serialize> Serialize for InOrder<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, member)| (name, member)))
    }
}

fn text(endpoints: &'static [Endpoint]) -> String {
    let mut paths = paths(endpoints);
    let operations = paths.0.iter_mut().flat_map(|(_, methods)| methods.0.iter_mut().map(|(_, operation)| operation));
    let mut components = shared::share(operations);
    let schemas: Map<_, _> = schemas::schemas().into_iter().chain(bodies::schemas()).collect();
    components.insert("schemas".to_owned(), schemas.into());
    components.insert("securitySchemes".to_owned(), security_schemes());
    let document = Written {
        openapi: OpenApiVersion::Version31,
        info: json!({
            "title": "Keyward",
            "summary": "Issues API keys to people who hold a JWT, and checks both kinds of credential on every \
            request.",
            "version": env!("CARGO_PKG_VERSION"),
            "description": description(),
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        }),
        tags: documentation::GROUPS
            .iter()
            .map(|group| json!({ "name": group.tag, "description": group.about }))
            .collect(),
        paths,
        components: components.into(),
    };
    serde_json::to_string(&document).expect("strings and numbers always serialize to JSON")
}

/// The rules that apply to every route: the part of the API page between its two comments.
fn description() -> &'static str {
    PAGE.split("-->\n").nth(1).and_then(|rest| rest.split("<!--").next()).unwrap_or_default().trim()
}

fn security_schemes() -> Value {
    json!({
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A JWT from a configured issuer. `POST /api/create-api-key` also takes it without the word \
            Bearer.",
        },
        "basic": { "type": "http", "scheme": "basic", "description": "An API key as the password; any user name." },
        "bearerKey": { "type": "http", "scheme": "bearer", "description": "An API key as a bearer token." },
        "metricsToken": { "type": "http", "scheme": "bearer", "description": "The configured `metrics.token`." },
        "apiKey": { "type": "apiKey", "in": "header", "name": "x-api-key", "description": "An API key." },
    })
}

/// What this route reads, according to the document.
pub(super) fn reads(endpoint: &Endpoint) -> Reads {
    let operation = operations::of(endpoint);
    let is_of_query = |parameter: &Value| parameter["in"] == "query";
    Reads {
        query: operation.as_ref().is_some_and(|operation| operation.parameters.iter().any(is_of_query)),
        body: operation.is_some_and(|operation| operation.body.is_some()),
    }
}

/// Every path with its operations, in the order of `documentation`.
fn paths(all: &'static [Endpoint]) -> Paths {
    let mut endpoints: Vec<_> = all.iter().collect();
    endpoints.sort_by_cached_key(|endpoint| documentation::of(endpoint).map_or((usize::MAX, 0), |found| found.place));
    let mut paths: Vec<(&'static str, InOrder<String, Value>)> = Vec::new();
    for endpoint in endpoints {
        let Some(operation) = operations::of(endpoint) else { continue };
        let method = endpoint.method.as_str().to_ascii_lowercase();
        let operation = (method, written(endpoint, operation, all));
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, methods)) => methods.0.push(operation),
            None => paths.push((endpoint.path, InOrder(vec![operation]))),
        }
    }
    InOrder(paths)
}

fn written(endpoint: &Endpoint, operation: Operation, all: &[Endpoint]) -> Value {
    let documentation = documentation::of(endpoint);
    let about = documentation.as_ref().map(|found| match operation.of_owners(endpoint, all) {
        Some(id) => format!("The same as `{id}`, for the keys of any owner."),
        None => found.about.to_owned(),
    });
    let mut written = json!({
        "operationId": operation.id(endpoint),
        "summary": operation.summary(endpoint, all),
        "description": about,
        "tags": documentation.iter().map(|found| found.tag).collect::<Vec<_>>(),
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
        Access::Metrics => json!([{}, { "metricsToken": [] }]),
        Access::CompatibilityToken | Access::Token | Access::Administrator => json!([{ "token": [] }]),
        Access::ApiKey => json!([{ "apiKey": [] }]),
        Access::OwnKey | Access::KeyHolder => json!([{ "apiKey": [] }, { "bearerKey": [] }]),
        Access::Verifier | Access::Backend | Access::Forwarded => {
            json!([{ "token": [] }, { "apiKey": [] }, { "bearerKey": [] }])
        }
        // OpenAPI has no scheme for a key sent as `client_secret` in the form.
        Access::OAuthClient => json!([{ "token": [] }, { "apiKey": [] }, { "bearerKey": [] }, { "basic": [] }]),
    }
}
