//! Whether this replica may trust what it has read: queried by every check, written by one task.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{MonotonicTime, RecordId};

/// The part of the protocol that a check uses: a few atomics, no lock, no allocation.
///
/// The checks and the task that drives [`Replica`](super::Replica) share one instance in an `Arc`.
///
/// A cached record is stored *together with the [`FillTicket`] of the read that produced it*, and the ticket is
/// compared when the record is used, not only when it is stored. So an insert that races with an invalidation leaves an
/// entry that nobody trusts, and the promise does not require anything to be removed (removal only frees memory).
///
/// Every access is `SeqCst`: on our target machines, a load costs the same as a relaxed one, and an acknowledgement
/// must never overtake the invalidation that it reports.
#[derive(Debug)]
pub struct Freshness {
    /// The end of the lease, in nanoseconds on this machine's clock.
    lease_until: AtomicU64,
    /// Incremented whenever everything read before becomes invalid.
    generation: AtomicU64,
    /// Counters of invalidations, one per stripe of record ids. Bounds the memory: two ids with the same stripe cause
    /// each other needless reads, but never a wrong answer.
    epochs: Box<[AtomicU64]>,
}

/// The state before a read began. Later proves that nothing has invalidated the read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FillTicket {
    epoch: u64,
    generation: u64,
}

impl Freshness {
    /// Trusts nothing yet. `stripes`: the number of epoch counters (8 bytes each, at least one). A change causes one
    /// read for each cached record with the same stripe.
    pub fn new(stripes: usize) -> Self {
        Self {
            lease_until: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            epochs: (0..stripes.max(1)).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Call this before the read of `id` begins (before its transaction does), and store the ticket with the result.
    pub fn read_started(&self, id: RecordId) -> FillTicket {
        FillTicket { epoch: self.epoch(id).load(Ordering::SeqCst), generation: self.generation.load(Ordering::SeqCst) }
    }

    /// Whether the record may be used from memory at `now`: the lease is valid, and nothing has invalidated `id` since
    /// the read behind `ticket` began.
    ///
    /// Read the clock *after* the request arrived. The same function decides whether a request may join a read that
    /// began before the request did, because such a read counts as memory.
    pub fn may_believe(&self, ticket: &FillTicket, id: RecordId, now: MonotonicTime) -> bool {
        // The order matters. Otherwise a check on a replica that was cut off could find the old entry current, the
        // listener could catch up (apply the change and renew the lease), and the check would then find a valid lease:
        // an old row would be accepted after the revoker stopped waiting for us.
        self.lease_valid(now) && self.is_current(ticket, id)
    }

    /// Whether the lease is valid at `now`. Not sufficient alone: see [`may_believe`](Self::may_believe).
    pub fn lease_valid(&self, now: MonotonicTime) -> bool {
        now < self.lease_until()
    }

    /// Whether nothing has invalidated `id` since the read behind `ticket` began. If not, the entry is not worth
    /// storing.
    pub fn is_current(&self, ticket: &FillTicket, id: RecordId) -> bool {
        *ticket == self.read_started(id)
    }

    /// The end of the lease, possibly in the past; for metrics and readiness.
    pub fn lease_until(&self) -> MonotonicTime {
        MonotonicTime::from_nanos(self.lease_until.load(Ordering::SeqCst))
    }

    /// Invalidates everything read for `id` before this call. Called by [`Replica`](super::Replica); a caller that
    /// changes a row may also call it, so that the change takes effect immediately on this replica.
    pub fn invalidate(&self, id: RecordId) {
        self.epoch(id).fetch_add(1, Ordering::SeqCst);
    }

    /// Invalidates everything read before this call.
    pub fn invalidate_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// An independent copy, for the branches of the model check.
    pub fn detached_copy(&self) -> Self {
        let copy = |from: &AtomicU64| AtomicU64::new(from.load(Ordering::SeqCst));
        Self {
            lease_until: copy(&self.lease_until),
            generation: copy(&self.generation),
            epochs: self.epochs.iter().map(copy).collect(),
        }
    }

    /// Never shortens the lease: a late heartbeat may carry an earlier end than one that was already processed.
    pub(super) fn extend_lease(&self, until: MonotonicTime) {
        self.lease_until.fetch_max(until.as_nanos(), Ordering::SeqCst);
    }

    pub(super) fn end_lease(&self) {
        self.lease_until.store(0, Ordering::SeqCst);
    }

    fn epoch(&self, id: RecordId) -> &AtomicU64 {
        // The low half suffices, because that is where a UUIDv7 is random.
        let stripe = id.0 as u64 % self.epochs.len() as u64;
        &self.epochs[stripe as usize]
    }
}
