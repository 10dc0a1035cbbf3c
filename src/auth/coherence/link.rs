//! Drives the protocol: the one task that listens, sends heartbeats and acknowledgements, and wakes
//! those who wait for a change to be settled.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::MissedTickBehavior,
};

use uuid::Uuid;

use super::{
    ChangeId, Connection, Freshness, LONGEST_LEASE, Mark, MonotonicTime, Notification, Progress, Replica, ReplicaId,
    Settings, Settled, settled_unheard_at,
};
use crate::{
    auth::clock,
    domain::ports::{
        StoreError,
        announcements::{Announcements, Listener, Listening},
    },
    telemetry::outage::Trouble,
};

/// Counters of invalidations: 512 KB, for each check reads one, and so they stay in the processor's own
/// cache. With a million keys in memory, a change costs the fifteen that share its counter a read each.
const STRIPES: usize = 1 << 16;
/// Heartbeats in one lease: some may be late before the lease is gone.
const HEARTBEATS_A_LEASE: u32 = 5;
const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// How long to wait before listening again after it failed; doubled up to the maximum.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// This replica's link to the others.
pub struct Link {
    replica: Mutex<Replica>,
    freshness: Arc<Freshness>,
    announcements: Arc<dyn Announcements>,
    lease: Duration,
    /// Something was heard that may settle a change.
    progressed: watch::Sender<()>,
    /// Held by a heartbeat on its way to the database. A second one would only queue up behind it.
    on_its_way: Arc<AsyncMutex<()>>,
    troubles: Troubles,
}

/// What is told once while it lasts, and not at each try.
#[derive(Default)]
struct Troubles {
    listening: Trouble,
    heartbeats: Trouble,
    acknowledgements: Trouble,
    unproven: Trouble,
}

impl Link {
    /// A link that does nothing yet.
    pub fn new(id: ReplicaId, settings: Settings, announcements: Arc<dyn Announcements>) -> Self {
        Self {
            lease: settings.lease,
            replica: Mutex::new(Replica::new(id, settings)),
            freshness: Arc::new(Freshness::new(STRIPES)),
            announcements,
            progressed: watch::channel(()).0,
            on_its_way: Arc::default(),
            troubles: Troubles::default(),
        }
    }

    /// What the checks may believe.
    pub fn freshness(&self) -> Arc<Freshness> {
        Arc::clone(&self.freshness)
    }

    /// Listens for ever, on one connection after the other.
    pub async fn run(self: Arc<Self>) {
        let mut pause = RECONNECT_PAUSE;
        loop {
            match self.announcements.listen(self.lease).await {
                Ok(listening) => {
                    pause = RECONNECT_PAUSE;
                    self.troubles.listening.is_over(|lasted_ms| tracing::info!(lasted_ms, "hears of changes again"));
                    let lost = self.follow(listening).await;
                    self.troubles.listening.tell(&lost, |_| {
                        tracing::warn!(error = %lost, "stopped hearing of changes; memory counts until the lease ends, and then keys are read on each check, until that is mended");
                    });
                }
                Err(error) => self.troubles.listening.tell(&error, |repeated| {
                    tracing::warn!(%error, repeated, "cannot listen for changes; trying again");
                }),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_PAUSE_MAX);
        }
    }

    /// Gives up the lease and tells the others, so that no revoker waits for a replica that has stopped.
    pub async fn leave(&self) {
        let left = self.replica().leave(&self.freshness);
        // A heartbeat that came after the good-bye, by another connection, would list us again.
        let _none_on_its_way = self.on_its_way.lock().await;
        if let Err(error) = self.announcements.send(&left).await {
            tracing::warn!(%error, "could not say good-bye; revokes may wait for this replica for one lease");
        }
    }

    /// Follows a change that is to be made, from before its commit.
    pub fn announce(self: &Arc<Self>) -> Announced {
        let change = ChangeId(rand::random());
        self.replica().announce_change(change);
        Announced { link: Arc::clone(self), change, mark: self.announcements.mark(change) }
    }

    async fn follow(self: &Arc<Self>, listening: Listening) -> StoreError {
        let Listening { mut listener, longest_lease } = listening;
        let connection = self.replica().listener_connected(clock::now(), longest_lease, &self.freshness);
        let lost = self.hear(&mut *listener, connection).await;
        self.replica().listener_lost(connection);
        lost
    }

    async fn hear(self: &Arc<Self>, listener: &mut dyn Listener, connection: Connection) -> StoreError {
        let interval = (self.lease / HEARTBEATS_A_LEASE).min(HEARTBEAT_INTERVAL_MAX);
        let mut heartbeats = tokio::time::interval(interval);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // What has arrived comes first: it may be what a heartbeat would ask about.
                biased;
                arrived = listener.next() => match arrived {
                    Ok(notification) => self.heard(connection, &notification),
                    Err(error) => return error,
                },
                _ = heartbeats.tick() => {
                    if self.tick() {
                        return StoreError::Unavailable("the listening connection is deaf".to_owned());
                    }
                }
            }
            self.acknowledge();
        }
    }

    fn heard(&self, connection: Connection, notification: &Notification) {
        let unproven = self.replica().heard(connection, notification, clock::now(), &self.freshness);
        if let Some(ReplicaId(id)) = unproven {
            self.troubles.unproven.tell(&"a replica without a proof", |repeated| {
                tracing::warn!(
                    replica = %Uuid::from_u128(id),
                    repeated,
                    "heard of a replica that proves nothing: of an older version, with other peppers, or made up by somebody who \
                     may connect to the database; each change waits for its lease"
                );
            });
        }
        self.progressed.send_replace(());
    }

    /// Sends a heartbeat. Says whether the listening connection is to be given up.
    fn tick(self: &Arc<Self>) -> bool {
        // Before the heartbeat is made: one that is made is seen by who leaves.
        let turn = Arc::clone(&self.on_its_way).try_lock_owned();
        let ticked = self.replica().tick(clock::now());
        if let (Some(heartbeat), Ok(turn)) = (ticked.heartbeat, turn) {
            let link = Arc::clone(self);
            tokio::spawn(async move {
                match link.announcements.send(&heartbeat).await {
                    Ok(()) => {
                        link.replica().heartbeat_sent(&heartbeat, clock::now(), &link.freshness);
                        link.troubles.heartbeats.is_over(|lasted_ms| {
                            tracing::info!(lasted_ms, "heartbeats reach the database again");
                        });
                    }
                    Err(error) => link.troubles.heartbeats.tell(&error, |repeated| {
                        tracing::warn!(%error, repeated, "could not send a heartbeat");
                    }),
                }
                drop(turn);
            });
        }
        ticked.reconnect
    }

    /// Sends the acknowledgement that is due, if one is. One that fails is due again at the next tick.
    fn acknowledge(self: &Arc<Self>) {
        let Some(acknowledgement) = self.replica().acknowledgement_due(clock::now()) else { return };
        let link = Arc::clone(self);
        tokio::spawn(async move {
            let sent = link.announcements.send(&acknowledgement).await;
            link.replica().acknowledgement_finished(sent.is_ok());
            match sent {
                // Further changes may have been applied meanwhile.
                Ok(()) => {
                    link.troubles.acknowledgements.is_over(|lasted_ms| {
                        tracing::info!(lasted_ms, "changes are acknowledged again");
                    });
                    link.acknowledge();
                }
                Err(error) => link.troubles.acknowledgements.tell(&error, |repeated| {
                    tracing::warn!(%error, repeated, "could not acknowledge a change");
                }),
            }
        });
    }

    fn replica(&self) -> MutexGuard<'_, Replica> {
        // Held for a few instructions and never across I/O. A panic in between would leave the
        // protocol's state undecided, but its worst outcome is a longer wait.
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change that is followed until this is dropped.
pub struct Announced {
    link: Arc<Link>,
    change: ChangeId,
    mark: Mark,
}

impl Announced {
    /// What announces it, to be sent in its transaction.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Waits until no check that starts from now on believes what the change has ended, on any
    /// replica. `committed_at` was read after the commit's reply.
    pub async fn settled(&self, committed_at: MonotonicTime) -> Settled {
        // The others' acknowledgements usually come first. The database must not be able to hold those
        // up, so it is asked beside them, and until it answers the longest possible lease holds.
        let by_lease_in_use = async {
            let longest_lease = self.link.announcements.longest_lease().await;
            self.settled_within(committed_at, longest_lease).await
        };
        tokio::select! {
            settled = self.settled_within(committed_at, LONGEST_LEASE) => settled,
            settled = by_lease_in_use => settled,
        }
    }

    async fn settled_within(&self, committed_at: MonotonicTime, longest_lease: Duration) -> Settled {
        let unheard_until = settled_unheard_at(committed_at, longest_lease);
        let mut progressed = self.link.progressed.subscribe();
        loop {
            let now = clock::now();
            let progress = self.link.replica().progress(self.change, unheard_until, now);
            match progress {
                Progress::Done(settled) => return settled,
                Progress::Waiting { until } => {
                    let left = Duration::from_nanos(until.as_nanos().saturating_sub(now.as_nanos()));
                    // Either way the question is asked again, by the right clock.
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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_util::FutureExt;
    use tokio::sync::Semaphore;

    use super::*;

    /// Takes messages one after the other, each when it is let through.
    struct Slow {
        begun: watch::Sender<usize>,
        let_through: Semaphore,
        taken: Mutex<Vec<Notification>>,
    }

    #[async_trait]
    impl Announcements for Slow {
        async fn listen(&self, _: Duration) -> Result<Listening, StoreError> {
            Err(StoreError::Unavailable("nobody asks".to_owned()))
        }

        async fn send(&self, notification: &Notification) -> Result<(), StoreError> {
            self.begun.send_modify(|begun| *begun += 1);
            self.let_through.acquire().await.expect("never closed").forget();
            self.taken.lock().expect("no panic").push(notification.clone());
            Ok(())
        }

        fn mark(&self, _: ChangeId) -> Mark {
            unimplemented!("nobody changes anything")
        }

        async fn longest_lease(&self) -> Duration {
            LONGEST_LEASE
        }
    }

    #[tokio::test]
    async fn the_good_bye_comes_after_a_heartbeat_that_is_on_its_way() {
        let (begun, mut seen) = watch::channel(0);
        let slow = Arc::new(Slow { begun, let_through: Semaphore::new(0), taken: Mutex::default() });
        let settings = Settings::for_lease(Duration::from_secs(5)).expect("a possible lease");
        let link = Arc::new(Link::new(ReplicaId(1), settings, Arc::clone(&slow) as Arc<dyn Announcements>));
        link.replica().listener_connected(clock::now(), LONGEST_LEASE, &link.freshness);
        assert!(!link.tick());
        seen.wait_for(|begun| *begun == 1).await.expect("a heartbeat");

        let mut leave = link.leave().boxed();
        assert!(leave.as_mut().now_or_never().is_none());
        assert_eq!(*seen.borrow(), 1, "it waits for the heartbeat");
        link.tick();
        slow.let_through.add_permits(2);
        leave.await;
        let taken = slow.taken.lock().expect("no panic");
        assert!(matches!(taken[..], [Notification::Heartbeat { .. }, Notification::Left { .. }]), "{taken:?}");
    }
}
