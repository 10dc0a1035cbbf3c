//! Counters of limits in memory, on a clock of the test's.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use keyward::domain::{
    limits::Holder,
    ports::{
        StoreError,
        limits::{
            CountedLimit, CreditGrant, CreditRequest, LimitStore, SettledSlices, SliceGrant, SliceRequest, SliceReturn,
        },
    },
};
use time::{Duration, OffsetDateTime};

use super::gate::Gate;
use crate::{
    credit_table::{Balance, CreditTable},
    limit_table::LimitTable,
};

/// The only replica of this world.
const US: u128 = 1;

/// The counters.
pub struct FakeLimits {
    table: Mutex<LimitTable>,
    credits: Mutex<CreditTable>,
    /// By how much the clock of the database is ahead of ours.
    ahead: Mutex<Duration>,
    statements: AtomicUsize,
    requests: AtomicUsize,
    down: AtomicBool,
    /// Between the commit and the answer.
    pub answers: Gate,
}

impl FakeLimits {
    pub fn new() -> Self {
        Self {
            table: Mutex::default(),
            credits: Mutex::default(),
            ahead: Mutex::new(Duration::ZERO),
            statements: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            answers: Gate::new(),
        }
    }

    /// How many statements there were.
    pub fn statements(&self) -> usize {
        self.statements.load(Ordering::SeqCst)
    }

    /// How much is taken of all limits together.
    pub fn taken(&self) -> u64 {
        lock(&self.table).taken()
    }

    /// Gives a holder so many credits.
    pub fn set_credits(&self, holder: Holder, remaining: u64) {
        lock(&self.credits).set(holder, remaining);
    }

    /// The credits of a holder.
    pub fn balance(&self, holder: Holder) -> Balance {
        lock(&self.credits).balance(holder).expect("a balance")
    }

    /// How many slices they asked for.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// From now on, whether no statement is answered.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Moves the clock of the database.
    pub fn advance(&self, by: Duration) {
        *lock(&self.ahead) += by;
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + *lock(&self.ahead)
    }
}

impl Default for FakeLimits {
    fn default() -> Self {
        Self::new()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic")
}

#[async_trait]
impl LimitStore for FakeLimits {
    async fn take_slices(&self, requests: &[SliceRequest]) -> Result<Vec<SliceGrant>, StoreError> {
        self.statements.fetch_add(1, Ordering::SeqCst);
        self.requests.fetch_add(requests.len(), Ordering::SeqCst);
        let now = self.now();
        let grants = {
            let mut table = lock(&self.table);
            requests.iter().map(|request| table.take(request, now)).collect()
        };
        self.answers.pass().await;
        // The outcome is unknown: it may have been committed, and here it was.
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("down".to_owned()));
        }
        Ok(grants)
    }

    async fn return_slices(&self, returns: &[SliceReturn]) -> Result<(), StoreError> {
        returns.iter().for_each(|part| lock(&self.table).give_back(part));
        Ok(())
    }

    async fn counted(&self, _: &[Holder]) -> Result<Vec<CountedLimit>, StoreError> {
        unimplemented!()
    }

    async fn exchange_credits(&self, requests: &[CreditRequest]) -> Result<Vec<CreditGrant>, StoreError> {
        self.statements.fetch_add(1, Ordering::SeqCst);
        self.requests.fetch_add(requests.len(), Ordering::SeqCst);
        let now = self.now();
        let grants = {
            let mut credits = lock(&self.credits);
            requests.iter().map(|request| credits.exchange(US, request, now)).collect()
        };
        self.answers.pass().await;
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("down".to_owned()));
        }
        Ok(grants)
    }

    async fn settle_silent_slices(&self, _: Holder, _: u32) -> Result<SettledSlices, StoreError> {
        Ok(SettledSlices::default())
    }

    async fn forget_counters(&self, _: Holder, _: u32) -> Result<(Option<Holder>, u64), StoreError> {
        Ok((None, 0))
    }
}
