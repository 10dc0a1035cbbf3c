//! What is counted of the protocol, for operators. Nothing here decides anything.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{MonotonicTime, Settled};
use crate::telemetry::metrics::counting::{Counter, Distribution, Histogram, Histograms, SLOW};

/// How a change was settled.
const SETTLED: [&str; 3] = ["heard", "expired", "unheard"];

/// No pulse was heard.
const NEVER: u64 = 0;

/// What a link counts.
pub struct LinkCounts {
    round_trips: Histogram,
    heartbeat_failures: Counter,
    confirmations: Histograms,
    reconnects: Counter,
    pulse_at: AtomicU64,
}

/// The state of a link at an instant.
pub struct LinkState {
    /// How much longer the lease lasts.
    pub lease_left: Duration,
    /// How long ago the last pulse was heard; `None` before the first.
    pub pulse_age: Option<Duration>,
    /// The replicas that may hold a lease, and this one.
    pub replicas: usize,
    /// The changes of this replica that somebody waits for.
    pub waiting_changes: usize,
}

impl Default for LinkCounts {
    fn default() -> Self {
        Self {
            round_trips: Histogram::new(SLOW),
            heartbeat_failures: Counter::default(),
            confirmations: Histograms::new(SLOW, SETTLED.len()),
            reconnects: Counter::default(),
            pulse_at: AtomicU64::new(NEVER),
        }
    }
}

impl LinkCounts {
    /// How long heartbeats took until they renewed the lease.
    pub fn round_trips(&self) -> Distribution {
        self.round_trips.distribution()
    }

    /// The heartbeats that failed.
    pub fn heartbeat_failures(&self) -> u64 {
        self.heartbeat_failures.get()
    }

    /// How often the listening connection was lost.
    pub fn reconnects(&self) -> u64 {
        self.reconnects.get()
    }

    /// How long changes took from their commit, by how they were settled.
    pub fn confirmations(&self) -> impl Iterator<Item = (&'static str, Distribution)> {
        SETTLED.into_iter().enumerate().map(|(place, name)| (name, self.confirmations.distribution(place)))
    }

    pub(super) fn pulse_age(&self, now: MonotonicTime) -> Option<Duration> {
        let at = self.pulse_at.load(Relaxed);
        (at != NEVER).then(|| between(MonotonicTime::from_nanos(at), now))
    }

    pub(super) fn heard_pulse(&self, now: MonotonicTime) {
        self.pulse_at.store(now.as_nanos(), Relaxed);
    }

    /// A heartbeat has renewed the lease until this instant, which is so long after its sending.
    pub(super) fn renewed(&self, until: MonotonicTime, believes_for: Duration, now: MonotonicTime) {
        self.round_trips.observe(believes_for.saturating_sub(between(now, until)));
    }

    pub(super) fn heartbeat_failed(&self) {
        self.heartbeat_failures.increment();
    }

    pub(super) fn reconnects_now(&self) {
        self.reconnects.increment();
    }

    pub(super) fn settled(&self, how: Settled, committed_at: MonotonicTime, now: MonotonicTime) {
        let place = match how {
            Settled::Heard { expired: 0, .. } => 0,
            Settled::Heard { .. } => 1,
            Settled::Unheard => 2,
        };
        self.confirmations.observe(place, between(committed_at, now));
    }
}

/// The time from one instant to a later one.
pub(super) fn between(from: MonotonicTime, to: MonotonicTime) -> Duration {
    Duration::from_nanos(to.as_nanos().saturating_sub(from.as_nanos()))
}
