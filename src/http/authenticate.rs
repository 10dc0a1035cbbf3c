//! The middleware that stands before every protected route. It hands the handler a [`Principal`],
//! or answers in its place. The one for keys, which is asked most, is `key_check.rs`.

use std::future::{Ready, ready};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header::AUTHORIZATION,
    middleware::Next,
};
use time::OffsetDateTime;

use super::{
    credentials::{self, API_KEY_HEADER, BearerScheme},
    editor::{self, Administrator},
    failure::{CredentialKind, Failure, Reason},
    root_span::in_request,
    services,
};
use crate::{
    auth::Undecided,
    domain::{
        audit::Actor,
        principal::{ADMIN_SCOPE, Principal, TokenIdentity, VERIFY_SCOPE},
        verdict::{Denial, TokenFault, Verdict},
    },
};

/// Lets a request through that carries a good JWT.
pub(super) async fn require_token(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    with_token(BearerScheme::Required, request, next).await
}

/// The same, with or without the word `Bearer`.
pub(super) async fn require_token_as_the_guide_does(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    with_token(BearerScheme::Optional, request, next).await
}

async fn with_token(
    scheme: BearerScheme,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = token_verdict(&request, scheme).await;
    proceed(CredentialKind::Token, verdict, request, next).await
}

async fn token_verdict(request: &ServiceRequest, scheme: BearerScheme) -> Result<Verdict, Undecided> {
    match credentials::bearer_token(request.headers(), scheme) {
        Ok(token) => services(request.request()).tokens.verify(token, OffsetDateTime::now_utc()).await,
        Err(denial) => Ok(Verdict::Denied(denial)),
    }
}

/// Lets a request through that carries a good JWT with the scope of administrators.
pub(super) async fn require_administrator(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = token_verdict(&request, BearerScheme::Required).await;
    let verdict = verdict.map(|verdict| with_scope(verdict, ADMIN_SCOPE));
    if matches!(verdict, Ok(Verdict::Granted(_))) {
        request.extensions_mut().insert(Administrator);
    }
    proceed(CredentialKind::Token, verdict, request, next).await
}

/// Lets a request of a service through: with a JWT or an API key that may ask about keys.
pub(super) async fn require_verifier(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let carries_key = request.headers().contains_key(&API_KEY_HEADER);
    let (kind, verdict) = if !carries_key {
        (CredentialKind::Token, token_verdict(&request, BearerScheme::Required).await)
    } else if request.headers().contains_key(&AUTHORIZATION) {
        // Two kinds of credential at once (RFC 6750 §3.1).
        (CredentialKind::Token, Ok(Verdict::Denied(Denial::Ambiguous)))
    } else {
        (CredentialKind::ApiKey, key_verdict(&request).await)
    };
    proceed(kind, verdict.map(|verdict| with_scope(verdict, VERIFY_SCOPE)), request, next).await
}

/// The same in the way of OAuth's clients, too: `Basic` with a key as the password (RFC 6749 §2.3.1). Its user
/// name does not matter: the key says whose it is.
pub(super) async fn require_oauth_client(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(key) = credentials::basic_password(request.headers()) else {
        return require_verifier(request, next).await;
    };
    let verdict = match key {
        Ok(key) => check_key(&request, key.expose().as_bytes()).await,
        Err(denial) => Ok(Verdict::Denied(denial)),
    };
    proceed(CredentialKind::Basic, verdict.map(|verdict| with_scope(verdict, VERIFY_SCOPE)), request, next).await
}

fn with_scope(verdict: Verdict, scope: &'static str) -> Verdict {
    match verdict {
        Verdict::Granted(principal) if !principal.scopes().contains(scope) => Verdict::Denied(Denial::Scope(scope)),
        verdict => verdict,
    }
}

/// Lets a request through that carries an API key, whatever may be done with it: it is to be ended.
pub(super) async fn require_key_holder(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = match credentials::api_key(request.headers()) {
        Ok(key) => services(request.request()).keys.check_holder(key).await,
        Err(denial) => Ok(Verdict::Denied(denial)),
    };
    proceed(CredentialKind::ApiKey, verdict, request, next).await
}

/// What becomes of the key that a request carries.
pub(super) async fn key_verdict(request: &ServiceRequest) -> Result<Verdict, Undecided> {
    match credentials::api_key(request.headers()) {
        Ok(key) => check_key(request, key).await,
        Err(denial) => Ok(Verdict::Denied(denial)),
    }
}

async fn check_key(request: &ServiceRequest, key: &[u8]) -> Result<Verdict, Undecided> {
    let services = services(request.request());
    let address = services.proxies.client_address(request.head());
    services.keys.check(key, OffsetDateTime::now_utc(), address).await
}

async fn proceed(
    kind: CredentialKind,
    verdict: Result<Verdict, Undecided>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Ok(Verdict::OwnerDisabled(identity)) = &verdict {
        stop_owner(request.request(), identity).await;
    }
    match admit(kind, verdict, &request) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(failure) => Ok(request.into_response(HttpResponse::from_error(failure))),
    }
}

/// Puts the [`Principal`] into the request, or says (and logs) why there is none.
pub(super) fn admit(
    kind: CredentialKind,
    verdict: Result<Verdict, Undecided>,
    request: &ServiceRequest,
) -> Result<(), Failure> {
    let reason = match verdict {
        Ok(Verdict::Granted(principal)) => {
            request.extensions_mut().insert(principal);
            return Ok(());
        }
        Ok(Verdict::Denied(denial)) => refused(request.request(), kind, denial),
        Ok(Verdict::OwnerDisabled(_)) => refused(request.request(), kind, Denial::Token(TokenFault::OwnerDisabled)),
        Err(undecided) => {
            in_request(request.request(), || {
                tracing::error!(error = %undecided, "could not decide on a credential; answering 503");
            });
            Reason::Unavailable
        }
    };
    Err(Failure::new(request.path(), reason))
}

/// What a denial is answered with. Its private reason goes to the log.
pub(super) fn refused(request: &HttpRequest, kind: CredentialKind, denial: Denial) -> Reason {
    log_refusal(request, denial);
    Reason::Denied(kind, denial.public())
}

pub(super) fn log_refusal(request: &HttpRequest, denial: Denial) {
    let second = OffsetDateTime::now_utc().unix_timestamp().unsigned_abs();
    if let Some(untold) = services(request).refusals.admit(second) {
        in_request(request, || tracing::info!(reason = denial.code(), untold, "refused a request"));
    }
}

/// The issuer says that this owner is disabled, so the owner's keys must stop, too. The bearer is refused
/// in any case; what could not be done now is done when such a token comes again.
pub(super) async fn stop_owner(request: &HttpRequest, identity: &TokenIdentity) {
    let services = services(request);
    let actor = Actor::Token { issuer: identity.owner.issuer.clone(), subject: identity.subject.clone() };
    let author = editor::author(request, services, actor);
    if let Err(error) = services.lifecycle.stop_owner(identity, author, OffsetDateTime::now_utc()).await {
        in_request(request, || tracing::error!(%error, "could not stop the keys of a disabled owner"));
    }
}

impl FromRequest for Principal {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let principal = request.extensions().get::<Self>().cloned();
        ready(principal.ok_or_else(|| {
            in_request(request, || tracing::error!("a route without a check asked who the request is from"));
            Failure::new(request.path(), Reason::Internal)
        }))
    }
}
