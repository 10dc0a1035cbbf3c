//! The times of the protocol, and how many replicas and changes are followed.

use std::time::Duration;

use crate::domain::coherence::LONGEST_LEASE;

/// The shortest lease with room for a few heartbeats.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// Heartbeats per lease. A heartbeat comes back within an interval, so the next one has come back at most two intervals
/// after this one was sent; three, if one is lost. That is less than the four fifths of a lease for which memory is
/// believed.
const HEARTBEATS_A_LEASE: u32 = 4;
const HEARTBEAT_EVERY_MAX: Duration = Duration::from_millis(1_250);

/// The parameters of the protocol. [`CoherenceTimings::for_lease`] derives all of them from the lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CoherenceTimings {
    /// R: how long revokers wait for this replica if it is silent, by their clocks.
    pub lease: Duration,
    /// This replica trusts its cache for `lease - clock_margin` by its own clock. So the promise holds as long as no
    /// clock runs faster than another by more than the factor `lease : (lease - clock_margin)`.
    pub clock_margin: Duration,
    /// The interval of heartbeats. Three quarters of it is the shortest interval of pulses.
    pub heartbeat_every: Duration,
    /// If the database has committed a heartbeat and it does not come back within this time, the listening connection
    /// is considered dead.
    pub deaf_after: Duration,
    /// The maximum number of replicas that are tracked individually (about 100 bytes each). With more, changes take up
    /// to R.
    pub most_replicas: usize,
    /// The maximum number of this replica's changes that are followed at a time. Further ones wait for the longest
    /// lease.
    pub most_waiting: usize,
}

/// The configured lease is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease of {0:?} is out of range: it must be from {SHORTEST_LEASE:?} to {LONGEST_LEASE:?}")]
pub struct InvalidLease(Duration);

impl CoherenceTimings {
    /// Derives the parameters from the lease R.
    ///
    /// The margin is a fifth of R: the rates of clocks may differ by 25 %. That is far more than the drift of quartz,
    /// but time daemons may slew: chrony by up to 8.3 %, so two machines in opposite directions by 18 %.
    ///
    /// # Errors
    /// If `lease` is not between [`SHORTEST_LEASE`] and [`LONGEST_LEASE`].
    pub fn for_lease(lease: Duration) -> Result<Self, InvalidLease> {
        if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
            return Err(InvalidLease(lease));
        }
        Ok(Self {
            lease,
            clock_margin: lease / 5,
            heartbeat_every: (lease / HEARTBEATS_A_LEASE).min(HEARTBEAT_EVERY_MAX),
            deaf_after: lease / 2,
            most_replicas: 1024,
            most_waiting: 4096,
        })
    }

    /// The duration of trust that a heartbeat grants its sender, from the instant before the sending.
    pub(super) fn believes_for(&self) -> Duration {
        self.lease.saturating_sub(self.clock_margin)
    }
}
