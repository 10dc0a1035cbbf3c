//! The port to an OpenID provider (OpenID Connect Core 1.0).

use async_trait::async_trait;

use super::key_sets::FetchError;
use crate::domain::secret::SecretString;

/// Where a provider is asked (OpenID Connect Discovery 1.0 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderAddresses {
    /// Where browsers are sent to sign in.
    pub authorization: String,
    /// Where codes are exchanged for tokens.
    pub token: String,
    /// Where browsers are sent to sign out (OpenID Connect RP-Initiated Logout 1.0 §2.1), if the provider has that.
    pub end_session: Option<String>,
    /// Whether each of its answers to an authorization request says that it is from this provider (RFC 9207 §3).
    pub names_itself: bool,
}

/// The tokens that a provider has issued for a code. Nothing in them is verified.
pub struct IssuedTokens {
    /// Says who has signed in.
    pub id_token: SecretString,
    /// Says what they may do. Only a JWT for our audience is of use to us.
    pub access_token: Option<SecretString>,
}

/// A code as it came back, with what was kept for it.
pub struct CodeExchange<'a> {
    /// The authorization code.
    pub code: &'a str,
    /// The secret whose hash was sent with the request (RFC 7636 §4.1).
    pub verifier: &'a str,
    /// The redirect URI of the request.
    pub redirect_uri: &'a str,
}

/// The provider at which people sign in.
#[async_trait]
pub trait OpenIdProvider: Send + Sync {
    /// Its addresses.
    ///
    /// # Errors
    /// [`FetchError`] with advice for the operator.
    async fn addresses(&self) -> Result<ProviderAddresses, FetchError>;

    /// Exchanges a code for tokens; within, the provider's word for a refusal.
    ///
    /// # Errors
    /// [`FetchError`] with advice for the operator.
    async fn exchange(&self, exchange: CodeExchange<'_>) -> Result<Result<IssuedTokens, String>, FetchError>;
}
