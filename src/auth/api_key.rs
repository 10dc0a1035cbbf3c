//! One check of an API key: parse, read the row, prove the secret, apply the policy.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Undecided, hasher::Hasher};
use crate::domain::{
    api_key::{Keyring, PresentedKey},
    key_record::KeyRecord,
    ports::KeyStore,
    principal::Principal,
    verdict::{Denial, Verdict},
};

/// Decides whether a key is good.
pub struct KeyChecker {
    keyring: Arc<Keyring>,
    store: Arc<dyn KeyStore>,
    hasher: Arc<Hasher>,
}

impl KeyChecker {
    /// A checker of the keys in `store`.
    pub fn new(keyring: Arc<Keyring>, store: Arc<dyn KeyStore>, hasher: Arc<Hasher>) -> Self {
        Self { keyring, store, hasher }
    }

    /// Decides whether `text` is a key that is good at `now`. A key that is not ours is denied
    /// without a query and without a hash.
    ///
    /// # Errors
    /// [`Undecided`] when the store or the hasher could not answer.
    pub async fn check(&self, text: &[u8], now: OffsetDateTime) -> Result<Verdict, Undecided> {
        let Ok(presented) = self.keyring.parse(text) else {
            return Ok(Verdict::Denied(Denial::KeyMalformed));
        };
        Ok(match self.proven(presented).await? {
            Ok(record) => judge(Arc::new(record), now),
            Err(denial) => Verdict::Denied(denial),
        })
    }

    /// The record of a key whose secret matches the stored hash.
    async fn proven(&self, presented: PresentedKey) -> Result<Result<KeyRecord, Denial>, Undecided> {
        let Some(stored) = self.store.find(presented.id).await? else {
            return Ok(Err(Denial::KeyUnknown));
        };
        let pepper = self.keyring.hash_secret(presented.pepper);
        let matches = self.hasher.verify(presented.secret, pepper, &stored.hash).await?;
        Ok(if matches { Ok(stored.record) } else { Err(Denial::KeyWrongSecret) })
    }
}

/// The policy, which depends on the time and so is applied on every request.
fn judge(record: Arc<KeyRecord>, now: OffsetDateTime) -> Verdict {
    match record.refusal(now) {
        Some(denial) => Verdict::Denied(denial),
        None => Verdict::Granted(Principal::proven_key(record)),
    }
}
