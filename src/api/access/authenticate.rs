//! The middleware in front of protected routes. It passes a [`Principal`](crate::domain::principal::Principal) to the
//! handler, or answers in its place. Routes for keys, which get the most requests, have their check in `key_check.rs`.

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Bytes,
};

use super::{
    caller::Administrator,
    root_span::{in_request, request_id},
};
use crate::api::{
    services::{answered, services},
    wire::{
        failure::{CredentialKind, Reason},
        request::form::Members,
    },
};
use crate::{
    auth::Undecided,
    domain::{
        denial::Denial,
        scope::{ADMIN_SCOPE, VERIFY_SCOPE},
        secret::SecretString,
        verdict::Verdict,
    },
    protect::{
        Credentials, HostApp, Refused,
        credentials::{self, BearerScheme, Presented},
        with_scope,
    },
};

/// Requires a valid JWT.
pub(crate) async fn require_token(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    with_token(BearerScheme::Required, request, next).await
}

/// The same, with or without the word `Bearer`, for the compatibility routes.
pub(crate) async fn require_token_with_or_without_scheme(
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
    let presented = credentials::bearer_token(request.headers(), scheme).map(Presented::Token);
    services(request.request()).gate.check(presented, request.request()).await
}

/// Requires a valid JWT with the administrators' scope.
pub(crate) async fn require_administrator(
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

/// Requires a JWT or an API key with the scope that lets services check keys.
pub(crate) async fn require_verifier(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let gate = &services(request.request()).gate;
    let (kind, presented) = gate.presented(request.request(), Credentials::KeysAndTokens);
    let verdict = gate.check(presented, request.request()).await;
    proceed(kind, verdict.map(|verdict| with_scope(verdict, VERIFY_SCOPE)), request, next).await
}

/// The same, but also accepts OAuth client authentication: a key as the password of `Basic`, or as `client_secret` in
/// the form (RFC 6749 §2.3.1). The client id is ignored, because the key identifies its owner.
pub(crate) async fn require_oauth_client(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let key = match credentials::basic_password(request.headers()) {
        None if !credentials::are_in_headers(request.headers()) => secret_in_form(&mut request).await.transpose(),
        key => key,
    };
    let Some(key) = key else {
        return require_verifier(request, next).await;
    };
    let presented = key.as_ref().map(|key| Presented::Key(key.expose().as_bytes())).map_err(|denial| *denial);
    let verdict = services(request.request()).gate.check(presented, request.request()).await;
    proceed(CredentialKind::Basic, verdict.map(|verdict| with_scope(verdict, VERIFY_SCOPE)), request, next).await
}

/// The `client_secret` of a form. The body is already in memory, within the server's limits, and remains available to
/// the handler.
async fn secret_in_form(request: &mut ServiceRequest) -> Result<Option<SecretString>, Denial> {
    let Ok(body) = request.extract::<Bytes>().await else { return Ok(None) };
    request.set_payload(Payload::from(body.clone()));
    // Other errors in the form concern only clients that are allowed to send it.
    let Ok(form) = Members::of(request.request(), &body) else { return Ok(None) };
    form.client_secret().map_err(|_| Denial::Ambiguous)
}

/// Requires a valid API key, in either header.
pub(crate) async fn require_own_key(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (kind, key) = credentials::own_key(request.headers());
    let verdict = services(request.request()).gate.check(key.map(Presented::Key), request.request()).await;
    proceed(kind, verdict, request, next).await
}

/// Requires an API key in any state, so that its holder can revoke it.
pub(crate) async fn require_key_holder(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (kind, key) = credentials::own_key(request.headers());
    let verdict = match key {
        Ok(key) => services(request.request()).gate.keys.check_holder(key).await,
        Err(denial) => Ok(Verdict::Denied(denial)),
    };
    proceed(kind, verdict, request, next).await
}

async fn proceed(
    kind: CredentialKind,
    verdict: Result<Verdict, Undecided>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match services(request.request()).gate.put(kind, verdict, request.request()) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(refused) => {
            let refusal = OwnRoutes.answer(request.request(), refused);
            Ok(answered(request, refusal))
        }
    }
}

/// Keyward's own routes: refusals have the format of the path, and log lines carry the request id.
pub(crate) struct OwnRoutes;

impl HostApp for OwnRoutes {
    fn answer(&self, _: &HttpRequest, refused: Refused) -> HttpResponse {
        HttpResponse::from_error(Reason::from(refused))
    }

    fn in_request(&self, request: &HttpRequest, log: &mut dyn FnMut()) {
        in_request(request, log);
    }

    fn request_id(&self, request: &HttpRequest) -> Option<String> {
        request_id(request).to_str().ok().map(str::to_owned)
    }
}
