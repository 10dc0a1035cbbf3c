//! Rows in memory, read and written as slowly and as unreliably as the test wants.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use keyward::{
    auth::coherence::{ChangeId, Notification, RecordId, Records},
    domain::{
        api_key::KeyId,
        key_record::KeyRecord,
        ports::{KeyStore, Revoke, Revoked, StoreError, StoredHash, StoredKey},
    },
};
use time::OffsetDateTime;

use super::{channel::Channel, gate::Gate};

pub(crate) struct FakeStore {
    rows: Mutex<HashMap<KeyId, Arc<StoredKey>>>,
    channel: Arc<Channel>,
    queries: AtomicUsize,
    rows_asked_for: AtomicUsize,
    hashes_replaced: AtomicUsize,
    replacements_failed: AtomicUsize,
    down: AtomicBool,
    corrupt: Mutex<Vec<KeyId>>,
    /// Between the reading and the answer: what waits here has read what may be old by then.
    pub(crate) reads: Gate,
    /// Before a revocation.
    pub(crate) revokes: Gate,
    /// Before a hash is replaced.
    pub(crate) replacements: Gate,
}

impl FakeStore {
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        Self {
            rows: Mutex::default(),
            channel,
            queries: AtomicUsize::new(0),
            rows_asked_for: AtomicUsize::new(0),
            hashes_replaced: AtomicUsize::new(0),
            replacements_failed: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            corrupt: Mutex::default(),
            reads: Gate::new(),
            revokes: Gate::new(),
            replacements: Gate::new(),
        }
    }

    /// Statements that have read rows.
    pub(crate) fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }

    /// Rows that they asked for.
    pub(crate) fn rows_asked_for(&self) -> usize {
        self.rows_asked_for.load(Ordering::SeqCst)
    }

    /// Times that a stronger hash came.
    pub(crate) fn hashes_replaced(&self) -> usize {
        self.hashes_replaced.load(Ordering::SeqCst)
    }

    /// Times that one could not be written.
    pub(crate) fn replacements_failed(&self) -> usize {
        self.replacements_failed.load(Ordering::SeqCst)
    }

    /// Whether every statement fails from now on: what is under way, too.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// A row that cannot be read.
    pub(crate) fn corrupt(&self, id: KeyId) {
        self.corrupt.lock().expect("no test panics with it").push(id);
    }

    pub(crate) fn put(&self, key: StoredKey) {
        self.rows().insert(key.record.id, Arc::new(key));
    }

    pub(crate) fn row(&self, id: KeyId) -> Option<Arc<StoredKey>> {
        self.rows().get(&id).cloned()
    }

    pub(crate) fn delete(&self, id: KeyId) -> StoredKey {
        let row = self.rows().remove(&id).expect("a row");
        StoredKey { record: row.record.clone(), hash: copy(&row.hash) }
    }

    /// Changes a row, and tells nobody.
    pub(crate) fn change(&self, id: KeyId, change: impl FnOnce(&mut KeyRecord)) {
        let mut rows = self.rows();
        let row = rows.get_mut(&id).expect("a row");
        let mut record = row.record.clone();
        change(&mut record);
        *row = Arc::new(StoredKey { record, hash: copy(&row.hash) });
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<KeyId, Arc<StoredKey>>> {
        self.rows.lock().expect("no test panics with it")
    }

    fn answers(&self) -> Result<(), StoreError> {
        let down = self.down.load(Ordering::SeqCst);
        if down { Err(StoreError::Unavailable("the test has switched it off".to_owned())) } else { Ok(()) }
    }
}

fn copy(hash: &StoredHash) -> StoredHash {
    StoredHash::new(hash.expose().to_owned())
}

#[async_trait]
impl KeyStore for FakeStore {
    async fn find(&self, ids: &[KeyId]) -> Result<Vec<Arc<StoredKey>>, StoreError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.rows_asked_for.fetch_add(ids.len(), Ordering::SeqCst);
        let found = ids.iter().filter_map(|id| self.row(*id)).collect();
        self.reads.pass().await;
        // What takes no time at all races with nothing.
        tokio::task::yield_now().await;
        self.answers()?;
        let corrupt = self.corrupt.lock().expect("no test panics with it");
        match ids.iter().find(|id| corrupt.contains(id)) {
            Some(id) => Err(StoreError::Corrupt(id.to_string())),
            None => Ok(found),
        }
    }

    async fn insert(&self, key: &StoredKey, _created_at: OffsetDateTime) -> Result<(), StoreError> {
        self.answers()?;
        self.put(StoredKey { record: key.record.clone(), hash: copy(&key.hash) });
        Ok(())
    }

    async fn revoke(
        &self,
        revoke: &Revoke,
        before_commit: &(dyn Fn(ChangeId) + Send + Sync),
    ) -> Result<Option<Revoked>, StoreError> {
        self.revokes.pass().await;
        if self.row(revoke.id).is_none() {
            return Ok(None);
        }
        let change = self.channel.next_change();
        before_commit(change);
        // What fails here is the commit.
        self.answers()?;
        self.change(revoke.id, |record| record.revoked_at = Some(revoke.at));
        let records = Records::These(vec![RecordId(revoke.id.as_uuid().as_u128())]);
        self.channel.deliver(&Notification::Changed { change, records });
        // So long that no test waits for it.
        Ok(Some(Revoked { at: revoke.at, change }))
    }

    async fn replace_hash(&self, id: KeyId, old: &StoredHash, new: &StoredHash) -> Result<(), StoreError> {
        self.replacements.pass().await;
        if let Err(error) = self.answers() {
            self.replacements_failed.fetch_add(1, Ordering::SeqCst);
            return Err(error);
        }
        let mut rows = self.rows();
        let row = rows.get_mut(&id).expect("a row");
        if row.hash.expose() == old.expose() {
            *row = Arc::new(StoredKey { record: row.record.clone(), hash: copy(new) });
            self.hashes_replaced.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}
