//! How full a cache is.

use quick_cache::{Lifecycle, sync::DefaultLifecycle};
use std::sync::Arc;

use crate::telemetry::metrics::counting::Counter;

/// The state of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// The entries.
    pub entries: u64,
    /// The places that they take.
    pub used: u64,
    /// The places there are.
    pub places: u64,
    /// The entries that were removed to make room for others.
    pub evicted: u64,
}

/// Counts evictions. Otherwise like [`DefaultLifecycle`], which drops what was evicted outside of the cache's locks.
#[derive(Clone)]
pub(super) struct CountEvictions<Key, Value> {
    default: DefaultLifecycle<Key, Value>,
    evicted: Arc<Counter>,
}

impl<Key, Value> CountEvictions<Key, Value> {
    pub(super) fn new(evicted: Arc<Counter>) -> Self {
        Self { default: DefaultLifecycle::default(), evicted }
    }
}

impl<Key, Value> Lifecycle<Key, Value> for CountEvictions<Key, Value> {
    type RequestState = <DefaultLifecycle<Key, Value> as Lifecycle<Key, Value>>::RequestState;

    /// Only for what has to go. What is replaced under its own key also passes through [`on_evict`](Self::on_evict).
    fn before_evict(&self, _: &mut Self::RequestState, _: &Key, _: &mut Value) {
        self.evicted.increment();
    }

    fn on_evict(&self, state: &mut Self::RequestState, key: Key, value: Value) {
        self.default.on_evict(state, key, value);
    }
}
