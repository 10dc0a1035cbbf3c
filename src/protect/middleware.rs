//! [`Protect`]: the middleware in front of protected routes.
//!
//! A `Service` instead of `from_fn`: most keys are in memory and are checked synchronously, so the request continues
//! without a boxed future, which only a first check needs.

use std::{
    future::{Ready, ready},
    rc::Rc,
};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use futures_util::{
    TryFutureExt,
    future::{Either, LocalBoxFuture, MapOk},
};

use super::{Credentials, Keyward, Refused, rules::Rules};
use crate::domain::{limits::Allowance, scope::required::RequiredScope};

/// A middleware that admits only requests with a valid credential, and provides it to handlers as a
/// [`Principal`](crate::Principal). For `wrap` of an application, a scope, a resource or a route.
///
/// Other requests are answered with a [`Refused`](crate::Refused). Each `Protect` checks independently; of two nested
/// ones, both must admit the request, which uses a key's limits once.
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

impl Protect {
    /// Requires any valid credential: an API key, or a JWT if `keyward` trusts issuers.
    pub fn new(keyward: Keyward) -> Self {
        Self { rules: Rules::any_of(keyward.gate().credentials), keyward }
    }

    /// Accepts only these credentials. JWTs are refused in any case if [`Keyward`] trusts no issuer.
    #[must_use]
    pub fn accept(mut self, credentials: Credentials) -> Self {
        self.rules.credentials = credentials;
        self
    }

    /// Also requires this scope. A credential without it is answered 403.
    #[must_use]
    pub fn require(mut self, scope: RequiredScope) -> Self {
        self.rules.scopes.push(scope);
        self
    }

    /// Admits requests without a credential, for handlers that take `Option<Principal>`. A presented credential must
    /// still be valid and have the scopes.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.rules.optional = true;
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for Protect
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = ProtectService<S>;
    type Future = Ready<Result<ProtectService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(ProtectService { protect: Rc::new(self.clone()), behind: Rc::new(service) }))
    }
}

/// The middleware with the service behind it.
pub struct ProtectService<S> {
    protect: Rc<Protect>,
    behind: Rc<S>,
}

/// The response of the protected service, with its body boxed.
type ProtectedResponse<F, B> = MapOk<F, fn(ServiceResponse<B>) -> ServiceResponse<BoxBody>>;

impl<S, B> Service<ServiceRequest> for ProtectService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future =
        Either<ProtectedResponse<S::Future, B>, LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>>>;

    forward_ready!(behind);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let Protect { keyward, rules } = &*self.protect;
        match keyward.gate().check_request(request.request(), rules).now() {
            Some(Ok(None)) => Either::Left(self.behind.call(request).map_ok(ServiceResponse::map_into_boxed_body)),
            Some(Ok(limits)) => {
                let (protect, behind) = (Rc::clone(&self.protect), Rc::clone(&self.behind));
                Either::Right(Box::pin(async move { admit(&protect, request, &*behind, limits).await }))
            }
            Some(Err(refused)) => Either::Right(Box::pin(ready(Ok(answer(&self.protect, request, refused))))),
            None => Either::Right(Box::pin(first_check(Rc::clone(&self.protect), request, Rc::clone(&self.behind)))),
        }
    }
}

/// The check of a credential that is not in memory.
async fn first_check<S, B>(
    protect: Rc<Protect>,
    request: ServiceRequest,
    behind: Rc<S>,
) -> Result<ServiceResponse<BoxBody>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    match protect.keyward.gate().check_request(request.request(), &protect.rules).await {
        Ok(limits) => admit(&protect, request, &*behind, limits).await,
        Err(refused) => Ok(answer(&protect, request, refused)),
    }
}

/// The response to an admitted request, which tells what is left of its limits.
async fn admit<S, B>(
    protect: &Protect,
    request: ServiceRequest,
    behind: &S,
    limits: Option<Allowance>,
) -> Result<ServiceResponse<BoxBody>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let mut response = behind.call(request).await?.map_into_boxed_body();
    if let Some(limits) = limits {
        protect.keyward.gate().tell_limits(&limits, response.headers_mut());
    }
    Ok(response)
}

fn answer(protect: &Protect, request: ServiceRequest, refused: Refused) -> ServiceResponse<BoxBody> {
    let answer = protect.keyward.gate().host.answer(request.request(), refused);
    request.into_response(answer)
}
