//! A change of this replica, from its announcement until it is settled.

use std::{sync::Arc, time::Duration};

use super::{
    super::{ChangeId, LONGEST_LEASE, Mark, MonotonicTime, Progress, Settled, settled_unheard_at},
    Link,
};
use crate::auth::clock;

/// The pause between two looks for acknowledgements; doubled up to the maximum. The first is about the time in which a
/// replica acknowledges.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(20);
/// How long the acknowledgements have before the database is asked for the longest lease, which costs a read and a
/// commit. They usually take a few milliseconds, and no lease is shorter than a second.
const ASKS_AFTER: Duration = Duration::from_millis(50);

/// A change that is followed until this is dropped.
pub struct Announced {
    link: Arc<Link>,
    change: ChangeId,
    mark: Mark,
}

impl Link {
    /// Follows an upcoming change. Must be called before its commit.
    pub fn announce(self: &Arc<Self>) -> Announced {
        let change = ChangeId::by_rows(rand::random());
        self.replica().announce_change(change);
        Announced { link: Arc::clone(self), change, mark: self.announcements.mark(change) }
    }

    /// Looks for the acknowledgements of all changes that somebody waits for, unless that is being done. After a
    /// failure, whoever waits looks again, and waits for the lease at most.
    fn look_for_acknowledgements(self: &Arc<Self>) {
        let Ok(turn) = Arc::clone(&self.looking).try_lock_owned() else { return };
        let awaited = self.replica().awaited();
        if awaited.is_empty() {
            return;
        }
        let link = Arc::clone(self);
        // A task of its own, because whoever waits may go in the middle, and the connection would go too.
        tokio::spawn(async move {
            match link.announcements.acknowledged(&awaited).await {
                Ok(found) => {
                    for (replica, changes) in found {
                        link.replica().acknowledged(replica, &changes);
                    }
                    link.progressed.send_replace(());
                    link.troubles.looks.is_over(|lasted_ms| {
                        tracing::info!(lasted_ms, "acknowledgements of changes can be read again");
                    });
                }
                Err(error) => link.troubles.looks.tell(&error, |repeated| {
                    tracing::warn!(
                        %error, repeated, "could not read who has acknowledged a change; changes may wait for the lease"
                    );
                }),
            }
            drop(turn);
        });
    }
}

impl Announced {
    /// The announcement, to be sent in the change's transaction.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Waits until no check that starts from now on trusts the old row, on any replica. `committed_at` must be read
    /// after the commit's reply.
    pub async fn settled(&self, committed_at: MonotonicTime) -> Settled {
        // The database must not delay the acknowledgements, so the longest lease is queried concurrently; until it is
        // known, the longest possible lease applies.
        let by_lease_in_use = async {
            tokio::time::sleep(ASKS_AFTER).await;
            let longest_lease = self.link.announcements.longest_lease().await;
            self.settled_within(committed_at, longest_lease).await
        };
        let settled = tokio::select! {
            settled = self.settled_within(committed_at, LONGEST_LEASE) => settled,
            settled = by_lease_in_use => settled,
        };
        self.link.counts.settled(settled, committed_at, clock::now());
        settled
    }

    async fn settled_within(&self, committed_at: MonotonicTime, longest_lease: Duration) -> Settled {
        let unheard_until = settled_unheard_at(committed_at, longest_lease);
        let mut progressed = self.link.progressed.subscribe();
        let (mut pause, mut look_at) = (LOOK_PAUSE, clock::now().after(LOOK_PAUSE));
        loop {
            let now = clock::now();
            let progress = self.link.replica().progress(self.change, unheard_until, now);
            match progress {
                Progress::Done(settled) => return settled,
                Progress::Waiting { until } => {
                    if look_at <= now {
                        self.link.look_for_acknowledgements();
                        pause = (pause * 2).min(LOOK_PAUSE_MAX);
                        look_at = now.after(pause);
                    }
                    let left = Duration::from_nanos(until.min(look_at).as_nanos().saturating_sub(now.as_nanos()));
                    // In either case the loop checks again, by the right clock.
                    let _ = tokio::time::timeout(left, progressed.changed()).await;
                }
            }
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.link.replica().forget_change(self.change);
    }
}
