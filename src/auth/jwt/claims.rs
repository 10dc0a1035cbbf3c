//! Derives an identity from verified claims, or the reason for a refusal.

use std::{ops::Range, sync::Arc, time::Duration};

use time::OffsetDateTime;

use super::{claim_path, scopes::ScopeRules};
use crate::{
    auth::strict_json::{Json, Object},
    config::{ClaimPath, Issuer, Jwt},
    domain::{
        denial::TokenFault,
        owner::{IDENTIFIER_MAX_BYTES, Owner},
        principal::TokenIdentity,
        token::TokenRecords,
    },
};

/// The last second of the year 9999, the latest possible date (RFC 3339 §1).
const LATEST_DATE: f64 = 253_402_300_799.0;
/// The claims that name the client that a token was issued to: OpenID Connect Core 1.0 §2, RFC 9068 §2.2, Okta,
/// Microsoft Entra ID version 1.
const PARTIES: [&str; 4] = ["azp", "client_id", "cid", "appid"];

/// As much of a plan's name is kept. It is longer than that of any plan.
const PLAN_MAX_CHARACTERS: usize = 64;

/// The configured requirements for claims. Times are in seconds.
pub(super) struct ClaimRules {
    issuer: Option<String>,
    audience: Vec<String>,
    authorized_parties: Vec<String>,
    leeway: f64,
    max_lifetime: f64,
    required: Vec<(ClaimPath, String)>,
    forbidden: Vec<ClaimPath>,
    subject_claim: ClaimPath,
    scopes: ScopeRules,
    tenant_claim: Option<ClaimPath>,
    disabled_claim: Option<ClaimPath>,
    plan_claim: Option<ClaimPath>,
    scope_bearing: bool,
}

/// The content of valid claims. Times are in seconds since 1970.
pub(super) struct Claimed {
    pub(super) identity: Arc<TokenIdentity>,
    /// The records that could revoke the token.
    pub(super) records: TokenRecords,
    pub(super) issued_at: Option<f64>,
    /// When the dates are valid. Within this range, no other claim can become invalid.
    pub(super) in_force: Range<f64>,
}

/// What the valid claims of a logout token say.
#[cfg(feature = "server")]
pub(super) struct LogoutClaims {
    pub(super) issuer: Box<str>,
    /// `sub`.
    pub(super) subject: Option<Box<str>>,
    /// The claim that names people in other tokens.
    pub(super) person: Option<Box<str>>,
    /// `sid`.
    pub(super) session: Option<Box<str>>,
    pub(super) issued_at: Option<OffsetDateTime>,
}

/// The claims that are dates.
struct Dates {
    expiry: f64,
    not_before: Option<f64>,
    issued_at: Option<f64>,
}

/// A timestamp in the form of token dates: seconds since 1970.
pub(super) fn seconds(instant: OffsetDateTime) -> f64 {
    instant.unix_timestamp_nanos() as f64 / 1e9
}

/// A date truncated to microseconds, the precision of the database.
fn instant(seconds: f64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos((seconds * 1e6).floor() as i128 * 1000).ok()
}

impl ClaimRules {
    /// The rules for tokens signed with the shared secret.
    pub(super) fn shared(settings: &Jwt) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            authorized_parties: Vec::new(),
            leeway: settings.leeway.as_secs_f64(),
            max_lifetime: settings.max_lifetime.as_secs_f64(),
            required: Vec::new(),
            forbidden: Vec::new(),
            subject_claim: "sub".parse().expect("a claim's name is a path"),
            scopes: ScopeRules::shared(settings.issuer.as_deref().unwrap_or_default(), settings.malformed_scopes),
            tenant_claim: settings.tenant_claim.clone(),
            disabled_claim: settings.disabled_claim.clone(),
            plan_claim: settings.plan_claim.clone(),
            scope_bearing: settings.scope_bearing,
        }
    }

    /// The rules for tokens of an issuer.
    pub(super) fn of(issuer: &Issuer) -> Self {
        Self {
            issuer: Some(issuer.issuer.clone()),
            audience: issuer.audience.clone(),
            authorized_parties: issuer.authorized_parties.clone(),
            leeway: issuer.leeway.as_secs_f64(),
            max_lifetime: issuer.max_lifetime.as_secs_f64(),
            required: issuer.required_claims.clone(),
            forbidden: issuer.forbidden_claims.clone(),
            subject_claim: issuer.subject_claim.clone(),
            scopes: ScopeRules::of(issuer),
            tenant_claim: issuer.tenant_claim.clone(),
            disabled_claim: issuer.disabled_claim.clone(),
            plan_claim: issuer.plan_claim.clone(),
            scope_bearing: issuer.scope_bearing,
        }
    }

    /// The same rules for tokens that are meant for this client. A rule against `nonce` tells access tokens from ID
    /// tokens, which have one; every other rule is about people, too.
    #[cfg(feature = "server")]
    pub(super) fn for_client(self, client_id: &str) -> Self {
        Self {
            audience: vec![client_id.to_owned()],
            // `azp` is compared with the client's name.
            authorized_parties: Vec::new(),
            forbidden: self.forbidden.into_iter().filter(|path| path.to_string() != "nonce").collect(),
            ..self
        }
    }

    /// Whether the tokens list all scopes that their bearers have.
    pub(super) fn is_scope_bearing(&self) -> bool {
        self.scope_bearing
    }

    /// Whether the tokens name the plan of their owner.
    pub(super) fn names_plans(&self) -> bool {
        self.plan_claim.is_some()
    }

    pub(super) fn check(&self, claims: &Object<'_>, now: OffsetDateTime) -> Result<Claimed, TokenFault> {
        let dates = self.check_dates(claims, seconds(now))?;
        self.check_audience(claims.get("aud"))?;
        self.check_party(claims)?;
        let has =
            |(path, text): &(ClaimPath, String)| claim_path::value(claims, path).and_then(Json::as_str) == Some(text);
        if !self.required.iter().all(has) {
            return Err(TokenFault::RequiredClaim);
        }
        if self.forbidden.iter().any(|path| claim_path::value(claims, path).is_some()) {
            return Err(TokenFault::ForbiddenClaim);
        }
        let subject: Box<str> =
            identifier(claim_path::value(claims, &self.subject_claim)).ok_or(TokenFault::Subject)?.into();
        let owner = match &self.tenant_claim {
            None => subject.clone(),
            Some(path) => identifier(claim_path::value(claims, path)).ok_or(TokenFault::Tenant)?.into(),
        };
        let owner = Owner { issuer: self.issuer(claims.get("iss"))?.into(), subject: owner };
        let records = TokenRecords::of(&owner.issuer, token_id(claims.get("jti"))?, &subject);
        let identity = TokenIdentity {
            owner,
            subject,
            scopes: self.scopes.read(claims, now)?,
            issued_at: dates.issued_at.and_then(instant),
            expires_at: OffsetDateTime::from_unix_timestamp(dates.expiry as i64).map_err(|_| TokenFault::Malformed)?,
            scope_bearing: self.scope_bearing,
            plan: self.plan(claims),
            disabled: self.is_disabled(claims),
            record: records.token,
        };
        Ok(Claimed {
            identity: Arc::new(identity),
            records,
            issued_at: dates.issued_at,
            in_force: self.in_force(&dates),
        })
    }

    /// Checks the claims of a logout token: rules about people don't apply, because it has nothing of them but the
    /// subject.
    #[cfg(feature = "server")]
    pub(super) fn check_logout(&self, claims: &Object<'_>, now: OffsetDateTime) -> Result<LogoutClaims, TokenFault> {
        let dates = self.check_dates(claims, seconds(now))?;
        self.check_audience(claims.get("aud"))?;
        let optional = |claim: Option<&Json<'_>>, fault| match claim {
            None => Ok(None),
            claim => identifier(claim).map(|name| Some(Box::from(name))).ok_or(fault),
        };
        Ok(LogoutClaims {
            issuer: self.issuer(claims.get("iss"))?.into(),
            subject: optional(claims.get("sub"), TokenFault::Subject)?,
            person: optional(claim_path::value(claims, &self.subject_claim), TokenFault::Subject)?,
            session: optional(claims.get("sid"), TokenFault::Subject)?,
            issued_at: dates.issued_at.and_then(instant),
        })
    }

    /// Rights on Keyward itself that the claims carry, and that are not the issuer's to give.
    pub(super) fn withheld(&self, claims: &Object<'_>) -> Vec<String> {
        self.scopes.withheld(claims)
    }

    /// Whether the bearers' keys belong to organisations.
    pub(super) fn names_organisations(&self) -> bool {
        self.tenant_claim.is_some()
    }

    /// Whether these rules apply to tokens with this `iss`.
    pub(super) fn is_about(&self, issuer: &str) -> bool {
        self.issuer.as_ref().is_none_or(|own| own == issuer)
    }

    /// The `iss` that tokens must have; `None` if any is accepted.
    pub(super) fn expected_issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// How long a token issued now may be accepted. [`check_dates`](Self::check_dates) adds the leeway three times: to
    /// a future `iat`, to the maximum lifetime, and to a past `exp`.
    pub(super) fn longest_life(&self) -> Duration {
        Duration::from_secs_f64(self.max_lifetime + 3.0 * self.leeway)
    }

    /// What is no text is no name of a plan either, and must not look like an absent claim.
    fn plan(&self, claims: &Object<'_>) -> Option<Box<str>> {
        match claim_path::value(claims, self.plan_claim.as_ref()?)? {
            Json::Null => None,
            value => Some(value.as_str().unwrap_or_default().chars().take(PLAN_MAX_CHARACTERS).collect()),
        }
    }

    /// Anything except `false` or `null` counts: an issuer that puts another value there means it.
    fn is_disabled(&self, claims: &Object<'_>) -> bool {
        let claim = self.disabled_claim.as_ref().and_then(|path| claim_path::value(claims, path));
        claim.is_some_and(|value| !matches!(value, Json::Bool(false) | Json::Null))
    }

    /// The dates of the token, if it is valid now.
    fn check_dates(&self, claims: &Object<'_>, now: f64) -> Result<Dates, TokenFault> {
        let expiry = date(claims.get("exp"))?.ok_or(TokenFault::ExpiryMissing)?;
        if now >= expiry + self.leeway {
            return Err(TokenFault::Expired);
        }
        let issued_at = date(claims.get("iat"))?;
        // If the token has no `iat`, only its remaining lifetime can be checked.
        let begin = issued_at.map_or(now, |issued_at| issued_at.min(now));
        if expiry > begin + self.max_lifetime + self.leeway {
            return Err(TokenFault::LifetimeTooLong);
        }
        let in_future = |instant: f64| instant > now + self.leeway;
        let not_before = date(claims.get("nbf"))?;
        if not_before.is_some_and(in_future) {
            return Err(TokenFault::NotYetValid);
        }
        if issued_at.is_some_and(in_future) {
            return Err(TokenFault::IssuedInFuture);
        }
        Ok(Dates { expiry, not_before, issued_at })
    }

    /// The instants at which [`check_dates`](Self::check_dates) accepts these dates, which it has accepted once. The
    /// range has a beginning too, because the clock may be set back.
    fn in_force(&self, dates: &Dates) -> Range<f64> {
        let earliest = [dates.not_before, dates.issued_at, Some(dates.expiry - self.max_lifetime)];
        let earliest = earliest.into_iter().flatten().fold(f64::MIN, f64::max);
        earliest - self.leeway..dates.expiry + self.leeway
    }

    fn issuer<'a>(&self, claim: Option<&'a Json<'_>>) -> Result<&'a str, TokenFault> {
        let issuer = match claim {
            None => "",
            Some(Json::Text(issuer)) => issuer,
            Some(_) => return Err(TokenFault::Issuer),
        };
        match &self.issuer {
            Some(expected) if expected != issuer => Err(TokenFault::Issuer),
            _ => storable(issuer).ok_or(TokenFault::Issuer),
        }
    }

    /// If a token has an audience, it must contain ours, which requires a configured audience (RFC 7519 §4.1.3).
    fn check_audience(&self, claim: Option<&Json<'_>>) -> Result<(), TokenFault> {
        let is_us = |value: &Json<'_>| value.as_str().is_some_and(|name| self.audience.iter().any(|own| own == name));
        let good = match claim {
            None => self.audience.is_empty(),
            Some(Json::List(names)) => names.iter().any(is_us),
            Some(name) => is_us(name),
        };
        if good { Ok(()) } else { Err(TokenFault::Audience) }
    }

    /// The client that the token was issued to must be accepted, under every claim that names it.
    fn check_party(&self, claims: &Object<'_>) -> Result<(), TokenFault> {
        if self.authorized_parties.is_empty() {
            return Ok(());
        }
        let is_taken =
            |party: &Json<'_>| party.as_str().is_some_and(|name| self.authorized_parties.iter().any(|own| own == name));
        let mut parties = PARTIES.iter().filter_map(|name| claims.get(name)).peekable();
        let good = parties.peek().is_some() && parties.all(is_taken);
        if good { Ok(()) } else { Err(TokenFault::AuthorizedParty) }
    }
}

/// The token's `jti`, by which it can be revoked (RFC 7519 §4.1.7). A `jti` that can't be looked up is refused, because
/// nobody could revoke the token.
fn token_id<'a>(claim: Option<&'a Json<'_>>) -> Result<Option<&'a str>, TokenFault> {
    match claim {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(name)) if name.is_empty() => Ok(None),
        claim => identifier(claim).map(Some).ok_or(TokenFault::TokenId),
    }
}

/// A non-empty string that identifies somebody.
fn identifier<'a>(claim: Option<&'a Json<'_>>) -> Option<&'a str> {
    claim.and_then(Json::as_str).filter(|name| !name.is_empty()).and_then(storable)
}

/// Postgres can't store NUL in text, and index entries are limited.
fn storable(text: &str) -> Option<&str> {
    (text.len() <= IDENTIFIER_MAX_BYTES && !text.contains('\0')).then_some(text)
}

/// A NumericDate: seconds since 1970, possibly with a fraction (RFC 7519 §2).
fn date(claim: Option<&Json<'_>>) -> Result<Option<f64>, TokenFault> {
    match claim {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if (0.0..=LATEST_DATE).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(TokenFault::Malformed),
        },
    }
}
