//! The traits that the adapters fill. One method is one transaction.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    api_key::KeyId,
    coherence::{ChangeId, Mark, Notification, RecordId},
    key_record::{KeyRecord, LastUse},
    token::TokenEnd,
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

/// The store could not answer. Never a reason to refuse or to accept anyone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be reached, or did not answer in time.
    #[error("the database could not be reached: {0}")]
    Unavailable(String),
    /// The database answered, but not with what its schema promises.
    #[error("the database holds a row that its schema does not allow: {0}")]
    Corrupt(String),
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

/// What checks need of where it is kept which tokens were ended.
#[async_trait]
pub trait EndedTokens: Send + Sync {
    /// Those of these rows that are there, in any order. Read in a transaction that begins after the call, from a server
    /// that was still the primary afterwards.
    ///
    /// # Errors
    /// [`StoreError`] when the store could not answer.
    async fn find_ends(&self, records: &[RecordId]) -> Result<Vec<(RecordId, TokenEnd)>, StoreError>;
}

/// How replicas tell each other what has changed.
#[async_trait]
pub trait Announcements: Send + Sync {
    /// Enters this replica's lease among those that revokers reckon with, and begins to listen.
    /// Listening has taken effect when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be done.
    async fn listen(&self, lease: Duration) -> Result<Listening, StoreError>;

    /// Tells every listener. When this returns, it is committed; a heartbeat as durably as any change, so that no
    /// server gives a lease that another one has superseded.
    ///
    /// # Errors
    /// [`StoreError`] when it may not have been committed.
    async fn send(&self, notification: &Notification) -> Result<(), StoreError>;

    /// The message that announces a change, to be sent in its transaction.
    fn mark(&self, change: ChangeId) -> Mark;

    /// The longest lease of any replica that has begun to listen before this call. Asks until the
    /// database says; should it be away for a long time, it is the longest possible one.
    async fn longest_lease(&self) -> Duration;
}

/// A new listening connection.
pub struct Listening {
    /// Where the notifications arrive.
    pub listener: Box<dyn Listener>,
    /// The longest lease of any replica, read after listening took effect.
    pub longest_lease: Duration,
}

/// A listening connection.
#[async_trait]
pub trait Listener: Send {
    /// The next notification, in the order in which they were committed. Dropping the future loses none.
    ///
    /// # Errors
    /// [`StoreError`] when the connection is lost, or brings what a replica has sent and this one does not understand:
    /// what came between then and a new connection is not known.
    async fn next(&mut self) -> Result<Notification, StoreError>;
}

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

/// Whether the store can be worked with.
#[async_trait]
pub trait Health: Send + Sync {
    /// Whether it answers and its schema is as new as this program.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    async fn is_ready(&self) -> Result<bool, StoreError>;
}
