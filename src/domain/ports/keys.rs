//! What checks need of where keys are kept.

use std::sync::Arc;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{
    api_key::KeyId,
    key_record::{KeyRecord, LastUse},
};

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

/// A use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Which key.
    pub key: KeyId,
    /// When and from where.
    pub last: LastUse,
}

/// What checks need of where keys are kept.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The rows of these keys, in any order; those that do not exist are missing from the answer.
    /// Read in a transaction that begins after the call, from a server that was still the primary afterwards.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn find(&self, ids: &[KeyId]) -> Result<Vec<Arc<StoredKey>>, StoreError>;

    /// Puts a stronger hash of the same secret in the place of `old`, unless another one has come there.
    ///
    /// # Errors
    /// [`StoreError`] when it may not have been written.
    async fn replace_hash(&self, id: KeyId, old: &StoredHash, new: &StoredHash) -> Result<(), StoreError>;

    /// Writes when keys were last used, unless a later use has been written.
    ///
    /// # Errors
    /// [`StoreError`] when it may not have been written.
    async fn note_uses(&self, uses: &[KeyUse]) -> Result<(), StoreError>;
}
