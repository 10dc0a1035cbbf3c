//! Mints tokens signed with the configured secret, for trying Keyward and for scripts.

use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use time::OffsetDateTime;

use super::SignatureAlgorithm;
use crate::{
    config::Jwt,
    domain::{scope::Scopes, secret::SecretString},
};

/// The content of a token to mint.
pub struct TokenRequest {
    /// The `sub`.
    pub subject: String,
    /// The organisation, if keys belong to organisations; `None` for one named like the subject.
    pub tenant: Option<String>,
    /// The `scope`.
    pub scopes: Scopes,
    /// The lifetime.
    pub lifetime: Duration,
}

/// The token could not be minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// This server would refuse the token.
    #[error("a lifetime of {0:?} is over jwt.max_lifetime ({1:?}), so the token would be refused")]
    LifetimeTooLong(Duration, Duration),
    /// Only tokens of other issuers are accepted.
    #[error("jwt.secret is not set, so there is nothing to sign with: get a token from one of the jwt.issuers")]
    NoSecret,
    /// The crypto library failed.
    #[error("the token could not be signed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// Mints tokens that a [`TokenVerifier`](super::TokenVerifier) with the same settings accepts.
pub struct TokenMinter<'a> {
    settings: &'a Jwt,
}

impl<'a> TokenMinter<'a> {
    /// A minter that signs with the configured secret.
    pub fn new(settings: &'a Jwt) -> Self {
        Self { settings }
    }

    /// Mints a token that is valid from `now`.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn mint(&self, request: &TokenRequest, now: OffsetDateTime) -> Result<SecretString, MintError> {
        let settings = self.settings;
        if request.lifetime > settings.max_lifetime {
            return Err(MintError::LifetimeTooLong(request.lifetime, settings.max_lifetime));
        }
        let issued_at = now.unix_timestamp();
        let mut claims = json!({
            "sub": request.subject,
            "iat": issued_at,
            "exp": issued_at.saturating_add_unsigned(request.lifetime.as_secs()),
        });
        if let Some(issuer) = &settings.issuer {
            claims["iss"] = json!(issuer);
        }
        if let Some(audience) = settings.audience.first() {
            claims["aud"] = json!(audience);
        }
        if let Some(claim) = &settings.tenant_claim {
            claims[claim.claim()] = json!(request.tenant.as_ref().unwrap_or(&request.subject));
        }
        let scopes: Vec<&str> = request.scopes.iter().collect();
        if !scopes.is_empty() {
            claims["scope"] = json!(scopes.join(" "));
        }
        let algorithm = SignatureAlgorithm::from(settings.algorithm).to_jsonwebtoken();
        let secret = settings.secret.as_ref().ok_or(MintError::NoSecret)?;
        let key = EncodingKey::from_secret(secret.expose());
        Ok(jsonwebtoken::encode(&Header::new(algorithm), &claims, &key)?.into())
    }
}
