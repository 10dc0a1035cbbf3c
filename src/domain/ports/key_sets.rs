//! The port to issuers' key sets.

use std::time::Duration;

use async_trait::async_trait;

/// A fetched key set of an issuer, not yet parsed.
pub struct FetchedKeySet {
    /// The URL that it was fetched from.
    pub address: String,
    /// The body of the response.
    pub body: Vec<u8>,
    /// How long it may be used without fetching it again (`Cache-Control`, RFC 9111 §5.2.2.1), if the response says so.
    pub max_age: Option<Duration>,
}

/// An issuer's key set could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// The source of an issuer's key set.
#[async_trait]
pub trait KeySetSource: Send + Sync {
    /// Fetches the key set. Bounded in time and size.
    ///
    /// # Errors
    /// [`FetchError`] with advice for the operator.
    async fn fetch(&self) -> Result<FetchedKeySet, FetchError>;
}
