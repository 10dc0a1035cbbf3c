//! The port to the store of keys, for checks.

use std::sync::Arc;

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{api_key::KeyId, key_record::KeyRecord};

/// The row of a key: the record, and the hash of its secret.
pub struct StoredKey {
    /// Everything except the hash.
    pub record: KeyRecord,
    /// The Argon2id hash as a PHC string.
    pub hash: StoredHash,
}

/// An Argon2id PHC string. No `Debug`, because a logged hash could be cracked offline.
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

/// The store of keys, for checks.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The rows of these keys, in any order; keys that do not exist are omitted. The read happens in a transaction that
    /// begins after the call, on a server that was still the primary afterwards.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not answer.
    async fn find(&self, ids: &[KeyId]) -> Result<Vec<Arc<StoredKey>>, StoreError>;

    /// Replaces `old` with a stronger hash of the same secret, unless the hash has changed in the meantime.
    ///
    /// # Errors
    /// [`StoreError`] if it may not have been written.
    async fn replace_hash(&self, id: KeyId, old: &StoredHash, new: &StoredHash) -> Result<(), StoreError>;
}
