//! From verified claims to an identity, or the reason why not.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::{
    config::Jwt,
    domain::{
        principal::{IDENTIFIER_MAX_BYTES, Owner, Scopes, TokenIdentity},
        verdict::TokenFault,
    },
};

/// The last second of the year 9999, the latest that a date can be (RFC 3339 §1).
const LATEST_DATE: f64 = 253_402_300_799.0;

/// What the configuration demands of claims. Times are in seconds.
pub(super) struct Policy {
    issuer: Option<String>,
    audience: Vec<String>,
    leeway: f64,
    max_lifetime: f64,
    tenant_claim: Option<String>,
    disabled_claim: Option<String>,
}

impl Policy {
    pub(super) fn new(settings: &Jwt) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            leeway: settings.leeway.as_secs_f64(),
            max_lifetime: settings.max_lifetime.as_secs_f64(),
            tenant_claim: settings.tenant_claim.clone(),
            disabled_claim: settings.disabled_claim.clone(),
        }
    }

    pub(super) fn identity(
        &self,
        claims: &Map<String, Value>,
        now: OffsetDateTime,
    ) -> Result<TokenIdentity, TokenFault> {
        self.check_dates(claims, now.unix_timestamp_nanos() as f64 / 1e9)?;
        self.check_audience(claims.get("aud"))?;
        let subject: Box<str> = identifier(claims.get("sub")).ok_or(TokenFault::Subject)?.into();
        let owner = match &self.tenant_claim {
            None => subject.clone(),
            Some(name) => identifier(claims.get(name)).ok_or(TokenFault::Tenant)?.into(),
        };
        let owner = Owner { issuer: self.issuer(claims.get("iss"))?.into(), subject: owner };
        Ok(TokenIdentity { owner, subject, scopes: scopes(claims.get("scope"))?, disabled: self.is_disabled(claims) })
    }

    /// Anything but a plain `false` in the claim counts: an issuer that says something there means it.
    fn is_disabled(&self, claims: &Map<String, Value>) -> bool {
        let claim = self.disabled_claim.as_ref().and_then(|name| claims.get(name));
        claim.is_some_and(|value| !matches!(value, Value::Bool(false) | Value::Null))
    }

    fn check_dates(&self, claims: &Map<String, Value>, now: f64) -> Result<(), TokenFault> {
        let expiry = date(claims.get("exp"))?.ok_or(TokenFault::ExpiryMissing)?;
        if now >= expiry + self.leeway {
            return Err(TokenFault::Expired);
        }
        let issued_at = date(claims.get("iat"))?;
        // Where a token does not say when its life began, only the rest of it can be judged.
        let begin = issued_at.map_or(now, |issued_at| issued_at.min(now));
        if expiry > begin + self.max_lifetime + self.leeway {
            return Err(TokenFault::LifetimeTooLong);
        }
        let in_future = |instant: f64| instant > now + self.leeway;
        if date(claims.get("nbf"))?.is_some_and(in_future) {
            return Err(TokenFault::NotYetValid);
        }
        if issued_at.is_some_and(in_future) {
            return Err(TokenFault::IssuedInFuture);
        }
        Ok(())
    }

    fn issuer(&self, claim: Option<&Value>) -> Result<String, TokenFault> {
        let issuer = match claim {
            None => "",
            Some(Value::String(issuer)) => issuer,
            Some(_) => return Err(TokenFault::Issuer),
        };
        match &self.issuer {
            Some(expected) if expected != issuer => Err(TokenFault::Issuer),
            _ => Ok(storable(issuer).ok_or(TokenFault::Issuer)?.to_owned()),
        }
    }

    /// A token that names its audience must name us, and can't when we have no name (RFC 7519 §4.1.3).
    fn check_audience(&self, claim: Option<&Value>) -> Result<(), TokenFault> {
        let is_us = |value: &Value| value.as_str().is_some_and(|name| self.audience.iter().any(|own| own == name));
        let good = match claim {
            None => self.audience.is_empty(),
            Some(Value::Array(names)) => names.iter().any(is_us),
            Some(name) => is_us(name),
        };
        if good { Ok(()) } else { Err(TokenFault::Audience) }
    }
}

/// A name of somebody: a text that is not empty.
fn identifier(claim: Option<&Value>) -> Option<&str> {
    claim.and_then(Value::as_str).filter(|name| !name.is_empty()).and_then(storable)
}

/// Postgres keeps no NUL in a text, and an index entry has its limits.
fn storable(text: &str) -> Option<&str> {
    (text.len() <= IDENTIFIER_MAX_BYTES && !text.contains('\0')).then_some(text)
}

/// The scopes of RFC 8693 §4.2, one string with spaces between; an array is taken too.
fn scopes(claim: Option<&Value>) -> Result<Scopes, TokenFault> {
    let parsed = match claim {
        None => Ok(Scopes::default()),
        Some(Value::String(list)) => Scopes::parse(list.split(' ').filter(|scope| !scope.is_empty())),
        Some(Value::Array(items)) => {
            let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            Scopes::parse(items.ok_or(TokenFault::Scopes)?)
        }
        Some(_) => return Err(TokenFault::Scopes),
    };
    parsed.map_err(|_| TokenFault::Scopes)
}

/// A NumericDate: seconds since 1970, a fraction allowed (RFC 7519 §2).
fn date(claim: Option<&Value>) -> Result<Option<f64>, TokenFault> {
    match claim {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if (0.0..=LATEST_DATE).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(TokenFault::Malformed),
        },
    }
}
