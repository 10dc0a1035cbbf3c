//! What becomes of keys: issue, revoke.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use time::OffsetDateTime;
use tokio::runtime::Handle;

use super::{
    Undecided, clock,
    coherence::{Announced, Link, Settled},
    hasher::{Hasher, Lane},
};
use crate::domain::{
    api_key::{Environment, IssuedKey, Keyring},
    key_record::KeyRecord,
    ports::{KeyStore, Revoke, StoredKey},
    principal::{Owner, Principal, Scopes},
    secret::SecretString,
};

/// Issues and ends keys.
pub struct Lifecycle {
    /// Makes keys.
    pub keyring: Arc<Keyring>,
    /// Keeps them.
    pub store: Arc<dyn KeyStore>,
    /// Hashes their secrets.
    pub hasher: Arc<Hasher>,
    /// The environment of keys that name none.
    pub environment: Environment,
    /// To the other replicas.
    pub link: Arc<Link>,
    /// Where a revocation goes on when its client hangs up.
    pub runtime: Handle,
}

/// A key that was just issued: its record, and its text for the only time.
pub struct NewKey {
    /// What is known of it from now on.
    pub record: KeyRecord,
    /// The whole key, for its owner.
    pub text: SecretString,
}

/// A key that no replica accepts any more.
#[derive(Clone, Copy, Debug)]
pub struct RevokedEverywhere {
    /// Since when it is revoked.
    pub at: OffsetDateTime,
    /// How it became true everywhere.
    pub settled: Settled,
    /// How long that took, from the commit.
    pub took: Duration,
}

impl Lifecycle {
    /// Issues a key to `maker`. The key carries no scopes: it proves who its owner is, and grants
    /// nothing that was not asked for. When this returns, the key is on disk.
    ///
    /// # Errors
    /// [`Undecided`] when the store or the hasher could not answer.
    pub async fn issue(&self, maker: &Principal, now: OffsetDateTime) -> Result<NewKey, Undecided> {
        let IssuedKey { id, environment, secret, pepper, text } = self.keyring.generate(self.environment, now);
        let hash = self.hasher.hash(secret, self.keyring.hash_secret(pepper), Lane::Issue).await?;
        let record = KeyRecord {
            id,
            owner: Owner::clone(maker.owner()),
            environment,
            scopes: Scopes::default(),
            expires_at: None,
            enabled: true,
            revoked_at: None,
        };
        let stored = StoredKey { record, hash };
        self.store.insert(&stored, now).await?;
        Ok(NewKey { record: stored.record, text })
    }

    /// Revokes a key. When this returns, no replica accepts it any more. `None` when there is no such
    /// key, or it is another owner's.
    ///
    /// # Errors
    /// [`Undecided`] when it may not be revoked, or not everywhere; asking again is safe.
    pub async fn revoke(self: &Arc<Self>, revoke: Revoke) -> Result<Option<RevokedEverywhere>, Undecided> {
        let lifecycle = Arc::clone(self);
        let work = self.runtime.spawn(async move { lifecycle.revoke_and_wait(&revoke).await });
        work.await.map_err(|_| Undecided::Stopped)?
    }

    async fn revoke_and_wait(&self, revoke: &Revoke) -> Result<Option<RevokedEverywhere>, Undecided> {
        let announced: OnceLock<Announced> = OnceLock::new();
        let announce = |change| drop(announced.set(self.link.announce(change)));
        let Some(revoked) = self.store.revoke(revoke, &announce).await? else { return Ok(None) };
        // Read after the commit, so later than the change; the wait can only get longer by it.
        let committed_at = clock::now();
        let announced = announced.get_or_init(|| self.link.announce(revoked.change));
        let settled = announced.settled(committed_at).await;
        let took = Duration::from_nanos(clock::now().as_nanos().saturating_sub(committed_at.as_nanos()));
        Ok(Some(RevokedEverywhere { at: revoked.at, settled, took }))
    }
}
