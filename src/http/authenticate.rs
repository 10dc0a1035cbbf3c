//! The middleware that stands before every protected route. It hands the handler a [`Principal`],
//! or answers in its place. The one for keys, which is asked most, is `key_check.rs`.

use std::future::{Ready, ready};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};
use time::OffsetDateTime;

use super::{
    Services,
    credentials::{self, BearerScheme},
    failure::{CredentialKind, Failure, Reason},
    root_span::in_request,
};
use crate::{
    auth::Undecided,
    domain::{
        principal::Principal,
        verdict::{Denial, Verdict},
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
    let verdict = match credentials::bearer_token(request.headers(), scheme) {
        Ok(token) => services(&request).tokens.verify(token, OffsetDateTime::now_utc()),
        Err(denial) => Verdict::Denied(denial),
    };
    proceed(CredentialKind::Token, Ok(verdict), request, next).await
}

async fn proceed(
    kind: CredentialKind,
    verdict: Result<Verdict, Undecided>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
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
        Ok(Verdict::Denied(denial)) => {
            log_refusal(request, denial);
            Reason::Denied(kind, denial.public())
        }
        Err(undecided) => {
            in_request(request.request(), || {
                tracing::error!(error = %undecided, "could not decide on a credential; answering 503");
            });
            Reason::Unavailable
        }
    };
    Err(Failure::new(request.path(), reason))
}

fn log_refusal(request: &ServiceRequest, denial: Denial) {
    let second = OffsetDateTime::now_utc().unix_timestamp().unsigned_abs();
    if let Some(untold) = services(request).refusals.admit(second) {
        in_request(request.request(), || tracing::info!(reason = denial.code(), untold, "refused a request"));
    }
}

pub(super) fn services(request: &ServiceRequest) -> &Services {
    request.app_data::<Data<Services>>().expect("server.rs gives every application its services")
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
