//! The defaults of `keyward.default.toml`, where the reasons stand, for who uses the library and reads no
//! configuration. A test compares the two.

use std::{num::NonZeroUsize, thread::available_parallelism, time::Duration};

use super::{
    Audit, Checks, Coherence, Database, Hashing, Issuer, IssuerKeys, Jwt, JwtAlgorithm, LastUsed, weak::weakness,
};
use crate::domain::secret::SecretString;

/// HS256 needs as many bytes (RFC 7518 §3.2).
const SECRET_MIN_BYTES: usize = 32;
const DAY: Duration = Duration::from_secs(86_400);

/// A secret that protects nothing.
#[derive(Debug, thiserror::Error)]
#[error("the secret {0}: take the one that the tokens' issuer signs with, 32 random bytes or more")]
pub struct WeakSecret(&'static str);

impl Database {
    /// The database at this address.
    pub fn at(url: SecretString) -> Self {
        Self {
            url,
            password: None,
            pool_size: 10,
            acquire_timeout: Duration::from_millis(500),
            statement_timeout: Duration::from_secs(1),
            listen_url: None,
            migrate_url: None,
            connect_timeout: Duration::from_secs(5),
            migrate_on_start: true,
        }
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            concurrency: available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_wait: Duration::from_millis(500),
        }
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self { cached_keys: 1_000_000, max_cold: 1024 }
    }
}

impl Default for Coherence {
    fn default() -> Self {
        Self { lease: Duration::from_secs(5) }
    }
}

impl Default for LastUsed {
    fn default() -> Self {
        Self { write_every: Duration::from_secs(60), max_pending: 100_000 }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention: Some(400 * DAY) }
    }
}

impl Default for Jwt {
    /// No issuer at all: every token is refused.
    fn default() -> Self {
        Self {
            secret: None,
            algorithm: JwtAlgorithm::Hs256,
            issuer: None,
            audience: Vec::new(),
            leeway: Duration::from_secs(30),
            max_lifetime: 30 * DAY,
            tenant_claim: None,
            disabled_claim: None,
            scope_bearing: false,
            issuers: Vec::new(),
            key_set_refresh: Duration::from_secs(600),
            key_set_cool_down: Duration::from_secs(30),
            key_set_keep: DAY,
        }
    }
}

impl Jwt {
    /// Tokens that are signed with this secret by HS256.
    ///
    /// # Errors
    /// [`WeakSecret`] when it is shorter than 32 bytes or well known.
    pub fn signed_with(secret: SecretString) -> Result<Self, WeakSecret> {
        if secret.expose().len() < SECRET_MIN_BYTES {
            return Err(WeakSecret("is shorter than 32 bytes"));
        }
        match weakness(secret.expose()) {
            Some(weakness) => Err(WeakSecret(weakness)),
            None => Ok(Self { secret: Some(secret), ..Self::default() }),
        }
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

impl Issuer {
    /// An issuer whose tokens say exactly this `iss`, are for this audience, and are signed with these keys.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: IssuerKeys) -> Self {
        Self {
            issuer: issuer.into(),
            audience: vec![audience.into()],
            keys,
            algorithms: Vec::new(),
            required_claims: Vec::new(),
            subject_claim: "sub".to_owned(),
            scope_claims: vec!["scope".to_owned(), "scp".to_owned()],
            tenant_claim: None,
            disabled_claim: None,
            scope_bearing: false,
            at_jwt: false,
            leeway: Duration::from_secs(30),
            max_lifetime: DAY,
        }
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
    }
}
