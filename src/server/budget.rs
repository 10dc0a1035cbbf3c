//! One limit on the memory that clients of all connections can make this process hold.
//!
//! The fixed part per connection is small, and bounded by `server.max_connections`. Everything beyond it (a large head
//! or body being received, a response that its client does not read) is reserved here, so the sum has its own limit,
//! whoever connects and how often.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The remaining bytes. Shared by all workers.
#[derive(Debug)]
pub(super) struct Budget {
    all: usize,
    left: AtomicUsize,
}

impl Budget {
    /// A budget of this many bytes.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { all: bytes, left: AtomicUsize::new(bytes) })
    }

    /// Reserves this many bytes until the result is dropped; `None` if they are not available.
    pub(super) fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation { budget: Arc::clone(self), bytes: 0 };
        reservation.grow_to(bytes).then_some(reservation)
    }

    /// Whether so little is left that connections should release memory that they do not need at the moment.
    pub(super) fn is_scarce(&self) -> bool {
        self.left.load(Relaxed) < self.all / 2
    }
}

/// Bytes reserved from a [`Budget`].
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reservation {
    /// Grows the reservation to this size. Returns `false` and changes nothing if the memory is not available.
    pub(super) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let taken = self.budget.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(more)).is_ok();
        if taken {
            self.bytes += more;
        }
        taken
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_reserved_than_there_is_and_what_is_dropped_can_be_reserved_again() {
        let budget = Budget::new(10);
        let mut one = budget.reserve(6).expect("there are ten");
        assert!(budget.reserve(5).is_none());
        assert!(one.grow_to(10) && one.grow_to(4) && !one.grow_to(11));
        assert!(budget.reserve(1).is_none());
        drop(one);
        assert!(budget.reserve(10).is_some());
    }

    #[test]
    fn what_is_left_is_scarce_when_it_is_less_than_half() {
        let budget = Budget::new(10);
        let half = budget.reserve(5).expect("there are ten");
        assert!(!budget.is_scarce());
        let more = budget.reserve(1).expect("there are five");
        assert!(budget.is_scarce());
        drop((half, more));
        assert!(!budget.is_scarce());
    }
}
