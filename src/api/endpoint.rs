//! A route and its access rule.

use actix_web::{Route, http::Method};

use super::{access::key_check::KeyedHandler, wire::failure::Dialect};

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, for the given reason.
    Public(&'static str),
    /// A JWT, with or without the word `Bearer`: a compatibility route.
    CompatibilityToken,
    /// A JWT.
    Token,
    /// An API key in `x-api-key`.
    ApiKey,
    /// A valid API key, in either header.
    OwnKey,
    /// An API key in any state and from any address, to revoke itself.
    KeyHolder,
    /// Services: a JWT or an API key with the scope `keyward:verify`.
    Verifier,
    /// The same, but also by OAuth client authentication: with the key as the password of `Basic`.
    OAuthClient,
    /// The backend of a product: a JWT or an API key with the scope `keyward:console`, or a JWT with `keyward:admin`.
    Backend,
    /// A JWT with the scope `keyward:admin`.
    Administrator,
    /// Who may read the metrics: anyone, or with `metrics.token` only who presents it. Only where metrics are served.
    Metrics,
    /// Gateways, which forward what their clients send; the handler decides whether the client's request is allowed.
    /// Any method, because it may be the client's.
    Forwarded,
}

/// One route.
pub struct Endpoint {
    /// The method. `HEAD` works wherever `GET` does (RFC 9110 §9.3.2), and any method works for `Access::Forwarded`.
    pub method: Method,
    /// The path, as an actix pattern.
    pub path: &'static str,
    /// Who may call the route.
    pub access: Access,
    pub(super) handler: Handler,
}

impl Endpoint {
    /// Whether unknown parameters and unexpected bodies are refused (`strict.rs`). Not for gateways, which forward what
    /// their clients send; not for OAuth, which has its own rules (RFC 6749 §3.2); not for the compatibility routes;
    /// and not for public routes and metrics, to which load balancers and browsers add parameters of their own.
    pub(super) fn is_strict(&self) -> bool {
        let is_open = matches!(self.access, Access::Public(_) | Access::Metrics | Access::Forwarded);
        !is_open && Dialect::of_path(self.path) == Dialect::Standard
    }
}

/// The handler of a request.
pub(super) enum Handler {
    /// An actix handler behind the middleware for `access`.
    Actix(fn(Route) -> Route),
    /// A handler that only its key check calls.
    Keyed(KeyedHandler),
    /// `GatewayCheck`, for any method.
    Gateway,
}

pub(super) const fn endpoint(
    method: Method,
    path: &'static str,
    access: Access,
    handler: fn(Route) -> Route,
) -> Endpoint {
    Endpoint { method, path, access, handler: Handler::Actix(handler) }
}

pub(super) const fn with_key(method: Method, path: &'static str, handler: KeyedHandler) -> Endpoint {
    Endpoint { method, path, access: Access::ApiKey, handler: Handler::Keyed(handler) }
}

pub(super) const fn for_gateways(path: &'static str) -> Endpoint {
    Endpoint { method: Method::GET, path, access: Access::Forwarded, handler: Handler::Gateway }
}

/// What a route reads besides the request's head.
#[derive(Clone, Copy)]
pub(crate) struct Reads {
    pub(crate) query: bool,
    pub(crate) body: bool,
}
