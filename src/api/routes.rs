//! The whole API on one page. Only routes in [`ENDPOINTS`] are served, and each names its access rule, so there can be
//! no route without one.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route, guard,
    http::{
        Method,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap},
    },
    middleware::{DefaultHeaders, from_fn},
    web::{self, Data, ServiceConfig},
};

use super::{
    access::{authenticate, immediate::Immediate, key_check::WithKey, strict},
    endpoint::{Access, Endpoint, Handler, endpoint, for_gateways, with_key},
    handlers::{
        audit, authorize::GatewayCheck, compatibility, console_sessions, health, keys, metrics, oauth, owner_limits,
        owners, plans, problem_page, scopes, tokens, top_ups, usage, verify,
    },
    openapi::{self, page},
    paths::{self, METRICS},
    services::Services,
    wire::failure::{Answer, Missing, Reason},
};

/// Every method that a route has.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

const DOCUMENTS: &str = "public information, the same for everybody; read before a client has a credential";

/// Every route. They are matched in this order, so the most frequent come first, and literal segments come before
/// `{id}`.
pub const ENDPOINTS: &[Endpoint] = &[
    endpoint(Method::POST, "/api/create-api-key", Access::CompatibilityToken, |route| {
        route.to(compatibility::create_api_key)
    }),
    with_key(Method::GET, "/api/protected-resource", compatibility::protected_resource),
    for_gateways(paths::AUTHORIZE),
    for_gateways(paths::AUTHORIZE_BELOW),
    endpoint(
        Method::GET,
        "/healthz",
        Access::Public("for the container engine, which has no credential; reveals nothing"),
        |route| route.to(health::healthz),
    ),
    endpoint(
        Method::GET,
        "/readyz",
        Access::Public("for the load balancer, which has no credential; reveals only readiness"),
        |route| route.to(health::readyz),
    ),
    endpoint(Method::GET, METRICS, Access::Metrics, |route| route.to(metrics::show)),
    endpoint(Method::GET, "/v1/keys/self", Access::OwnKey, |route| route.to(keys::show_self)),
    endpoint(Method::DELETE, "/v1/keys/self", Access::KeyHolder, |route| route.to(keys::revoke_self)),
    endpoint(Method::POST, "/v1/keys/verify", Access::Verifier, |route| route.to(verify::verify)),
    endpoint(Method::POST, "/v1/keys", Access::Token, |route| route.to(keys::create)),
    endpoint(Method::GET, "/v1/keys", Access::Token, |route| route.to(keys::list)),
    endpoint(Method::GET, "/v1/keys/{id}", Access::Token, |route| route.to(keys::show)),
    endpoint(Method::PATCH, "/v1/keys/{id}", Access::Token, |route| route.to(keys::update)),
    endpoint(Method::DELETE, "/v1/keys/{id}", Access::Token, |route| route.to(keys::revoke)),
    endpoint(Method::POST, "/v1/keys/{id}/rotate", Access::Token, |route| route.to(keys::rotate)),
    endpoint(Method::POST, "/v1/keys/{id}/credits", Access::Token, |route| route.to(top_ups::key)),
    endpoint(Method::POST, "/v1/keys/{id}/disable", Access::Token, |route| route.to(keys::disable)),
    endpoint(Method::POST, "/v1/keys/{id}/enable", Access::Token, |route| route.to(keys::enable)),
    endpoint(Method::GET, "/v1/scopes", Access::Token, |route| route.to(scopes::list)),
    endpoint(Method::GET, "/v1/plan", Access::Token, |route| route.to(plans::show_own)),
    endpoint(Method::GET, "/v1/keys/{id}/usage", Access::Token, |route| route.to(usage::of_key)),
    endpoint(Method::GET, "/v1/usage", Access::Token, |route| route.to(usage::report)),
    endpoint(Method::GET, "/v1/audit", Access::Token, |route| route.to(audit::list)),
    endpoint(Method::POST, "/v1/admin/keys/revoke", Access::Administrator, |route| route.to(keys::revoke_in_bulk)),
    endpoint(Method::POST, "/v1/admin/keys", Access::Administrator, |route| route.to(keys::create)),
    endpoint(Method::GET, "/v1/admin/keys", Access::Administrator, |route| route.to(keys::list)),
    endpoint(Method::GET, "/v1/admin/keys/{id}", Access::Administrator, |route| route.to(keys::show)),
    endpoint(Method::PATCH, "/v1/admin/keys/{id}", Access::Administrator, |route| route.to(keys::update)),
    endpoint(Method::DELETE, "/v1/admin/keys/{id}", Access::Administrator, |route| route.to(keys::revoke)),
    endpoint(Method::POST, "/v1/admin/keys/{id}/rotate", Access::Administrator, |route| route.to(keys::rotate)),
    endpoint(Method::POST, "/v1/admin/keys/{id}/credits", Access::Administrator, |route| route.to(top_ups::key)),
    endpoint(Method::POST, "/v1/admin/keys/{id}/disable", Access::Administrator, |route| route.to(keys::disable)),
    endpoint(Method::POST, "/v1/admin/keys/{id}/enable", Access::Administrator, |route| route.to(keys::enable)),
    endpoint(Method::GET, "/v1/admin/keys/{id}/usage", Access::Administrator, |route| route.to(usage::of_key)),
    endpoint(Method::GET, "/v1/admin/usage", Access::Administrator, |route| route.to(usage::report)),
    endpoint(Method::GET, "/v1/admin/audit", Access::Administrator, |route| route.to(audit::list)),
    endpoint(Method::GET, "/v1/admin/owners", Access::Administrator, |route| route.to(owners::list)),
    endpoint(Method::GET, "/v1/admin/owners/{id}", Access::Administrator, |route| route.to(owners::show)),
    endpoint(Method::GET, "/v1/admin/owners/{id}/limits", Access::Administrator, |route| route.to(owner_limits::show)),
    endpoint(Method::PUT, "/v1/admin/owners/{id}/limits", Access::Administrator, |route| {
        route.to(owner_limits::replace)
    }),
    endpoint(Method::GET, "/v1/admin/owners/{id}/plan", Access::Administrator, |route| route.to(plans::show_of_owner)),
    endpoint(Method::PUT, "/v1/admin/owners/{id}/plan", Access::Administrator, |route| route.to(plans::assign)),
    endpoint(Method::POST, "/v1/admin/owners/{id}/credits", Access::Administrator, |route| route.to(top_ups::owner)),
    endpoint(Method::POST, "/v1/admin/owners/{id}/disable", Access::Administrator, |route| route.to(owners::disable)),
    endpoint(Method::POST, "/v1/admin/owners/{id}/enable", Access::Administrator, |route| route.to(owners::enable)),
    endpoint(Method::GET, "/v1/admin/plans", Access::Administrator, |route| route.to(plans::list)),
    endpoint(Method::GET, "/v1/admin/plans/{name}", Access::Administrator, |route| route.to(plans::show)),
    endpoint(Method::PUT, "/v1/admin/plans/{name}", Access::Administrator, |route| route.to(plans::replace)),
    endpoint(Method::DELETE, "/v1/admin/plans/{name}", Access::Administrator, |route| route.to(plans::delete)),
    endpoint(Method::POST, "/v1/admin/tokens/revoke", Access::Administrator, |route| route.to(tokens::revoke)),
    endpoint(Method::POST, "/v1/console/sessions", Access::Backend, |route| route.to(console_sessions::create)),
    endpoint(Method::POST, paths::INTROSPECT, Access::OAuthClient, |route| route.to(oauth::introspect)),
    endpoint(Method::POST, paths::REVOKE, Access::OAuthClient, |route| route.to(oauth::revoke)),
    endpoint(Method::GET, "/.well-known/oauth-authorization-server", Access::Public(DOCUMENTS), |route| {
        route.to(oauth::metadata)
    }),
    endpoint(Method::GET, "/", Access::Public("redirects to the documentation, if so configured"), |route| {
        route.to(page::root)
    }),
    endpoint(Method::GET, problem_page::PATH, Access::Public(DOCUMENTS), |route| route.to(problem_page::list)),
    endpoint(Method::GET, "/problems/{code}", Access::Public(DOCUMENTS), |route| route.to(problem_page::show)),
    endpoint(Method::GET, "/openapi.json", Access::Public(DOCUMENTS), |route| route.to(openapi::openapi_json)),
    endpoint(Method::GET, "/docs", Access::Public(DOCUMENTS), |route| route.to(page::docs)),
    endpoint(Method::GET, "/docs/", Access::Public(DOCUMENTS), |route| route.to(page::index)),
    endpoint(Method::GET, "/docs/{file}", Access::Public(DOCUMENTS), |route| route.to(page::part)),
];

/// The OpenAPI document, generated on first use.
static DOCUMENT: LazyLock<page::File> = LazyLock::new(|| openapi::document(ENDPOINTS));

/// Configures [`ENDPOINTS`]. Everything else is answered 404, or 405 with `Allow`.
pub(super) fn configure(app: &mut ServiceConfig, services: &Data<Services>) {
    app.app_data(Data::new(openapi::Document(&DOCUMENT)));
    // A scope includes all paths below it, and is matched without a regular expression; every route after it would pay
    // for that.
    app.service(web::scope(paths::AUTHORIZE).default_service(at_gateways(services)));
    let mut configured = vec![paths::AUTHORIZE, paths::AUTHORIZE_BELOW];
    for endpoint in ENDPOINTS {
        if !configured.contains(&endpoint.path) {
            configured.push(endpoint.path);
            app.service(resource(endpoint.path, services));
        }
    }
    app.default_service(web::to(not_found));
}

/// Configures the metrics alone, for an address of their own.
pub(super) fn configure_metrics(app: &mut ServiceConfig, services: &Data<Services>) {
    app.service(resource(METRICS, services));
    app.default_service(web::to(not_found));
}

/// Configures what is besides the pages of the console at an address of their own: the way to them.
pub(super) fn configure_console(app: &mut ServiceConfig, _: &Data<Services>) {
    app.route("/", web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(page::to_console));
    app.default_service(web::to(not_found));
}

fn resource(path: &'static str, services: &Data<Services>) -> Resource {
    let endpoints = || ENDPOINTS.iter().filter(move |endpoint| endpoint.path == path);
    let allowed = allowed_methods(endpoints().map(|endpoint| &endpoint.method));
    endpoints()
        .fold(web::resource(path), |resource, endpoint| resource.route(route(endpoint, services)))
        .default_service(web::to(move |request| method_not_allowed(request, allowed)))
}

fn route(endpoint: &Endpoint, services: &Data<Services>) -> Route {
    let route = if endpoint.method == Method::GET {
        web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        web::method(endpoint.method.clone())
    };
    let route = match endpoint.handler {
        Handler::Actix(handler) => handler(route),
        Handler::Keyed(handler) => return route.service(Immediate(WithKey { services: services.clone(), handler })),
        Handler::Gateway => return route.service(at_gateways(services)),
    };
    // Documents and pages state how long they may be kept.
    let route = route.wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")));
    let route = if endpoint.is_strict() {
        let reads = openapi::reads(endpoint);
        route.wrap(from_fn(move |request, next| strict::refuse_what_is_not_read(reads, request, next)))
    } else {
        route
    };
    match endpoint.access {
        // The handler knows the token.
        Access::Public(_) | Access::Metrics => route,
        access => route.wrap(from_fn(move |request, next| authenticate::require(access, request, next))),
    }
}

fn at_gateways(services: &Data<Services>) -> Immediate<GatewayCheck> {
    Immediate(GatewayCheck { services: services.clone() })
}

/// Whether the handler for this method and path reads a body. Gateways may announce their client's body without sending
/// it. Few clients send a body with `DELETE`; one without a content type would be refused anyway, so it is not waited
/// for.
pub(super) fn takes_body(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    !paths::is_for_gateways(path)
        && match *method {
            Method::POST | Method::PUT | Method::PATCH => true,
            Method::DELETE => headers.contains_key(CONTENT_TYPE),
            _ => false,
        }
}

/// The value of `Allow`. Computed once per worker at startup and leaked.
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

async fn method_not_allowed(request: HttpRequest, allowed: &'static str) -> Answer {
    Err(if is_known(request.method()) { Reason::MethodNotAllowed(allowed) } else { Reason::UnknownMethod })
}

async fn not_found(request: HttpRequest) -> Answer {
    let method = request.method();
    // `OPTIONS *` addresses the server as a whole (RFC 9110 §9.3.7).
    if request.path() == "*" && method == Method::OPTIONS {
        return Ok(HttpResponse::NoContent().insert_header((ALLOW, METHODS)).finish());
    }
    Err(if is_known(method) { Reason::NotFound(Missing::Route) } else { Reason::UnknownMethod })
}

/// Whether RFC 9110 §9 or RFC 5789 defines the method, or it is `QUERY`, which is registered as well. Names are
/// case-sensitive.
fn is_known(method: &Method) -> bool {
    let is_of_the_standards = matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::CONNECT
            | Method::OPTIONS
            | Method::TRACE
            | Method::PATCH
    );
    is_of_the_standards || method.as_str() == "QUERY"
}
