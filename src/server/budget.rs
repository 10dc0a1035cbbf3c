//! The memory that clients can make this process hold, in one number for all connections.
//!
//! What each connection may hold anyway is small, and `server.max_connections` times that. What goes beyond it (a large
//! head or body on its way in, an answer that its client doesn't read) is taken from here, so its sum has a bound of its own,
//! whoever connects and how often.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Bytes that are left. Shared by all workers.
#[derive(Debug)]
pub(super) struct Budget {
    all: usize,
    left: AtomicUsize,
}

impl Budget {
    /// As many bytes as this.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { all: bytes, left: AtomicUsize::new(bytes) })
    }

    /// Takes this many bytes until the result is dropped; `None` when so many aren't left.
    pub(super) fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation { budget: Arc::clone(self), bytes: 0 };
        reservation.grow_to(bytes).then_some(reservation)
    }

    /// Whether so little is left that nobody should keep what they don't need at the moment.
    pub(super) fn is_scarce(&self) -> bool {
        self.left.load(Relaxed) < self.all / 2
    }
}

/// Bytes that were taken from a [`Budget`].
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reservation {
    /// Takes more, so that it is this much; `false`, and nothing changes, when that isn't left.
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
