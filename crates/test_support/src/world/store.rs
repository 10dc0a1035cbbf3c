//! Rows in memory, read and written as slowly and as unreliably as the test wants.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use keyward::{
    auth::coherence::{ChangeId, Mark, RecordId, Records},
    domain::{
        api_key::KeyId,
        audit::{Actor, AuditEvent, Author},
        key_record::{FIRST_VERSION, KeyRecord, ManagedKey},
        ledger::{
            Change, ChangeContext, Decision, IdempotentRequest, Inserted, Insertion, Outcome, OwnerSwitch,
            OwnerSwitched, Reach, Refusal,
        },
        listing::{EventFilter, KeyFilter, KeyOrder, Listed, OwnerFilter, OwnerStanding, Page},
        owner::Owner,
        owner_limits::{OwnerAllowance, OwnerLimitsChange, OwnerLimitsChanged},
        ports::{
            Right, StoreError,
            ended_tokens::EndedTokens,
            keys::{KeyStore, StoredHash, StoredKey},
            ledger::KeyLedger,
            usage::{HourlyUses, KeyUse, UsageBatch, UsageStore},
        },
        revocation::{KeyRevocation, Revoked},
        text::{ChangeReason, KeyName},
        token::{TokenEnd, TokenRecords, TokenRevocation},
        usage::{KeyDay, Period, TooManyCounts, Usage, UsageQuery},
    },
};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::{channel::Channel, gate::Gate};
use crate::in_time;

pub struct FakeStore {
    rows: Mutex<HashMap<KeyId, Arc<StoredKey>>>,
    channel: Arc<Channel>,
    queries: AtomicUsize,
    rows_asked_for: AtomicUsize,
    hashes_replaced: AtomicUsize,
    replacements_failed: AtomicUsize,
    down: AtomicBool,
    corrupt: Mutex<Vec<KeyId>>,
    /// Between the reading and the answer: what waits here has read what may be old by then.
    pub reads: Gate,
    uses: Mutex<Vec<KeyUse>>,
    counts: Mutex<Vec<HourlyUses>>,
    /// The number of the last batch of uses.
    batch: Mutex<i64>,
    /// Whether batches of uses are written, and nobody is told.
    forgets_to_answer: AtomicBool,
    ends: Mutex<HashMap<RecordId, TokenEnd>>,
    /// The latest change by the ledger that somebody waits for.
    announced: watch::Sender<Option<ChangeId>>,
    /// Before a change by the ledger.
    pub changes: Gate,
    /// Before a hash is replaced.
    pub replacements: Gate,
}

impl FakeStore {
    pub fn new(channel: Arc<Channel>) -> Self {
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
            uses: Mutex::default(),
            counts: Mutex::default(),
            batch: Mutex::default(),
            forgets_to_answer: AtomicBool::new(false),
            ends: Mutex::default(),
            announced: watch::Sender::default(),
            changes: Gate::new(),
            replacements: Gate::new(),
        }
    }

    /// Statements that have read rows.
    pub fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }

    /// Rows that they asked for.
    pub fn rows_asked_for(&self) -> usize {
        self.rows_asked_for.load(Ordering::SeqCst)
    }

    /// Times that a stronger hash came.
    pub fn hashes_replaced(&self) -> usize {
        self.hashes_replaced.load(Ordering::SeqCst)
    }

    /// Times that one could not be written.
    pub fn replacements_failed(&self) -> usize {
        self.replacements_failed.load(Ordering::SeqCst)
    }

    /// Whether every statement fails from now on: what is under way, too.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// A row that cannot be read.
    pub fn corrupt(&self, id: KeyId) {
        self.corrupt.lock().expect("no test panics with it").push(id);
    }

    /// Waits for a change by the ledger.
    pub async fn has_announced(&self) -> ChangeId {
        let mut announced = self.announced.subscribe();
        let change = in_time("a change", announced.wait_for(Option::is_some)).await.expect("the store stands");
        change.expect("the condition that was waited for")
    }

    pub fn put(&self, key: StoredKey) {
        self.rows().insert(key.record.id, Arc::new(key));
    }

    pub fn row(&self, id: KeyId) -> Option<Arc<StoredKey>> {
        self.rows().get(&id).cloned()
    }

    pub fn delete(&self, id: KeyId) -> StoredKey {
        let row = self.rows().remove(&id).expect("a row");
        StoredKey { record: row.record.clone(), hash: copy(&row.hash) }
    }

    /// Uses that were written.
    pub fn uses(&self) -> Vec<KeyUse> {
        self.uses.lock().expect("no test panics with it").clone()
    }

    /// Counts that were written.
    pub fn counts(&self) -> Vec<HourlyUses> {
        self.counts.lock().expect("no test panics with it").clone()
    }

    /// Whether batches of uses are written from now on, and the writer is told that they may not be.
    pub fn set_forgetful(&self, forgetful: bool) {
        self.forgets_to_answer.store(forgetful, Ordering::SeqCst);
    }

    /// Ends tokens, and tells nobody but the test which record it was.
    pub fn end(&self, records: TokenRecords, end: TokenEnd) -> RecordId {
        let record = match end {
            TokenEnd::Revoked => records.token.expect("a token with an id"),
            TokenEnd::NotBefore(_) => records.subject,
        };
        self.ends.lock().expect("no test panics with it").insert(record, end);
        record
    }

    /// Changes a row, and tells nobody.
    pub fn set(&self, id: KeyId, change: impl FnOnce(&mut KeyRecord)) {
        let mut rows = self.rows();
        let row = rows.get_mut(&id).expect("a row");
        let mut record = row.record.clone();
        change(&mut record);
        *row = Arc::new(StoredKey { record, hash: copy(&row.hash) });
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<KeyId, Arc<StoredKey>>> {
        self.rows.lock().expect("no test panics with it")
    }

    /// Fails if the store is switched off, like a commit.
    fn commit(&self, changed: &KeyRecord, mark: Option<&Mark>) -> Result<(), StoreError> {
        self.answers()?;
        self.set(changed.id, |record| *record = changed.clone());
        let records = Records::These(vec![RecordId(changed.id.as_uuid().as_u128())]);
        self.announced.send_replace(mark.map(named));
        self.channel.announce_as(records, mark.map(named));
        Ok(())
    }

    fn answers(&self) -> Result<(), StoreError> {
        let down = self.down.load(Ordering::SeqCst);
        if down { Err(StoreError::Unavailable("the test has switched it off".to_owned())) } else { Ok(()) }
    }
}

/// What the channel has put into it.
fn named(mark: &Mark) -> ChangeId {
    ChangeId(mark.as_str().parse().expect("a number"))
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

#[async_trait]
impl UsageStore for FakeStore {
    async fn write_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        self.answers()?;
        let is_new = {
            let mut last = self.batch.lock().expect("no test panics with it");
            std::mem::replace(&mut *last, batch.number) < batch.number
        };
        if is_new {
            self.uses.lock().expect("no test panics with it").extend_from_slice(&batch.last_uses);
            self.counts.lock().expect("no test panics with it").extend_from_slice(&batch.counts);
        }
        let lost = self.forgets_to_answer.load(Ordering::SeqCst);
        if lost { Err(StoreError::Unavailable("the answer was lost".to_owned())) } else { Ok(()) }
    }

    async fn usage(&self, _: &UsageQuery, _: &Reach) -> Result<Result<Usage, TooManyCounts>, StoreError> {
        unimplemented!()
    }

    async fn days_of_keys(&self, _: &[KeyId], _: Period, _: &Reach) -> Result<Vec<KeyDay>, StoreError> {
        unimplemented!()
    }

    async fn keep_usage_months(&self, _: Option<Duration>, _: Option<Duration>) -> Result<Option<u32>, StoreError> {
        unimplemented!()
    }

    async fn forget_usage_keys(&self, _: i32, _: u32) -> Result<Option<i32>, StoreError> {
        unimplemented!()
    }
}

#[async_trait]
impl EndedTokens for FakeStore {
    async fn find_ends(&self, records: &[RecordId]) -> Result<Vec<(RecordId, TokenEnd)>, StoreError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.rows_asked_for.fetch_add(records.len(), Ordering::SeqCst);
        let found = {
            let ends = self.ends.lock().expect("no test panics with it");
            records.iter().filter_map(|record| Some((*record, *ends.get(record)?))).collect()
        };
        self.reads.pass().await;
        tokio::task::yield_now().await;
        self.answers()?;
        Ok(found)
    }
}

/// Only what the tests here do with keys: make them, and change one.
#[async_trait]
impl KeyLedger for FakeStore {
    async fn insert(&self, insertion: &Insertion<'_>, _: &Author) -> Result<Inserted, StoreError> {
        self.answers()?;
        self.put(StoredKey { record: insertion.key.record.clone(), hash: copy(insertion.hash) });
        Ok(Inserted::Now(Box::new(insertion.key.clone())))
    }

    async fn change(&self, change: &Change<'_>) -> Result<Outcome, StoreError> {
        self.changes.pass().await;
        let Some(row) = self.row(change.id) else { return Ok(Outcome::Refused(Refusal::NotFound)) };
        let Decision { key, .. } =
            match (change.decide)(&ManagedKey::new(row.record.clone(), None, OffsetDateTime::UNIX_EPOCH), None) {
                Ok(decision) => decision,
                Err(refusal) => return Ok(Outcome::Refused(refusal)),
            };
        self.commit(&key.record, change.mark)?;
        Ok(Outcome::Changed(Box::new(key)))
    }

    async fn revoke(
        &self,
        revocation: &KeyRevocation,
        by: ChangeContext<'_>,
    ) -> Result<Result<Revoked, Refusal>, StoreError> {
        self.changes.pass().await;
        let Some(row) = self.row(revocation.id) else { return Ok(Err(Refusal::NotFound)) };
        if let Err(refusal) = revocation.preconditions.demand(FIRST_VERSION) {
            return Ok(Err(refusal));
        }
        let mut record = row.record.clone();
        let at = *record.revoked_at.get_or_insert(revocation.at);
        self.commit(&record, by.mark)?;
        Ok(Ok(Revoked { id: revocation.id, version: FIRST_VERSION, at }))
    }

    async fn earlier(
        &self,
        _: &IdempotentRequest,
        _: &Reach,
        _: OffsetDateTime,
    ) -> Result<Option<Inserted>, StoreError> {
        unimplemented!()
    }

    async fn show(&self, _: KeyId, _: &Reach) -> Result<Option<ManagedKey>, StoreError> {
        unimplemented!()
    }

    async fn names(&self, _: &[KeyId], _: &Reach) -> Result<HashMap<KeyId, KeyName>, StoreError> {
        unimplemented!()
    }

    async fn list(
        &self,
        _: &KeyFilter,
        _: KeyOrder,
        _: &Page,
        _: &Reach,
        _: OffsetDateTime,
    ) -> Result<Listed<ManagedKey>, StoreError> {
        unimplemented!()
    }

    async fn owners(&self, _: &OwnerFilter, _: &Page, _: OffsetDateTime) -> Result<Listed<OwnerStanding>, StoreError> {
        unimplemented!()
    }

    async fn owner(&self, _: &Owner, _: OffsetDateTime) -> Result<Option<OwnerStanding>, StoreError> {
        unimplemented!()
    }

    async fn is_disabled(&self, _: &Owner) -> Result<bool, StoreError> {
        unimplemented!()
    }

    async fn keeps_right(&self, _: &Owner, _: &Actor, _: Right) -> Result<bool, StoreError> {
        unimplemented!()
    }

    async fn forget_ended(&self, _: Duration, _: u32) -> Result<Option<u32>, StoreError> {
        unimplemented!()
    }

    async fn keep_audit_months(&self) -> Result<(), StoreError> {
        unimplemented!()
    }

    async fn revoke_in_bulk(
        &self,
        _: &KeyFilter,
        _: Option<&[KeyId]>,
        _: u32,
        _: Option<&ChangeReason>,
        _: OffsetDateTime,
        _: ChangeContext<'_>,
    ) -> Result<u32, StoreError> {
        unimplemented!()
    }

    async fn living(&self, _: &KeyFilter, _: u32, _: &Reach, _: OffsetDateTime) -> Result<Vec<KeyId>, StoreError> {
        unimplemented!()
    }

    async fn count_living(&self, _: &KeyFilter, _: &Reach, _: OffsetDateTime) -> Result<u64, StoreError> {
        unimplemented!()
    }

    async fn switch_owner(&self, _: &OwnerSwitch, _: ChangeContext<'_>) -> Result<OwnerSwitched, StoreError> {
        unimplemented!()
    }

    async fn owner_limits(&self, _: &Owner) -> Result<OwnerAllowance, StoreError> {
        unimplemented!()
    }

    async fn change_owner_limits(
        &self,
        _: &OwnerLimitsChange,
        _: ChangeContext<'_>,
    ) -> Result<Result<OwnerLimitsChanged, Refusal>, StoreError> {
        unimplemented!()
    }

    async fn revoke_tokens(
        &self,
        _: &TokenRevocation,
        _: ChangeContext<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        unimplemented!()
    }

    async fn events(&self, _: &EventFilter, _: &Page, _: &Reach) -> Result<Listed<AuditEvent>, StoreError> {
        unimplemented!()
    }
}
