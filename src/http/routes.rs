//! The whole API on one page. Only what stands in [`ENDPOINTS`] is served, and each line says who
//! may call it, so a route without a decision about access cannot be written.

use actix_web::{
    Resource, Responder, Route, guard,
    http::Method,
    middleware::from_fn,
    web::{self, ServiceConfig},
};

use super::{
    authenticate,
    failure::{Failure, Reason},
    guide, health,
    key_check::KeyCheck,
    keys,
};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, for this reason.
    Public(&'static str),
    /// Who holds a JWT, with or without the word `Bearer`, as in the guide.
    GuideToken,
    /// Who holds a JWT.
    Token,
    /// Who holds an API key.
    ApiKey,
}

/// One route.
pub struct Endpoint {
    /// The method. `HEAD` is answered wherever `GET` is (RFC 9110 §9.3.2).
    pub method: Method,
    /// The path.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    handler: fn(Route) -> Route,
}

/// Every route there is.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: Method::POST,
        path: "/api/create-api-key",
        access: Access::GuideToken,
        handler: |route| route.to(guide::create_api_key),
    },
    Endpoint {
        method: Method::GET,
        path: "/api/protected-resource",
        access: Access::ApiKey,
        handler: |route| route.to(guide::protected_resource),
    },
    Endpoint {
        method: Method::DELETE,
        path: "/v1/keys/{id}",
        access: Access::Token,
        handler: |route| route.to(keys::revoke),
    },
    Endpoint {
        method: Method::GET,
        path: "/healthz",
        access: Access::Public("asked by the container engine, which has no credential; tells nothing"),
        handler: |route| route.to(health::healthz),
    },
    Endpoint {
        method: Method::GET,
        path: "/readyz",
        access: Access::Public("asked by the load balancer, which has no credential; tells nothing but yes or no"),
        handler: |route| route.to(health::readyz),
    },
];

/// Serves [`ENDPOINTS`]; everything else is 404, or 405 with `Allow`.
pub(super) fn configure(app: &mut ServiceConfig) {
    let mut configured: Vec<&str> = Vec::new();
    for endpoint in ENDPOINTS {
        if !configured.contains(&endpoint.path) {
            configured.push(endpoint.path);
            app.service(resource(endpoint.path));
        }
    }
    app.default_service(web::to(not_found));
}

fn resource(path: &'static str) -> Resource {
    let endpoints = || ENDPOINTS.iter().filter(move |endpoint| endpoint.path == path);
    let allowed = allowed_methods(endpoints().map(|endpoint| &endpoint.method));
    endpoints()
        .fold(web::resource(path), |resource, endpoint| resource.route(route(endpoint)))
        .default_service(web::to(move |request| method_not_allowed(request, allowed)))
}

fn route(endpoint: &Endpoint) -> Route {
    let route = if endpoint.method == Method::GET {
        web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        web::method(endpoint.method.clone())
    };
    let route = (endpoint.handler)(route);
    match endpoint.access {
        Access::Public(_) => route,
        Access::GuideToken => route.wrap(from_fn(authenticate::require_token_as_the_guide_does)),
        Access::Token => route.wrap(from_fn(authenticate::require_token)),
        Access::ApiKey => route.wrap(KeyCheck),
    }
}

/// The value of `Allow`. Computed once per worker at start and kept for the program's life.
fn allowed_methods<'a>(methods: impl Iterator<Item = &'a Method>) -> &'static str {
    let mut names: Vec<&str> = Vec::new();
    for method in methods {
        names.push(method.as_str());
        if method == Method::GET {
            names.push("HEAD");
        }
    }
    names.join(", ").leak()
}

async fn method_not_allowed(request: actix_web::HttpRequest, allowed: &'static str) -> impl Responder {
    Err::<&str, _>(Failure::new(request.path(), Reason::MethodNotAllowed(allowed)))
}

async fn not_found(request: actix_web::HttpRequest) -> impl Responder {
    Err::<&str, _>(Failure::new(request.path(), Reason::NotFound))
}
