//! `/v1/authorize`: decides whether a gateway's client may do what it requests. The gateway forwards the client's
//! headers, lets the request through on 200, and replaces the client's headers with those of the answer.
//!
//! - `credential`: finds the credential in the client's headers
//! - `original`: reconstructs the client's request
//! - `url`: what the gateway's URL demands in addition
//! - `grant`: the client's identity as headers

mod credential;
mod grant;
mod original;
mod url;

use std::{future::Future, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use arc_swap::Guard;

pub use self::credential::Authorize;
use self::url::ByUrl;
use crate::api::{
    access::immediate::ImmediateHandler,
    services::Services,
    wire::failure::{Answer, NeededScopes, Reason},
};
use crate::{
    auth::{Checked, Undecided},
    domain::{
        denial::Denial,
        limits::Spending,
        policy::{Demand, Policy, Shown, Unmet},
        usage::UsageTag,
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
        let headers = request.headers();
        // Before the credential is checked, because without a matching rule no credential helps.
        let demanded = match Demanded::of(services, request) {
            Ok(demanded) => demanded,
            Err(reason) => return Checked::Now(HttpResponse::from_error(reason)),
        };
        let presented = services.authorize.credential(headers);
        let lacks = |shown: Shown<'_>| demanded.refusal(shown);
        if let Some(verdict) = services.gate.check_for(presented, request, demanded.spending(), lacks).now() {
            return Checked::Now(respond(decide(&services.gate, request, &demanded, verdict)));
        }
        Checked::Later(async move {
            let presented = services.authorize.credential(headers);
            let lacks = |shown: Shown<'_>| demanded.refusal(shown);
            let verdict = services.gate.check_for(presented, request, demanded.spending(), lacks).await;
            // The policy may have changed in the meantime.
            let demanded = Demanded::of(services, request);
            respond(demanded.and_then(|demanded| {
                let verdict = verdict.map(|verdict| demanded.judge(verdict));
                decide(&services.gate, request, &demanded, verdict)
            }))
        })
    }
}

fn respond(judged: Answer) -> HttpResponse {
    judged.unwrap_or_else(HttpResponse::from_error)
}

/// What is demanded for a request.
struct Demanded {
    /// The policy with the position of the first rule that matches; only a valid credential if there is no policy.
    rule: Option<(Guard<Arc<Policy>>, usize)>,
    /// What the gateway's URL demands.
    by_url: Result<ByUrl, Reason>,
}

impl Demanded {
    fn of(services: &Services, request: &HttpRequest) -> Result<Self, Reason> {
        let rule = match services.authorize.policy() {
            Some(policy) => match first_rule(services, request, &policy) {
                Ok(place) => Some((policy, place)),
                Err(denial) => return Err(services.gate.refuse(KIND, denial, request).into()),
            },
            None => None,
        };
        Ok(Self { rule, by_url: url::demanded(request) })
    }

    fn by_rule(&self) -> Option<&Demand> {
        self.rule.as_ref().map(|(policy, place)| &policy.rules()[*place].demand)
    }

    /// What the request uses of a key's limits. The URL only raises what the rule says: some gateways forward their
    /// client's query.
    fn spending(&self) -> Spending<'_> {
        let at_least = self.by_url.as_ref().map_or(0, |by_url| by_url.cost);
        let by_rule = self.by_rule();
        Spending {
            cost: by_rule.and_then(|demand| demand.cost),
            at_least,
            only: by_rule.map_or(&[], |demand| &demand.limits),
            tag: by_rule.and_then(|demand| demand.tag.as_ref()).map_or_else(UsageTag::default, |named| named.tag),
            free: self.is_for_anybody(),
            used_already: false,
        }
    }

    /// Whether the request would be granted without any credential. Then nobody pays for one that they present.
    fn is_for_anybody(&self) -> bool {
        let by_url = |by_url: &ByUrl| by_url.scopes.is_empty() && by_url.cost == 0;
        self.by_rule().is_some_and(|demand| demand.anonymous) && self.by_url.as_ref().is_ok_and(by_url)
    }

    /// Why this credential does not suffice. If the URL is invalid, none does: [`decide`] says so.
    fn refusal(&self, shown: Shown<'_>) -> Option<Denial> {
        let Ok(by_url) = &self.by_url else { return Some(Denial::Scopes) };
        let by_address = || by_url.scopes.beyond(shown.scopes).next().map(|_| Denial::Scopes);
        self.by_rule().and_then(|demand| demand.refusal(shown)).or_else(by_address)
    }

    /// The verdict, if what it grants suffices.
    fn judge(&self, verdict: Verdict) -> Verdict {
        match &verdict {
            Verdict::Granted(principal) => self.refusal(Shown::from(principal)).map_or(verdict, Verdict::Denied),
            _ => verdict,
        }
    }
}

/// The position of the rule for this request.
fn first_rule(services: &Services, request: &HttpRequest, policy: &Policy) -> Result<usize, Denial> {
    let asked = original::asked(request, policy.looks_at(), &services.gate.proxies)?;
    let first = policy.first(&asked).map_err(|unmet| match unmet {
        Unmet::NoRule => Denial::NoRule,
        Unmet::Unknown => Denial::RequestUnknown,
        Unmet::OnlyByFolding => Denial::RequestUnclear,
    });
    first.map(|(place, _)| place)
}

/// The answer to a verdict that took account of what is demanded.
fn decide(gate: &Gate, request: &HttpRequest, demanded: &Demanded, verdict: Result<Verdict, Undecided>) -> Answer {
    let by_rule = demanded.by_rule();
    let may_be_anonymous = by_rule.is_some_and(|demand| demand.anonymous);
    // A bad credential is refused even where anonymous access is allowed: its bearer does not intend to be anonymous.
    if may_be_anonymous
        && matches!(verdict, Ok(Verdict::Denied(Denial::Missing)))
        && demanded.by_url.clone()?.scopes.is_empty()
    {
        return Ok(grant::of_nobody());
    }
    // The credential is valid.
    if matches!(verdict, Ok(Verdict::Denied(Denial::Scopes))) {
        let scopes = demanded.by_url.clone()?.scopes;
        gate.note_refusal(Denial::Scopes, request);
        let all = by_rule.into_iter().flat_map(|demand| demand.scopes_all.iter()).chain(scopes.iter());
        let any = by_rule.into_iter().flat_map(|demand| demand.scopes_any.iter());
        return Err(Reason::InsufficientScopes(KIND, NeededScopes::new(all, any)));
    }
    let principal = gate.decide(KIND, verdict, request)?;
    let mut granted = grant::of(&principal, gate.tokens.verifier());
    if let Some(limits) = principal.limits() {
        gate.tell_limits(limits, granted.headers_mut());
    }
    Ok(granted)
}
