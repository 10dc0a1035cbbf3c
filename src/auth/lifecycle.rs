//! What becomes of keys: issue.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Undecided, hasher::Hasher};
use crate::domain::{
    api_key::{Environment, IssuedKey, Keyring},
    key_record::KeyRecord,
    ports::{KeyStore, StoredKey},
    principal::{Owner, Principal, Scopes},
    secret::SecretString,
};

/// Issues keys.
pub struct KeyIssuer {
    keyring: Arc<Keyring>,
    store: Arc<dyn KeyStore>,
    hasher: Arc<Hasher>,
    environment: Environment,
}

/// A key that was just issued: its record, and its text for the only time.
pub struct NewKey {
    /// What is known of it from now on.
    pub record: KeyRecord,
    /// The whole key, for its owner.
    pub text: SecretString,
}

impl KeyIssuer {
    /// An issuer of keys of one environment into `store`.
    pub fn new(keyring: Arc<Keyring>, store: Arc<dyn KeyStore>, hasher: Arc<Hasher>, environment: Environment) -> Self {
        Self { keyring, store, hasher, environment }
    }

    /// Issues a key to `maker`. The key carries no scopes: it proves who its owner is, and grants
    /// nothing that was not asked for. When this returns, the key is on disk.
    ///
    /// # Errors
    /// [`Undecided`] when the store or the hasher could not answer.
    pub async fn issue(&self, maker: &Principal, now: OffsetDateTime) -> Result<NewKey, Undecided> {
        let IssuedKey { id, environment, secret, pepper, text } = self.keyring.generate(self.environment, now);
        let hash = self.hasher.hash(secret, self.keyring.hash_secret(pepper)).await?;
        let record = KeyRecord {
            id,
            owner: Owner::clone(maker.owner()),
            name: None,
            environment,
            scopes: Scopes::default(),
            metadata: serde_json::Map::new(),
            expires_at: None,
            enabled: true,
            revoked: None,
            created_at: now,
            updated_at: now,
            last_used_at: None,
        };
        let stored = StoredKey { record, hash };
        self.store.insert(&stored).await?;
        Ok(NewKey { record: stored.record, text })
    }
}
