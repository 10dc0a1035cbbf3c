//! The traits that the adapters fill. One method is one transaction.

use async_trait::async_trait;

use super::{api_key::KeyId, key_record::KeyRecord};

/// A key's row: what is known of it, and the hash that proves it.
pub struct StoredKey {
    /// Everything but the hash.
    pub record: KeyRecord,
    /// The Argon2id hash as a PHC string.
    pub hash: StoredHash,
}

/// An Argon2id PHC string. No `Debug`: a hash in a log is a hash that someone can try to crack.
pub struct StoredHash(String);

impl StoredHash {
    /// Wraps a PHC string.
    pub fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string, for the hasher and the store. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The store could not answer. Never a reason to refuse or to accept anyone.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be reached, or did not answer in time.
    #[error("the database could not be reached: {0}")]
    Unavailable(String),
    /// The database answered, but not with what its schema promises.
    #[error("the database holds a row that its schema does not allow: {0}")]
    Corrupt(String),
}

/// Where keys are kept.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The key's row, `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn find(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError>;

    /// Adds a new key. When this returns, the row is on disk.
    ///
    /// # Errors
    /// [`StoreError`] when the row may not have been written.
    async fn insert(&self, key: &StoredKey) -> Result<(), StoreError>;
}

/// Whether the store can be worked with.
#[async_trait]
pub trait Health: Send + Sync {
    /// Whether it answers and its schema is as new as this program.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    async fn is_ready(&self) -> Result<bool, StoreError>;
}
