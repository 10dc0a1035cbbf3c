//! `/v1/authorize`: may the client of a gateway do what it asks for? The gateway hands on the client's headers, lets the
//! request through on 200, and puts the headers of that answer in the place of the client's own.
//!
//! - `credential`: which of the client's headers holds a credential
//! - `scopes`: what the address that the gateway asks at demands besides
//! - `grant`: who the client is, as headers
//!
//! A handler and no middleware, and what must be waited for in a box: a key that memory knows costs no more futures
//! than `/healthz` does.

mod credential;
mod grant;
mod scopes;

use actix_web::{HttpRequest, HttpResponse};
use time::OffsetDateTime;

pub use self::credential::Authorize;
use self::credential::Presented;
use super::{
    authenticate::{log_refusal, refused, stop_owner},
    failure::{CredentialKind, Failure, Reason},
    services, undone,
};
use crate::{
    auth::Undecided,
    domain::verdict::{Denial, TokenFault, Verdict},
};

/// Where gateways ask.
pub(super) const PATH: &str = "/v1/authorize";

/// `/v1/authorize`, and below.
pub(super) async fn authorize(request: HttpRequest) -> Result<HttpResponse, Failure> {
    match at_once(&request) {
        Some(answer) => answer,
        None => Box::pin(in_time(&request)).await,
    }
}

/// The answer that needs nothing but memory.
fn at_once(request: &HttpRequest) -> Option<Result<HttpResponse, Failure>> {
    let services = services(request);
    let verdict = match services.authorize.credential(request.headers()) {
        Ok(Presented::Key(key)) => {
            let address = services.proxies.client_address(request.head());
            services.keys.check_from_memory(key, OffsetDateTime::now_utc(), address)?
        }
        Ok(Presented::Token(_)) => return None,
        Err(denial) => Verdict::Denied(denial),
    };
    Some(decide(request, verdict))
}

/// The answer that must be waited for: a key's first check, and tokens, for whose keys an issuer may be asked.
async fn in_time(request: &HttpRequest) -> Result<HttpResponse, Failure> {
    let verdict = verdict(request).await.map_err(|undecided| undone(request, &undecided, "decide on a credential"))?;
    if let Verdict::OwnerDisabled(identity) = &verdict {
        stop_owner(request, identity).await;
    }
    decide(request, verdict)
}

async fn verdict(request: &HttpRequest) -> Result<Verdict, Undecided> {
    let services = services(request);
    let now = OffsetDateTime::now_utc();
    match services.authorize.credential(request.headers()) {
        Ok(Presented::Key(key)) => services.keys.check(key, now, services.proxies.client_address(request.head())).await,
        Ok(Presented::Token(token)) => services.tokens.verify(token, now).await,
        Err(denial) => Ok(Verdict::Denied(denial)),
    }
}

fn decide(request: &HttpRequest, verdict: Verdict) -> Result<HttpResponse, Failure> {
    judge(request, verdict).map_err(|reason| Failure::new(request.path(), reason))
}

fn judge(request: &HttpRequest, verdict: Verdict) -> Result<HttpResponse, Reason> {
    let kind = CredentialKind::Either;
    let principal = match verdict {
        Verdict::Granted(principal) => principal,
        Verdict::Denied(denial) => return Err(refused(request, kind, denial)),
        Verdict::OwnerDisabled(_) => return Err(refused(request, kind, Denial::Token(TokenFault::OwnerDisabled))),
    };
    let demanded = scopes::demanded(request)?;
    if demanded.beyond(principal.scopes()).next().is_some() {
        log_refusal(request, Denial::Scopes);
        return Err(Reason::InsufficientScopes(kind, demanded.to_string()));
    }
    Ok(grant::of(&principal))
}
