//! What a middleware asks for.

use super::{Gate, Keyward};
use crate::domain::required_scope::RequiredScope;

/// Which credentials are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// API keys, in `x-api-key`. `Authorization` is not looked at, and may serve another purpose.
    Keys,
    /// JWTs, in `Authorization: Bearer`. `x-api-key` is not looked at.
    Tokens,
    /// Either. A request with both is refused, for two readers could choose different ones (RFC 6750 §3.1).
    KeysAndTokens,
}

/// A middleware that lets only those through who carry a good credential, and hands them to the handlers as
/// [`Principal`](crate::Principal). For `wrap`, of an application, a scope, a resource or a route.
///
/// Everybody else is answered as [`Refused`](crate::Refused) tells. Each `Protect` checks for itself, so that of two,
/// one within the other, both must be content.
///
/// ```no_run
/// use actix_web::{App, HttpServer, web};
/// use keyward::{Keyward, Principal, Protect, scope};
///
/// async fn orders(principal: Principal) -> String {
///     format!("the orders of {}", principal.owner().subject)
/// }
///
/// # async fn serve(keyward: Keyward) -> std::io::Result<()> {
/// HttpServer::new(move || {
///     let orders = web::scope("/orders")
///         .wrap(Protect::new(keyward.clone()).require(scope!("orders:read")))
///         .route("", web::get().to(orders));
///     App::new().app_data(keyward.clone()).service(orders)
/// })
/// # .bind(("127.0.0.1", 0))?.run().await
/// # }
/// ```
#[derive(Clone)]
pub struct Protect {
    pub(super) keyward: Keyward,
    pub(super) rules: Rules,
}

#[derive(Clone)]
pub(super) struct Rules {
    pub(super) credentials: Credentials,
    pub(super) scopes: Vec<RequiredScope>,
    /// Whether a request without any credential is let through.
    pub(super) optional: bool,
}

impl Rules {
    /// Any good credential.
    pub(super) fn default_of(gate: &Gate) -> Self {
        Self { credentials: gate.credentials, scopes: Vec::new(), optional: false }
    }
}

impl Protect {
    /// Asks for any good credential: an API key, or, where `keyward` trusts issuers of JWTs, one of those.
    pub fn new(keyward: Keyward) -> Self {
        Self { rules: Rules::default_of(keyward.gate()), keyward }
    }

    /// Takes these credentials and no others. JWTs are refused all the same where [`Keyward`] trusts no issuer.
    #[must_use]
    pub fn accept(mut self, credentials: Credentials) -> Self {
        self.rules.credentials = credentials;
        self
    }

    /// Asks for this scope, too. Whoever lacks it is answered 403.
    #[must_use]
    pub fn require(mut self, scope: RequiredScope) -> Self {
        self.rules.scopes.push(scope);
        self
    }

    /// Lets through who carries no credential at all: for handlers that take `Option<Principal>`. A credential
    /// that is there must be good, and have the scopes.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.rules.optional = true;
        self
    }
}
