//! A route, and who may call it.

use actix_web::{Route, http::Method};

use super::{access::key_check::KeyedHandler, wire::failure::Dialect};

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
    /// Who holds a good API key, in either header.
    OwnKey,
    /// Who holds an API key, be it revoked, expired or used from the wrong place: to end it.
    KeyHolder,
    /// Services: who holds a JWT or an API key with the scope `keyward:verify`.
    Verifier,
    /// The same, in the way of OAuth's clients, too: with the key as the password of `Basic`.
    OAuthClient,
    /// Who holds a JWT with the scope `keyward:admin`.
    Administrator,
    /// Gateways, which hand on what their clients send: the handler decides whether those may do what they ask
    /// for. With any method, for it may be the client's.
    Forwarded,
}

/// One route.
pub struct Endpoint {
    /// The method. `HEAD` is answered wherever `GET` is (RFC 9110 §9.3.2), and any other for `Access::Forwarded`.
    pub method: Method,
    /// The path.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    pub(super) handler: Handler,
}

impl Endpoint {
    /// Whether what the route has no use for is refused (`strict.rs`). Gateways hand on what their clients send; OAuth has
    /// its own rules (RFC 6749 §3.2), as the guide has; and what anybody may read is asked for by load balancers and browsers, which
    /// add what they like.
    pub(super) fn is_strict(&self) -> bool {
        let is_open = matches!(self.access, Access::Public(_) | Access::Forwarded);
        !is_open && Dialect::of_path(self.path) == Dialect::Standard
    }
}

/// What answers a request.
pub(super) enum Handler {
    /// A handler of actix, behind the middleware that `access` names.
    Actix(fn(Route) -> Route),
    /// One that its check calls, and nobody else.
    Keyed(KeyedHandler),
    /// `GatewayCheck`, whatever the method.
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

/// What a route reads of a request besides its head.
#[derive(Clone, Copy)]
pub(super) struct Reads {
    pub(super) query: bool,
    pub(super) body: bool,
}
