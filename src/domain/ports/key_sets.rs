//! Where issuers' key sets are fetched from.

use std::time::Duration;

use async_trait::async_trait;

/// An issuer's key set as it was fetched.
pub struct FetchedKeySet {
    /// Where it was.
    pub address: String,
    /// The answer, not read yet.
    pub body: Vec<u8>,
    /// For how long it may be used without asking again (`Cache-Control`, RFC 9111 §5.2.2.1), where it says so.
    pub max_age: Option<Duration>,
}

/// An issuer's key set could not be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// Where an issuer's key set is fetched from.
#[async_trait]
pub trait KeySetSource: Send + Sync {
    /// Fetches it. Bounded in time and size.
    ///
    /// # Errors
    /// [`FetchError`] with what an operator can do about it.
    async fn fetch(&self) -> Result<FetchedKeySet, FetchError>;
}
