//! The section `[jwt]`: the accepted tokens.
//!
//! - `validate`: its allowed values
//! - `issuer`: an issuer of JWTs; `issuers`: the tables of issuers
//! - `claim_path`: paths into a token's claims
//! - `safe_address`: the addresses that keys may be fetched from
//! - `secret_encoding`: the encoding of a shared secret

mod claim_path;
mod issuer;
#[cfg(feature = "server")]
mod issuers;
mod safe_address;
#[cfg(feature = "server")]
mod secret_encoding;
#[cfg(feature = "server")]
mod validate;

use std::time::Duration;

use serde::Deserialize;

pub(crate) use self::{claim_path::ClaimStep, safe_address::is_safe_address};
pub use self::{
    claim_path::{ClaimPath, InvalidClaimPath},
    issuer::{Issuer, IssuerKeys, KeyFetch, MalformedScopes},
};
use super::{DAY, weak::weakness};
use crate::domain::secret::{SecretBytes, SecretString};

/// The accepted JWTs.
#[non_exhaustive]
pub struct Jwt {
    /// The shared secret, long enough for the algorithm. `None` if only `issuers` are accepted.
    pub secret: Option<SecretBytes>,
    /// The secret before it, whose tokens are still accepted; for as long as they live.
    pub previous_secret: Option<SecretBytes>,
    /// The only accepted algorithm.
    pub algorithm: JwtAlgorithm,
    /// The exact `iss`. `None`: `iss` is not required.
    pub issuer: Option<String>,
    /// The accepted audiences: `aud` must contain one of them. Empty: a token with `aud` is refused.
    pub audience: Vec<String>,
    /// The tolerated difference between the issuer's clock and ours.
    pub leeway: Duration,
    /// The maximum time until `exp`.
    pub max_lifetime: Duration,
    /// What happens to invalid scopes.
    pub malformed_scopes: MalformedScopes,
    /// The claim with the organisation whose keys a bearer manages; `None`: keys belong to subjects.
    pub tenant_claim: Option<ClaimPath>,
    /// The claim which, if `true`, states that the owner is disabled.
    pub disabled_claim: Option<ClaimPath>,
    /// The claim with the name of the owner's plan; `None`: only administrators assign plans.
    pub plan_claim: Option<ClaimPath>,
    /// Whether a key may have only scopes that its creator's token has.
    pub scope_bearing: bool,
    /// Further issuers, each with its own keys and rules.
    pub issuers: Vec<Issuer>,
    /// The maximum interval between fetches of key sets.
    pub key_set_refresh: Duration,
    /// Tokens with unknown keys cause at most one fetch in this time.
    pub key_set_cool_down: Duration,
    /// How long the last good keys are used while an issuer is unreachable.
    pub key_set_keep: Duration,
    /// The number of verified tokens that a replica caches.
    pub cached_tokens: usize,
}

/// The HMAC algorithms of RFC 7518 §3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

/// The secret protects nothing.
#[derive(Debug, thiserror::Error)]
#[error("the secret of the tokens {0}: their issuer has to sign with 32 random bytes or more")]
pub struct WeakSecret(&'static str);

/// Keys would be fetched from where anybody could replace them.
#[derive(Debug, thiserror::Error)]
#[error("the keys of the issuer {0} would be fetched without TLS: give an address that begins with https://")]
pub(crate) struct UnsafeAddress(String);

impl Default for Jwt {
    /// No issuer: every token is refused.
    fn default() -> Self {
        Self {
            secret: None,
            previous_secret: None,
            algorithm: JwtAlgorithm::Hs256,
            issuer: None,
            audience: Vec::new(),
            leeway: Duration::from_secs(30),
            max_lifetime: 30 * DAY,
            malformed_scopes: MalformedScopes::default(),
            tenant_claim: None,
            disabled_claim: None,
            plan_claim: None,
            scope_bearing: false,
            issuers: Vec::new(),
            key_set_refresh: Duration::from_secs(600),
            key_set_cool_down: Duration::from_secs(30),
            key_set_keep: DAY,
            cached_tokens: 100_000,
        }
    }
}

impl Jwt {
    /// Tokens signed with this secret by HS256 or another algorithm of [`JwtAlgorithm`].
    ///
    /// # Errors
    /// [`WeakSecret`] if it is shorter than 32 bytes or well known.
    pub fn signed_with(secret: SecretString) -> Result<Self, WeakSecret> {
        Self::signed_with_bytes(secret.into())
    }

    /// The same with a secret that is not text.
    ///
    /// # Errors
    /// [`WeakSecret`] if it is shorter than 32 bytes or well known.
    pub fn signed_with_bytes(secret: SecretBytes) -> Result<Self, WeakSecret> {
        let jwt = Self { secret: Some(secret), ..Self::default() };
        jwt.demand_strength()?;
        Ok(jwt)
    }

    /// Checks secrets of settings that were not read from a configuration.
    pub(crate) fn demand_strength(&self) -> Result<(), WeakSecret> {
        let (bytes, short) = match self.algorithm {
            JwtAlgorithm::Hs256 => (32, "is shorter than the 32 bytes of HS256"),
            JwtAlgorithm::Hs384 => (48, "is shorter than the 48 bytes of HS384"),
            JwtAlgorithm::Hs512 => (64, "is shorter than the 64 bytes of HS512"),
        };
        let mut secrets = self.secret.iter().chain(&self.previous_secret).map(SecretBytes::expose);
        let weakness = secrets.find_map(|secret| if secret.len() < bytes { Some(short) } else { weakness(secret) });
        weakness.map_or(Ok(()), |weakness| Err(WeakSecret(weakness)))
    }

    /// The same for the addresses that keys are fetched from.
    pub(crate) fn demand_safe_addresses(&self) -> Result<(), UnsafeAddress> {
        let unsafe_issuer = self.issuers.iter().find(|issuer| match &issuer.keys {
            IssuerKeys::KeySet(address) => !is_safe_address(address, issuer.fetch.insecure_http),
            IssuerKeys::Discovery => !is_safe_address(&issuer.issuer, issuer.fetch.insecure_http),
            IssuerKeys::Secret(_) | IssuerKeys::Public(_) => false,
        });
        unsafe_issuer.map_or(Ok(()), |issuer| Err(UnsafeAddress(issuer.issuer.clone())))
    }

    /// Tokens of these issuers.
    pub fn of_issuers(issuers: Vec<Issuer>) -> Self {
        Self { issuers, ..Self::default() }
    }

    /// Whether any token could be accepted.
    pub fn names_issuers(&self) -> bool {
        self.secret.is_some() || !self.issuers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_protects_nothing_is_refused() {
        let signed_with = |text: &str| Jwt::signed_with(text.to_owned().into()).is_ok();
        assert!(!signed_with("short") && !signed_with("a-string-secret-at-least-256-bits-long"));
        assert!(signed_with("0f3c1e9b7a5d2468ace13579bdf02468-for-tests"));
        let mut jwt = Jwt::signed_with("0f3c1e9b7a5d2468ace13579bdf02468-for-tests".to_owned().into()).expect("strong");
        jwt.algorithm = JwtAlgorithm::Hs512;
        assert!(jwt.demand_strength().is_err());
    }

    #[test]
    fn keys_are_fetched_with_tls_only() {
        let is_safe =
            |issuer: &str, keys| Jwt::of_issuers(vec![Issuer::new(issuer, "us", keys)]).demand_safe_addresses().is_ok();
        let key_set = |address: &str| IssuerKeys::KeySet(address.to_owned());
        assert!(
            is_safe("any", key_set("https://id.example/jwks")) && is_safe("https://id.example", IssuerKeys::Discovery)
        );
        assert!(
            !is_safe("any", key_set("http://id.example/jwks")) && !is_safe("http://id.example", IssuerKeys::Discovery)
        );
    }
}
