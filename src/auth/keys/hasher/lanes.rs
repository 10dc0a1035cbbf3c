//! Whose turn it is to hash.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{HashError, failed};
use crate::{
    domain::owner::Owner,
    telemetry::metrics::counting::{Counter, Distribution, FAST, Histogram},
    turns::{self, Turns},
};

/// The maximum number of new keys of one owner that are hashed or waiting in their lane at once. Otherwise an owner who
/// creates keys continuously, even beyond their limit, could keep everybody else from creating one.
const MOST_OF_AN_OWNER: usize = 1;

/// The purpose of a hash. Each lane may have a limited number of requests in the common queue for permits, so neither a
/// flood of first checks nor one of new keys makes the other wait beyond its own share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A key is presented.
    Check,
    /// A key is created, or a hash is replaced.
    Issue,
}

impl Lane {
    fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Issue => "issue",
        }
    }
}

/// What is known about the requests of a lane.
struct LaneCounts {
    queue: AtomicUsize,
    waits: Histogram,
    refused: Counter,
}

/// The state of a lane.
pub struct LaneState {
    /// The name of the lane.
    pub name: &'static str,
    /// The requests that wait for their turn.
    pub queue: usize,
    /// How long those waited that got their turn.
    pub waits: Distribution,
    /// Those that got none in time.
    pub refused: u64,
}

/// A place in the queue, which is left however the wait ends.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(queue: &'a AtomicUsize) -> Self {
        queue.fetch_add(1, Ordering::Relaxed);
        Self(queue)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The queues for permits.
pub(super) struct Lanes {
    pub(super) permits: Arc<Semaphore>,
    concurrency: usize,
    /// Limits how many requests of each lane may be in the queue for `permits`.
    lanes: [Arc<Semaphore>; 2],
    owners: Arc<Turns<Owner>>,
    max_wait: Duration,
    counts: [LaneCounts; 2],
}

/// A permit to hash, a place in the lane, and the owner's turn for a new key.
pub(super) type Turn = ([OwnedSemaphorePermit; 2], Option<turns::Turn<Owner>>);

impl Lanes {
    /// Permits for `concurrency` hashes at a time, for which nobody waits longer than `max_wait`.
    pub(super) fn new(concurrency: NonZeroUsize, max_wait: Duration) -> Self {
        let permits = || Arc::new(Semaphore::new(concurrency.get()));
        Self {
            permits: permits(),
            concurrency: concurrency.get(),
            lanes: [permits(), permits()],
            owners: Turns::new(),
            max_wait,
            counts: [(), ()].map(|()| LaneCounts {
                queue: AtomicUsize::new(0),
                waits: Histogram::new(FAST),
                refused: Counter::default(),
            }),
        }
    }

    /// The permits in use, and all of them.
    pub(super) fn running(&self) -> (usize, usize) {
        (self.concurrency.saturating_sub(self.permits.available_permits()), self.concurrency)
    }

    /// The states of the lanes.
    pub(super) fn states(&self) -> [LaneState; 2] {
        [Lane::Check, Lane::Issue].map(|lane| {
            let LaneCounts { queue, waits, refused } = &self.counts[lane as usize];
            LaneState {
                name: lane.name(),
                queue: queue.load(Ordering::Relaxed),
                waits: waits.distribution(),
                refused: refused.get(),
            }
        })
    }

    /// Waits for a turn; for a new key of an owner, for the owner's turn as well.
    ///
    /// # Errors
    /// [`HashError::Busy`] if none came in time, or [`HashError::OwnerBusy`] if only the owner's did not.
    pub(super) async fn turn(&self, lane: Lane, owner: Option<&Owner>) -> Result<Turn, HashError> {
        let (lane, counts) = (&self.lanes[lane as usize], &self.counts[lane as usize]);
        let waits_for_own = AtomicBool::new(owner.is_some());
        let all = async {
            let of_owner = match owner {
                Some(owner) => Some(self.owners.take(owner.clone(), MOST_OF_AN_OWNER).await),
                None => None,
            };
            waits_for_own.store(false, Ordering::Relaxed);
            let place = Arc::clone(lane).acquire_owned().await?;
            Ok(([place, Arc::clone(&self.permits).acquire_owned().await?], of_owner))
        };
        let (begun, _waiting) = (Instant::now(), Waiting::begin(&counts.queue));
        match tokio::time::timeout(self.max_wait, all).await {
            Ok(turn) => {
                counts.waits.observe(begun.elapsed());
                turn.map_err(|closed: tokio::sync::AcquireError| failed(closed))
            }
            // Nobody else is kept waiting, so more processors would not help.
            Err(_) if waits_for_own.load(Ordering::Relaxed) => Err(HashError::OwnerBusy(self.max_wait)),
            Err(_) => {
                counts.refused.increment();
                Err(HashError::Busy(self.max_wait))
            }
        }
    }
}
