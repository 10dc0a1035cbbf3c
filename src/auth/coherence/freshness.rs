//! What this replica may believe of what it has read: asked on every check, written by one task.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{MonotonicTime, RecordId};

/// The part of the protocol that a check touches: a handful of atomics, no lock, no allocation.
///
/// Share one instance (in an `Arc`) between the checks and the task that drives
/// [`Replica`](super::Replica).
///
/// A cached record is kept *together with the [`FillTicket`] of the read that brought it*, and the
/// ticket is compared when the record is used, not only when it is stored. So an insert that races
/// with an invalidation leaves an entry that nobody believes, and nothing has to be removed for the
/// promise to hold (removal only frees memory).
///
/// Everything is `SeqCst`: on the machines we run on, a load costs the same as a relaxed one, and an
/// acknowledgement must never overtake the invalidation that it reports.
#[derive(Debug)]
pub struct Freshness {
    /// Nanoseconds on this machine's clock; the lease has ended at this instant.
    lease_until: AtomicU64,
    /// Counts the moments at which everything read before stopped being believed.
    generation: AtomicU64,
    /// Invalidations, counted per stripe of record ids. Bounded memory: two ids that share a stripe
    /// cost each other a needless read, never a wrong answer.
    epochs: Box<[AtomicU64]>,
}

/// What was known before a read began. Proves later that nothing has invalidated the read since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FillTicket {
    epoch: u64,
    generation: u64,
}

impl Freshness {
    /// Nothing believed yet. `stripes` is the number of epoch counters (8 bytes each, at least one):
    /// each change costs the cached records that share its stripe one read.
    pub fn new(stripes: usize) -> Self {
        Self {
            lease_until: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            epochs: (0..stripes.max(1)).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Call before the read of `id` begins (before its transaction does), and keep the ticket with
    /// whatever was read.
    pub fn read_started(&self, id: RecordId) -> FillTicket {
        FillTicket { epoch: self.epoch(id).load(Ordering::SeqCst), generation: self.generation.load(Ordering::SeqCst) }
    }

    /// Whether the record may be answered from memory at `now`: the lease holds, and nothing has
    /// invalidated `id` since the read behind `ticket` began.
    ///
    /// Read the clock *after* the request arrived. The same question decides whether a request may
    /// join a read that began before the request did: such a read is memory, too.
    pub fn may_believe(&self, ticket: &FillTicket, id: RecordId, now: MonotonicTime) -> bool {
        // In this order. The other way round, a check of a replica that was cut off could see the
        // old entry as current, then have the listener catch up (apply the change, renew the lease),
        // and then see a lease: an old row accepted after the revoke gave up waiting for us.
        self.lease_valid(now) && self.is_current(ticket, id)
    }

    /// Whether a lease holds at `now`. Alone it decides nothing: see [`may_believe`](Self::may_believe).
    pub fn lease_valid(&self, now: MonotonicTime) -> bool {
        now < self.lease_until()
    }

    /// Whether nothing has invalidated `id` since the read behind `ticket` began. An entry for which
    /// this is false is not worth storing.
    pub fn is_current(&self, ticket: &FillTicket, id: RecordId) -> bool {
        *ticket == self.read_started(id)
    }

    /// The instant at which the lease ends (or has ended); for metrics and readiness.
    pub fn lease_until(&self) -> MonotonicTime {
        MonotonicTime::from_nanos(self.lease_until.load(Ordering::SeqCst))
    }

    /// Nothing read before this call is current for `id` any more. [`Replica`](super::Replica) calls
    /// it; whoever changes a row may also call it, to be obeyed at once where the change was made.
    pub fn invalidate(&self, id: RecordId) {
        self.epoch(id).fetch_add(1, Ordering::SeqCst);
    }

    /// Nothing read before this call is current any more, whatever its id.
    pub fn invalidate_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// A copy that shares nothing with the original; the model check branches with it.
    pub fn detached_copy(&self) -> Self {
        let copy = |from: &AtomicU64| AtomicU64::new(from.load(Ordering::SeqCst));
        Self {
            lease_until: copy(&self.lease_until),
            generation: copy(&self.generation),
            epochs: self.epochs.iter().map(copy).collect(),
        }
    }

    /// Never shortens: a late heartbeat says less than a later one has said already.
    pub(super) fn extend_lease(&self, until: MonotonicTime) {
        self.lease_until.fetch_max(until.as_nanos(), Ordering::SeqCst);
    }

    pub(super) fn end_lease(&self) {
        self.lease_until.store(0, Ordering::SeqCst);
    }

    fn epoch(&self, id: RecordId) -> &AtomicU64 {
        // The low half will do: that is where a UUIDv7 is random.
        let stripe = id.0 as u64 % self.epochs.len() as u64;
        &self.epochs[stripe as usize]
    }
}
