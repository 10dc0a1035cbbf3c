//! When keys were last used: noted in memory on the path of a check, written in batches off it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use time::OffsetDateTime;

use crate::{
    config::LastUsed,
    domain::{
        api_key::KeyId,
        key_record::{KeyRecord, LastUse},
        ports::{KeyStore, KeyUse},
    },
};

/// Rows in one statement: it takes some milliseconds.
const WRITTEN_TOGETHER: usize = 500;

/// Uses that wait to be written, one a key.
pub struct LastUses {
    pending: Mutex<HashMap<KeyId, LastUse>>,
    store: Arc<dyn KeyStore>,
    settings: LastUsed,
}

impl LastUses {
    /// Nothing noted yet.
    pub fn new(store: Arc<dyn KeyStore>, settings: LastUsed) -> Self {
        Self { pending: Mutex::new(HashMap::with_capacity(settings.max_pending)), store, settings }
    }

    /// Notes that the key was used, at most once a minute: within it, this costs one load. When too many
    /// wait, it is left to the next use.
    pub(super) fn note(&self, record: &KeyRecord, at: OffsetDateTime, from: Option<IpAddr>) {
        if record.noted.is_due(at) {
            let mut pending = self.lock();
            if pending.len() < self.settings.max_pending {
                pending.insert(record.id, LastUse { at, from });
            }
        }
    }

    /// Writes what is pending, again and again.
    pub async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.write_every).await;
            self.write().await;
        }
    }

    /// Writes what is pending. What could not be written stays pending.
    pub async fn write(&self) {
        let noted = self.take();
        for (done, batch) in noted.chunks(WRITTEN_TOGETHER).enumerate() {
            if let Err(error) = self.store.note_uses(batch).await {
                tracing::warn!(%error, "when keys were last used could not be written; trying again later");
                return self.put_back(&noted[done * WRITTEN_TOGETHER..]);
            }
        }
    }

    fn take(&self) -> Vec<KeyUse> {
        // Made before the lock is taken, which checks wait for.
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
