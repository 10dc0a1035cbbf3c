//! The last uses of keys: recorded in memory during checks, and written in batches outside of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use time::OffsetDateTime;
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    config::LastUsed,
    domain::{
        api_key::KeyId,
        key_record::{KeyRecord, LastUse},
        ports::keys::{KeyStore, KeyUse},
    },
    telemetry::outage::Trouble,
};

/// The maximum number of rows per statement, which takes some milliseconds.
const WRITTEN_TOGETHER: usize = 500;

/// Uses that wait to be written, at most one per key.
pub struct LastUses {
    pending: Mutex<HashMap<KeyId, LastUse>>,
    /// Held during a write, because uses that can't be written are pending again only afterwards.
    writing: AsyncMutex<()>,
    store: Arc<dyn KeyStore>,
    settings: LastUsed,
    trouble: Trouble,
}

impl LastUses {
    /// No use is recorded yet.
    pub fn new(store: Arc<dyn KeyStore>, settings: LastUsed) -> Self {
        let pending = Mutex::new(HashMap::with_capacity(settings.max_pending));
        Self { pending, writing: AsyncMutex::default(), store, settings, trouble: Trouble::default() }
    }

    /// Records a use of the key, at most once a minute; within that minute, this costs one load. If too many are
    /// pending, it is left to the next use.
    pub(crate) fn note(&self, record: &KeyRecord, at: OffsetDateTime, from: Option<IpAddr>) {
        if record.noted.is_due(at) {
            let mut pending = self.lock();
            if pending.len() < self.settings.max_pending {
                pending.insert(record.id, LastUse { at, from });
            }
        }
    }

    /// Writes pending uses periodically.
    pub async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.write_every).await;
            self.write().await;
        }
    }

    /// Writes pending uses, after any write in progress. Uses that can't be written stay pending.
    pub async fn write(&self) {
        let _turn = self.writing.lock().await;
        let noted = self.take();
        for (done, batch) in noted.chunks(WRITTEN_TOGETHER).enumerate() {
            if let Err(error) = self.store.note_uses(batch).await {
                self.trouble.tell(&error, |repeated| {
                    tracing::warn!(%error, repeated, "could not write the last uses of keys; trying again later");
                });
                return self.put_back(&noted[done * WRITTEN_TOGETHER..]);
            }
        }
        if !noted.is_empty() {
            let told = |lasted_ms| tracing::info!(lasted_ms, "the last uses of keys are written again");
            self.trouble.is_over(told);
        }
    }

    fn take(&self) -> Vec<KeyUse> {
        // Allocated before taking the lock, which checks wait for.
        let empty = HashMap::with_capacity(self.settings.max_pending);
        let noted = std::mem::replace(&mut *self.lock(), empty);
        noted.into_iter().map(|(key, last)| KeyUse { key, last }).collect()
    }

    fn put_back(&self, uses: &[KeyUse]) {
        let mut pending = self.lock();
        let room = self.settings.max_pending.saturating_sub(pending.len());
        for KeyUse { key, last } in uses.iter().take(room) {
            pending.entry(*key).or_insert(*last);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, LastUse>> {
        // A panic while the map was locked leaves a valid map.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use futures_util::FutureExt;
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    use super::*;
    use crate::domain::ports::{
        StoreError,
        keys::{StoredHash, StoredKey},
    };

    /// The first write fails, and not before it is permitted to.
    struct Failing {
        fail: Semaphore,
        calls: Mutex<usize>,
        written: Mutex<Vec<KeyUse>>,
    }

    #[async_trait]
    impl KeyStore for Failing {
        async fn find(&self, _: &[KeyId]) -> Result<Vec<Arc<StoredKey>>, StoreError> {
            Ok(Vec::new())
        }

        async fn replace_hash(&self, _: KeyId, _: &StoredHash, _: &StoredHash) -> Result<(), StoreError> {
            Ok(())
        }

        async fn note_uses(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
            let call = {
                let mut calls = self.calls.lock().expect("no panic");
                *calls += 1;
                *calls
            };
            if call == 1 {
                self.fail.acquire().await.expect("never closed").forget();
                return Err(StoreError::Unavailable("as it was told".to_owned()));
            }
            self.written.lock().expect("no panic").extend(uses);
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_last_write_writes_what_one_under_way_has_to_put_back() {
        let store = Arc::new(Failing { fail: Semaphore::new(0), calls: Mutex::default(), written: Mutex::default() });
        let settings = LastUsed { write_every: Duration::from_secs(60), max_pending: 10 };
        let uses = LastUses::new(Arc::clone(&store) as Arc<dyn KeyStore>, settings);
        let last = LastUse { at: OffsetDateTime::UNIX_EPOCH, from: None };
        uses.lock().insert(KeyId::from(Uuid::nil()), last);

        let mut under_way = uses.write().boxed();
        assert!(under_way.as_mut().now_or_never().is_none());
        let mut last_write = uses.write().boxed();
        assert!(last_write.as_mut().now_or_never().is_none(), "it waits");
        store.fail.add_permits(1);
        tokio::join!(under_way, last_write);
        assert_eq!(store.written.lock().expect("no panic").len(), 1);
    }
}
