//! `/v1/authorize`: decides whether a gateway's client may do what it requests. The gateway forwards the client's
//! headers, lets the request through on 200, and replaces the client's headers with those of the answer.
//!
//! - `credential`: finds the credential in the client's headers
//! - `original`: reconstructs the client's request
//! - `scopes`: the scopes that the gateway's URL demands in addition
//! - `grant`: the client's identity as headers

mod credential;
mod grant;
mod original;
mod scopes;

use std::{collections::BTreeSet, future::Future, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Data};

pub use self::credential::Authorize;
use crate::api::{
    access::immediate::ImmediateHandler,
    services::Services,
    wire::failure::{Answer, Reason},
};
use crate::{
    auth::{Checked, Undecided},
    domain::{
        denial::Denial,
        policy::{Demand, Policy, Shown, Unmet},
        verdict::Verdict,
    },
    protect::{CredentialKind, Gate},
};

/// The kind of credential that clients need.
const KIND: CredentialKind = CredentialKind::Either;

/// The service for gateway requests.
#[derive(Clone)]
pub(crate) struct GatewayCheck {
    pub(crate) services: Data<Services>,
}

impl ImmediateHandler for GatewayCheck {
    fn answer<'a>(&'a self, request: &'a HttpRequest) -> Checked<HttpResponse, impl Future<Output = HttpResponse>> {
        let services = &self.services;
        // Before the credential is checked, because without a matching rule no credential helps.
        let policy = services.authorize.policy();
        let demanded = match demand(services, request, policy.as_deref()) {
            Ok(demanded) => demanded,
            Err(reason) => return Checked::Now(HttpResponse::from_error(reason)),
        };
        let presented = services.authorize.credential(request.headers());
        match services.gate.check(presented, request) {
            Checked::Now(verdict) => Checked::Now(respond(decide(&services.gate, request, demanded, verdict))),
            Checked::Later(waiting) => Checked::Later(async move {
                let verdict = waiting.await;
                // The policy may have changed in the meantime.
                let policy = services.authorize.policy();
                let demanded = demand(services, request, policy.as_deref());
                respond(demanded.and_then(|demanded| decide(&services.gate, request, demanded, verdict)))
            }),
        }
    }
}

fn respond(judged: Answer) -> HttpResponse {
    judged.unwrap_or_else(HttpResponse::from_error)
}

/// What the policy demands for this request; only a valid credential if there is no policy.
fn demand<'a>(
    services: &Services,
    request: &HttpRequest,
    policy: Option<&'a Arc<Policy>>,
) -> Result<Option<&'a Demand>, Reason> {
    let Some(policy) = policy else { return Ok(None) };
    let first = original::asked(request, policy.looks_at(), &services.gate.proxies).and_then(|asked| {
        policy.first(&asked).map_err(|unmet| match unmet {
            Unmet::NoRule => Denial::NoRule,
            Unmet::Unknown => Denial::RequestUnknown,
            Unmet::OnlyByFolding => Denial::RequestUnclear,
        })
    });
    match first {
        Ok((_, rule)) => Ok(Some(&rule.demand)),
        Err(denial) => Err(services.gate.refuse(KIND, denial, request).into()),
    }
}

fn decide(gate: &Gate, request: &HttpRequest, demand: Option<&Demand>, verdict: Result<Verdict, Undecided>) -> Answer {
    // A bad credential is refused even where anonymous access is allowed: its bearer does not intend to be anonymous.
    let nobody = matches!(verdict, Ok(Verdict::Denied(Denial::Missing)));
    if nobody && demand.is_some_and(|demand| demand.anonymous) && scopes::demanded(request)?.is_empty() {
        return Ok(grant::of_nobody());
    }
    let principal = gate.decide(KIND, verdict, request)?;
    let asked_for = scopes::demanded(request)?;
    let by_rule = demand.and_then(|demand| demand.refusal(Shown::from(&principal)));
    let by_address = asked_for.beyond(principal.scopes()).next().map(|_| Denial::Scopes);
    match by_rule.or(by_address) {
        None => Ok(grant::of(&principal, gate.tokens.verifier())),
        Some(Denial::Scopes) => {
            gate.note_refusal(Denial::Scopes, request);
            let all: BTreeSet<&str> = demand.into_iter().flat_map(Demand::scopes).chain(asked_for.iter()).collect();
            Err(Reason::InsufficientScopes(KIND, all.into_iter().collect::<Vec<_>>().join(" ")))
        }
        Some(denial) => Err(gate.refuse(KIND, denial, request).into()),
    }
}
