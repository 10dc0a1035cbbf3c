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
    caller::{Administrator, UnknownPlan},
    root_span::{in_request, request_id},
};
use crate::api::{
    endpoint::Access,
    services::{Services, answered, services, unavailable},
    wire::{
        failure::{CredentialKind, Reason},
        request::form::Members,
    },
};
use crate::{
    auth::{Undecided, administrators::Reading},
    domain::{
        denial::Denial,
        limits::Spending,
        policy::Shown,
        ports::Right,
        principal::{Principal, TokenIdentity},
        scope::{ADMIN_SCOPE, CONSOLE_SCOPE, VERIFY_SCOPE},
        secret::SecretString,
        verdict::Verdict,
    },
    protect::{
        Credentials, HostApp, Refused,
        credentials::{self, BearerScheme, Presented},
        without_scope,
    },
};

/// Lets a request pass that has the credential which `access` requires.
pub(crate) async fn require(
    access: Access,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (kind, verdict) = check(access, &mut request).await;
    let rights = match &verdict {
        Ok(Verdict::Granted(principal)) if matches!(access, Access::Administrator | Access::Backend) => {
            rights(access, principal, request.request()).await
        }
        _ => Ok(Rights::default()),
    };
    let Rights { lacking, reading: _reading } = match rights {
        Ok(rights) => rights,
        Err(reason) => return Ok(answered(request, HttpResponse::from_error(reason))),
    };
    let verdict = lacking.map_or(verdict, |denial| Ok(Verdict::Denied(denial)));
    if matches!(access, Access::Token | Access::CompatibilityToken)
        && let Ok(Verdict::Granted(principal)) = &verdict
        && let Err(reason) = follow_plan(principal, request.request()).await
    {
        return Ok(answered(request, HttpResponse::from_error(reason)));
    }
    match services(request.request()).gate.put(kind, verdict, request.request()) {
        Ok(limits) => {
            let mut response = next.call(request).await?.map_into_boxed_body();
            if let Some(limits) = limits {
                let request = response.request().clone();
                services(&request).gate.tell_limits(&limits, response.headers_mut());
            }
            Ok(response)
        }
        Err(refused) => Ok(answered(request, HttpResponse::from_error(Reason::from(refused)))),
    }
}

/// Rights on Keyward itself.
#[derive(Default)]
struct Rights {
    /// Why the caller has none.
    lacking: Option<Denial>,
    /// An administrator's turn, until the request is answered.
    reading: Option<Reading>,
}

/// Finds out whether tokens give rights on Keyward itself. Those of disabled owners don't: an owner's keys stop when the
/// owner is disabled, and whoever disables an administrator or a backend means what they can do. Not for those who verify
/// keys, which happens on every request of an API and asks the database nothing.
async fn rights(access: Access, principal: &Principal, request: &HttpRequest) -> Result<Rights, Reason> {
    let Some(TokenIdentity { owner, .. }) = principal.token() else { return Ok(Rights::default()) };
    let Services { gate, ledger, .. } = services(request);
    let right = match access {
        Access::Administrator if request.method().is_safe() => Right::ToRead,
        Access::Administrator => Right::ToChange,
        _ => Right::ToHandOver,
    };
    let found = async {
        let reading = match right {
            Right::ToRead => Some(gate.administrators.read(principal.actor()).await?),
            _ => None,
        };
        let keeps_right = ledger.keeps_right(owner, &principal.actor(), right).await?;
        Ok(Rights { lacking: (!keeps_right).then_some(Denial::RightsOfDisabledOwner), reading })
    };
    found.await.map_err(|undecided: Undecided| {
        if undecided.is_of_a_busy_owner() {
            gate.log_busy_owner(request, Some(owner), &undecided);
            return Reason::OwnerBusy;
        }
        gate.could_not_decide(&undecided, request).into()
    })
}

/// Puts the owner on the plan that their token claims. One that does not exist is remembered for whoever adds
/// something: what the owner may have is not known.
async fn follow_plan(principal: &Principal, request: &HttpRequest) -> Result<(), Reason> {
    let Some(identity) = principal.token().filter(|identity| identity.plan.is_some()) else { return Ok(()) };
    let followed = services(request).gate.follow_plan(identity, principal.actor(), request).await;
    if let Some(plan) = followed.map_err(unavailable(request, "put an owner on the plan in a token"))? {
        request.extensions_mut().insert(UnknownPlan(plan));
    }
    Ok(())
}

type Checked = (CredentialKind, Result<Verdict, Undecided>);

async fn check(access: Access, request: &mut ServiceRequest) -> Checked {
    match access {
        Access::Token => check_token(BearerScheme::Required, request).await,
        Access::CompatibilityToken => check_token(BearerScheme::Optional, request).await,
        Access::Administrator => {
            let token = credentials::bearer_token(request.headers(), BearerScheme::Required).map(Presented::Token);
            let gate = &services(request.request()).gate;
            let verdict =
                gate.check_for(token, request.request(), Spending::default(), without_scope(ADMIN_SCOPE)).await;
            let kind = CredentialKind::Token;
            if matches!(verdict, Ok(Verdict::Granted(_))) {
                request.extensions_mut().insert(Administrator);
            }
            (kind, verdict)
        }
        Access::Verifier => check_verifier(request).await,
        Access::Backend => check_backend(request).await,
        Access::OAuthClient => check_oauth_client(request).await,
        Access::OwnKey => {
            let (kind, key) = credentials::own_key(request.headers());
            (kind, services(request.request()).gate.check(key.map(Presented::Key), request.request()).await)
        }
        Access::KeyHolder => match credentials::own_key(request.headers()) {
            (kind, Ok(key)) => (kind, services(request.request()).gate.keys.check_holder(key).await),
            (kind, Err(denial)) => (kind, Ok(Verdict::Denied(denial))),
        },
        Access::Public(_) | Access::Metrics | Access::ApiKey | Access::Forwarded => {
            unreachable!("not behind this middleware")
        }
    }
}

async fn check_token(scheme: BearerScheme, request: &ServiceRequest) -> Checked {
    let presented = credentials::bearer_token(request.headers(), scheme).map(Presented::Token);
    (CredentialKind::Token, services(request.request()).gate.check(presented, request.request()).await)
}

async fn check_verifier(request: &ServiceRequest) -> Checked {
    let gate = &services(request.request()).gate;
    let (kind, presented) = gate.presented(request.request(), Credentials::KeysAndTokens);
    (kind, gate.check_for(presented, request.request(), Spending::default(), without_scope(VERIFY_SCOPE)).await)
}

/// An administrator may do what any backend may. No key is an administrator's.
async fn check_backend(request: &ServiceRequest) -> Checked {
    let gate = &services(request.request()).gate;
    let (kind, presented) = gate.presented(request.request(), Credentials::KeysAndTokens);
    let demand = |shown: Shown<'_>| {
        let is_administrator = shown.key_of.is_none() && shown.scopes.contains(ADMIN_SCOPE);
        if is_administrator { None } else { without_scope(CONSOLE_SCOPE)(shown) }
    };
    (kind, gate.check_for(presented, request.request(), Spending::default(), demand).await)
}

/// Like a verifier, but also accepts OAuth client authentication: a key as the password of `Basic`, or as
/// `client_secret` in the form (RFC 6749 §2.3.1). The client id is ignored, because the key identifies its owner.
async fn check_oauth_client(request: &mut ServiceRequest) -> Checked {
    let key = match credentials::basic_password(request.headers()) {
        None if !credentials::are_in_headers(request.headers()) => secret_in_form(request).await.transpose(),
        key => key,
    };
    let Some(key) = key else { return check_verifier(request).await };
    let presented = key.as_ref().map(|key| Presented::Key(key.expose().as_bytes())).map_err(|denial| *denial);
    let gate = &services(request.request()).gate;
    (
        CredentialKind::Basic,
        gate.check_for(presented, request.request(), Spending::default(), without_scope(VERIFY_SCOPE)).await,
    )
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
