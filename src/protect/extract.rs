//! The extractors: the caller of a request as a handler's argument.
//!
//! A [`Principal`] argument protects its handler: if no middleware has checked the request, the extractor does. So a
//! route can't forget the check (`docs/decisions/0022-the-signature-is-the-protection.md`).

use std::{
    fmt,
    future::{Ready, ready},
    marker::PhantomData,
    ops::Deref,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web::Data};
use futures_util::future::{Either, LocalBoxFuture};

use super::{Cause, CredentialKind, Keyward, Refused, gate::Anonymous, rules::Rules};
use crate::domain::{
    denial::Denial,
    principal::Principal,
    scope::required::{NamedScope, RequiredScope},
};

/// The extracted value: immediately, or after a check.
type Extracted<T> = Either<Ready<Result<T, Refused>>, LocalBoxFuture<'static, Result<T, Refused>>>;

/// The bearer of a valid credential. If no [`Protect`](crate::Protect) has checked the request, the extractor does,
/// with the [`Keyward`] from the application's `app_data`.
///
/// `Option<Principal>` is `None` if [`Protect::optional`](crate::Protect::optional) admits a request without a
/// credential. Without a `Protect`, it is also `None` for refused requests; `Result<Principal, Refused>` distinguishes
/// the two.
impl FromRequest for Principal {
    type Error = Refused;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        principal(request, None)
    }
}

/// `scope`: what the handler demands, if this is the first check of the request.
fn principal(request: &HttpRequest, scope: Option<RequiredScope>) -> Extracted<Principal> {
    if let Some(principal) = found(request) {
        return Either::Left(ready(Ok(principal)));
    }
    if let Some(Anonymous(kind)) = request.extensions().get() {
        return Either::Left(ready(Err(refused(request, *kind, Denial::Missing))));
    }
    let Some(keyward) = keyward_of(request) else {
        let route = request.match_pattern().unwrap_or_else(|| "none".to_owned());
        tracing::error!(
            route,
            "a handler takes a Principal, but the application has no Keyward: add it with .app_data(keyward.clone()); \
             answering 503"
        );
        return Either::Left(ready(Err(Refused::new(Cause::Undecided))));
    };
    let rules = Rules { scopes: scope.into_iter().collect(), ..Rules::any_of(keyward.gate().credentials) };
    if let Some(decided) = keyward.gate().check_request(request, &rules).now() {
        return Either::Left(ready(decided.map(|_| found(request).expect("who is let through is in the request"))));
    }
    let (keyward, request) = (keyward.clone(), request.clone());
    Either::Right(Box::pin(async move {
        keyward.gate().check_request(&request, &rules).await?;
        Ok(found(&request).expect("who is let through is in the request"))
    }))
}

/// The principal that an earlier check has inserted.
fn found(request: &HttpRequest) -> Option<Principal> {
    request.extensions().get().cloned()
}

/// The application's [`Keyward`], even if it was wrapped in [`Data`] out of habit.
fn keyward_of(request: &HttpRequest) -> Option<&Keyward> {
    request.app_data::<Keyward>().or_else(|| request.app_data::<Data<Keyward>>().map(|keyward| &***keyward))
}

/// Logs the refusal if possible: with only a middleware, no [`Keyward`] is available here.
fn refused(request: &HttpRequest, kind: CredentialKind, denial: Denial) -> Refused {
    match keyward_of(request) {
        Some(keyward) => keyward.gate().refuse(kind, denial, request),
        None => Refused::new(Cause::Denied(kind, denial.public())),
    }
}

/// The bearer of a valid credential with the scope `S`. Other requests are answered 403, or as for a [`Principal`].
///
/// ```
/// use keyward::{Authorized, scope};
///
/// scope!(OrdersRead = "orders:read");
///
/// async fn orders(customer: Authorized<OrdersRead>) -> String {
///     format!("the orders of {}", customer.owner().subject)
/// }
/// ```
pub struct Authorized<S> {
    principal: Principal,
    scope: PhantomData<fn() -> S>,
}

impl<S> Authorized<S> {
    /// The principal.
    pub fn into_principal(self) -> Principal {
        self.principal
    }
}

impl<S: NamedScope> Authorized<S> {
    fn of(principal: Principal, request: &HttpRequest) -> Result<Self, Refused> {
        let scope = S::SCOPE.as_str();
        if principal.scopes().contains(scope) {
            return Ok(Self { principal, scope: PhantomData });
        }
        let kind = if principal.key().is_some() { CredentialKind::ApiKey } else { CredentialKind::Token };
        Err(refused(request, kind, Denial::Scope(scope)))
    }
}

impl<S> Deref for Authorized<S> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

impl<S> Clone for Authorized<S> {
    fn clone(&self) -> Self {
        Self { principal: self.principal.clone(), scope: PhantomData }
    }
}

impl<S> fmt::Debug for Authorized<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Authorized").field(&self.principal).finish()
    }
}

impl<S: NamedScope> FromRequest for Authorized<S> {
    type Error = Refused;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        match principal(request, Some(S::SCOPE)) {
            Either::Left(found) => {
                Either::Left(ready(found.into_inner().and_then(|principal| Self::of(principal, request))))
            }
            Either::Right(asked) => {
                let request = request.clone();
                Either::Right(Box::pin(async move { Self::of(asked.await?, &request) }))
            }
        }
    }
}
