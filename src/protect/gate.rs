//! The gate: decides on a request.

use std::{fmt, future::Future, sync::Arc};

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use futures_util::future::Either;
use time::OffsetDateTime;

use super::{
    BoundedLog, Cause, CredentialKind, Credentials, HostApp, LimitReport, Refused, TrustedProxies,
    request::credentials::{self, Presented},
    response::limit_headers,
    rules::Rules,
};
use crate::{
    auth::{
        Checked, Undecided, administrators::Administrators, jwt::Unverified, keys::check::KeyChecker,
        lifecycle::Lifecycle, tokens::check::TokenChecker,
    },
    config::LegacyHeaders,
    domain::{
        api_key::KeyId,
        audit::{Actor, Author},
        denial::{Denial, TokenFault},
        limits::{Allowance, Spending},
        owner::Owner,
        owner_id,
        policy::Shown,
        principal::Principal,
        verdict::Verdict,
    },
    telemetry::metrics::counting::Counters,
};

/// Everything that a check needs. Shared by all workers.
pub(crate) struct Gate {
    /// Checks tokens.
    pub(crate) tokens: TokenChecker,
    /// Checks keys.
    pub(crate) keys: KeyChecker,
    /// Disables an owner when a token states that they are disabled.
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// The proxies that are trusted to state a client's address.
    pub(crate) proxies: TrustedProxies,
    /// Bounds the log of refusals.
    pub(crate) refusals: BoundedLog,
    /// Bounds the log of requests that exceeded a limit. Separate from `refusals`, so that a flood over a limit does
    /// not hide other refusals.
    pub(crate) limited: BoundedLog,
    /// Whether responses have the older headers about limits, too.
    pub(crate) legacy_headers: LegacyHeaders,
    /// Bounds the log of requests that failed in an outage. Separate, so that neither kind suppresses the other.
    pub(crate) outages: BoundedLog,
    /// How many requests were refused, by the place of the reason among [`Denial::codes`].
    pub(crate) denials: Counters,
    /// The accepted credentials, unless a `Protect` overrides them.
    pub(crate) credentials: Credentials,
    /// Who reads what belongs to everybody.
    pub(crate) administrators: Administrators,
    /// The format of responses and log lines.
    pub(crate) host: &'static dyn HostApp,
}

/// The limits of whoever was admitted, if there are any, or the refusal.
pub(crate) type Admitted = Result<Option<Allowance>, Refused>;

/// Marks a request that was admitted without a credential. The kind is the one to ask for.
pub(super) struct Anonymous(pub(super) CredentialKind);

impl Gate {
    /// Checks the request's credential under these rules. Inserts the [`Principal`] into the request and returns its
    /// limits, or refuses it.
    pub(super) fn check_request<'a>(
        &'a self,
        request: &'a HttpRequest,
        rules: &'a Rules,
    ) -> Checked<Admitted, impl Future<Output = Admitted>> {
        let (kind, presented) = self.presented(request, rules.credentials);
        let lacks = |shown: Shown<'_>| {
            let missing = rules.scopes.iter().find(|scope| !shown.scopes.contains(scope.as_str()));
            missing.map(|scope| Denial::Scope(scope.as_str()))
        };
        let spending = Spending { used_already: self.has_used(request, &presented), ..Spending::default() };
        match self.check_for(presented, request, spending, lacks) {
            Checked::Now(verdict) => Checked::Now(self.admit(kind, verdict, request, rules)),
            Checked::Later(waiting) => Checked::Later(async move { self.admit(kind, waiting.await, request, rules) }),
        }
    }

    /// Whether an earlier check has admitted the request with this key, as of two nested `Protect`s the outer one has.
    fn has_used(&self, request: &HttpRequest, presented: &Result<Presented<'_>, Denial>) -> bool {
        let extensions = request.extensions();
        let Some(key) = extensions.get::<Principal>().and_then(Principal::key) else { return false };
        matches!(presented, Ok(Presented::Key(text)) if self.keys.name_of(text) == Some(key.id))
    }

    /// Checks a credential, or its absence, for a request that demands nothing more.
    pub(crate) fn check<'a>(
        &'a self,
        presented: Result<Presented<'a>, Denial>,
        request: &'a HttpRequest,
    ) -> Checked<Result<Verdict, Undecided>, impl Future<Output = Result<Verdict, Undecided>>> {
        self.check_for(presented, request, Spending::default(), |_| None)
    }

    /// Checks a credential, or its absence. Every check of a request's own credential uses this function; verification
    /// and introspection look at the keys in a request's body by [`KeyChecker::examine`]. `spending`: what the request
    /// uses of a key's limits. `demand` returns what a valid credential lacks: it is asked before anything is taken
    /// from a key's limits, so that a refusal costs nothing.
    pub(crate) fn check_for<'a>(
        &'a self,
        presented: Result<Presented<'a>, Denial>,
        request: &'a HttpRequest,
        spending: Spending<'a>,
        demand: impl Fn(Shown<'_>) -> Option<Denial> + 'a,
    ) -> Checked<Result<Verdict, Undecided>, impl Future<Output = Result<Verdict, Undecided>>> {
        let now = OffsetDateTime::now_utc();
        match presented {
            Ok(Presented::Key(key)) => {
                match self.keys.check_for(key, now, self.proxies.client_address(request), spending, demand) {
                    Checked::Now(verdict) => Checked::Now(verdict),
                    Checked::Later(waiting) => Checked::Later(Either::Left(waiting)),
                }
            }
            Ok(Presented::Token(token)) => match self.tokens.check(token, now) {
                // The cache contains no tokens with disabled owners.
                Checked::Now(verdict) => Checked::Now(verdict.map(|verdict| demanding(verdict, &demand))),
                Checked::Later(waiting) => Checked::Later(Either::Right(async move {
                    let verdict = waiting.await?;
                    if let Verdict::OwnerDisabled(identity) = &verdict {
                        self.stop_owner(identity, request).await;
                    }
                    Ok(demanding(verdict, &demand))
                })),
            },
            Err(denial) => Checked::Now(Ok(Verdict::Denied(denial))),
        }
    }

    /// The request's credential, among those that are accepted, and its kind for a challenge.
    pub(crate) fn presented<'a>(
        &self,
        request: &'a HttpRequest,
        taken: Credentials,
    ) -> (CredentialKind, Result<Presented<'a>, Denial>) {
        credentials::presented(request.headers(), taken, |text| self.keys.is_key(text))
    }

    fn admit(
        &self,
        kind: CredentialKind,
        verdict: Result<Verdict, Undecided>,
        request: &HttpRequest,
        rules: &Rules,
    ) -> Admitted {
        if rules.optional && matches!(verdict, Ok(Verdict::Denied(Denial::Missing))) {
            let mut extensions = request.extensions_mut();
            extensions.remove::<Principal>();
            extensions.insert(Anonymous(kind));
            return Ok(None);
        }
        self.put(kind, verdict, request)
    }

    /// Inserts the [`Principal`] into the request and returns its limits, or logs and returns the refusal.
    pub(crate) fn put(
        &self,
        kind: CredentialKind,
        verdict: Result<Verdict, Undecided>,
        request: &HttpRequest,
    ) -> Admitted {
        let principal = self.decide(kind, verdict, request)?;
        let limits = principal.limits().cloned();
        request.extensions_mut().insert(principal);
        Ok(limits)
    }

    /// The principal of the request, or the refusal, whose reason is logged.
    pub(crate) fn decide(
        &self,
        kind: CredentialKind,
        verdict: Result<Verdict, Undecided>,
        request: &HttpRequest,
    ) -> Result<Principal, Refused> {
        match verdict {
            Ok(Verdict::Granted(principal)) => Ok(principal),
            Ok(Verdict::Denied(denial)) => Err(self.refuse(kind, denial, request)),
            Ok(Verdict::Limited(exceeded)) => {
                let denial = Denial::from(&exceeded);
                let report = LimitReport::of_refusal(&exceeded, self.legacy_headers);
                Err(self.refuse(kind, denial, request).reporting(report))
            }
            Ok(Verdict::OwnerDisabled(_)) => Err(self.refuse(kind, Denial::Token(TokenFault::OwnerDisabled), request)),
            Err(undecided) => Err(self.could_not_decide(&undecided, request)),
        }
    }

    /// Tells in a response what is left of these limits.
    pub(crate) fn tell_limits(&self, allowance: &Allowance, response: &mut HeaderMap) {
        limit_headers::tell_limits(allowance, self.legacy_headers, response);
    }

    /// The refusal in an outage.
    pub(crate) fn could_not_decide(&self, undecided: &Undecided, request: &HttpRequest) -> Refused {
        self.log_outage(request, &mut |suppressed| {
            let client = self.proxies.client_address(request).map(tracing::field::display);
            tracing::error!(error = %undecided, client, suppressed, "could not decide on a credential; answering 503");
        });
        Refused::new(Cause::Undecided)
    }

    /// The refusal for a denial, whose private reason is logged.
    pub(crate) fn refuse(&self, kind: CredentialKind, denial: Denial, request: &HttpRequest) -> Refused {
        self.note_refusal(denial, request);
        Refused::new(Cause::Denied(kind, denial.public()))
    }

    /// Counts a refusal that needs no line in the log.
    pub(crate) fn count_denial(&self, denial: Denial) {
        self.denials.add(denial.place(), 1);
    }

    /// Counts a refusal, and logs its reason.
    pub(crate) fn note_refusal(&self, denial: Denial, request: &HttpRequest) {
        self.count_denial(denial);
        let line = &mut |suppressed| {
            let key_id = self.presented_key(request).map(tracing::field::display);
            let client = self.proxies.client_address(request).map(tracing::field::display);
            let token = self.describe_token(denial, request).unwrap_or_default();
            let Unverified { tried, issuer, key_id: kid, algorithm, audience, .. } = &token;
            tracing::info!(
                reason = denial.code(),
                key_id,
                issuer = tried.as_deref(),
                token_iss = issuer.as_deref(),
                token_kid = kid.as_deref(),
                token_alg = algorithm.as_deref(),
                token_aud = audience.as_deref().filter(|_| denial == Denial::Token(TokenFault::Audience)),
                hint = hint(denial, &token),
                client,
                suppressed,
                "refused a request"
            );
        };
        // A client that floods a limit must not hide who tries keys.
        let bound = if matches!(denial, Denial::RateLimited(_) | Denial::CreditsExhausted(_)) {
            &self.limited
        } else {
            &self.refusals
        };
        self.log(bound, request, line);
    }

    /// What the token of a request claims about itself, if that may be why it is refused.
    fn describe_token(&self, denial: Denial, request: &HttpRequest) -> Option<Unverified> {
        if !matches!(denial, Denial::Token(_) | Denial::Scope(_) | Denial::Scopes) {
            return None;
        }
        let headers = request.headers();
        let of = |value: &HeaderValue| {
            let value = value.as_bytes();
            self.tokens.verifier().describe(credentials::strip_bearer(value).unwrap_or(value))
        };
        // A gateway may be configured to read others.
        headers.get(AUTHORIZATION).and_then(of).or_else(|| headers.iter().find_map(|(_, value)| of(value)))
    }

    /// The id of the presented key, in whichever header it is. Only text with a valid tag counts as a key.
    fn presented_key(&self, request: &HttpRequest) -> Option<KeyId> {
        let headers = request.headers();
        let bare = |value: &HeaderValue| {
            let value = value.as_bytes();
            self.keys.name_of(credentials::strip_bearer(value).unwrap_or(value))
        };
        let as_password = || match credentials::basic_password(headers) {
            Some(Ok(password)) => self.keys.name_of(password.expose().as_bytes()),
            _ => None,
        };
        headers.iter().find_map(|(_, value)| bare(value)).or_else(as_password)
    }

    /// Logs a request that failed in an outage; `line` gets the number of suppressed lines before it.
    pub(crate) fn log_outage(&self, request: &HttpRequest, line: &mut dyn FnMut(u64)) {
        self.log(&self.outages, request, line);
    }

    /// Logs a request that gave up waiting for others of its owner: `error` says for what. `owner`: whose it is, unless
    /// the request has a [`Principal`].
    pub(crate) fn log_busy_owner(&self, request: &HttpRequest, owner: Option<&Owner>, error: &dyn fmt::Display) {
        let known = request.extensions().get::<Principal>().map(|principal| owner_id::write(principal.owner()));
        let owner = known.or_else(|| owner.map(owner_id::write));
        // As with limits: whoever floods must not hide an outage.
        self.log(&self.limited, request, &mut |suppressed| {
            let client = self.proxies.client_address(request).map(tracing::field::display);
            tracing::warn!(%error, owner, client, suppressed, "an owner has too many requests at once; answering 429");
        });
    }

    /// Logs one line, unless the limit of this second is reached; the next line states how many were suppressed.
    fn log(&self, bound: &BoundedLog, request: &HttpRequest, line: &mut dyn FnMut(u64)) {
        if let Some(suppressed) = bound.admit() {
            self.host.in_request(request, &mut || line(suppressed));
        }
    }

    /// The author of changes by this request.
    pub(crate) fn author(&self, request: &HttpRequest, actor: Actor) -> Author {
        let address = self.proxies.client_address(request);
        Author { actor, address, request_id: self.host.request_id(request), handed_over_by: None }
    }
}

/// What the operator may have overlooked.
fn hint(denial: Denial, token: &Unverified) -> Option<String> {
    match denial {
        Denial::Token(_) => token.near_miss.clone(),
        _ if token.withheld.is_empty() => None,
        _ => Some(format!(
            "the token carries {}, which keyward_scopes of its issuer's table in jwt.issuers does not name",
            token.withheld.join(" ")
        )),
    }
}

/// Denies the verdict if the credential lacks something.
fn demanding(verdict: Verdict, demand: impl Fn(Shown<'_>) -> Option<Denial>) -> Verdict {
    match &verdict {
        Verdict::Granted(principal) => demand(Shown::from(principal)).map_or(verdict, Verdict::Denied),
        _ => verdict,
    }
}

/// What a credential without this scope lacks.
pub(crate) fn without_scope(scope: &'static str) -> impl Fn(Shown<'_>) -> Option<Denial> {
    move |shown| (!shown.scopes.contains(scope)).then_some(Denial::Scope(scope))
}
