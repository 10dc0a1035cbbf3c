//! Drives the protocol: the task that listens, sends heartbeats and acknowledgements, and wakes those who wait for a
//! change to be settled.

#[cfg(test)]
mod tests;

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
    ChangeId, CoherenceTimings, Connection, Freshness, Heartbeat, LONGEST_LEASE, LinkCounts, LinkState, Mark,
    MonotonicTime, Notification, Progress, Replica, ReplicaId, Settled, counts::between, settled_unheard_at,
};
use crate::{
    auth::clock,
    domain::ports::{
        StoreError,
        announcements::{Announcements, Listener, Listening},
    },
    telemetry::outage::Trouble,
};

/// The number of invalidation counters: 512 KB, which stay in the processor's cache, because each check reads one. With
/// a million cached keys, a change causes one read for each of the fifteen that share its counter.
const STRIPES: usize = 1 << 16;
/// The pause between two looks for acknowledgements; doubled up to the maximum. The first is about the time in which a
/// replica acknowledges.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(20);
/// The pause before listening is retried; doubled up to the maximum.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// This replica's connection to the others.
pub struct Link {
    replica: Mutex<Replica>,
    freshness: Arc<Freshness>,
    announcements: Arc<dyn Announcements>,
    lease: Duration,
    /// How long a heartbeat grants trust, from its sending.
    believes_for: Duration,
    heartbeat_every: Duration,
    counts: LinkCounts,
    /// Signals that a message arrived, or a row was read, that may settle a change.
    progressed: watch::Sender<()>,
    /// Held while a heartbeat is being sent. A second one would only queue behind it.
    on_its_way: Arc<AsyncMutex<()>>,
    /// Held while acknowledgements are looked for: once for all who wait.
    looking: Arc<AsyncMutex<()>>,
    troubles: Troubles,
}

/// Conditions that are logged once while they last, and not at each attempt.
#[derive(Default)]
struct Troubles {
    listening: Trouble,
    heartbeats: Trouble,
    acknowledgements: Trouble,
    looks: Trouble,
    unproven: Trouble,
}

impl Link {
    /// A link that does nothing until [`run`](Self::run).
    pub fn new(id: ReplicaId, settings: CoherenceTimings, announcements: Arc<dyn Announcements>) -> Self {
        Self {
            lease: settings.lease,
            believes_for: settings.believes_for(),
            counts: LinkCounts::default(),
            heartbeat_every: settings.heartbeat_every,
            replica: Mutex::new(Replica::new(id, settings)),
            freshness: Arc::new(Freshness::new(STRIPES)),
            announcements,
            progressed: watch::channel(()).0,
            on_its_way: Arc::default(),
            looking: Arc::default(),
            troubles: Troubles::default(),
        }
    }

    /// The state that checks use.
    pub fn freshness(&self) -> Arc<Freshness> {
        Arc::clone(&self.freshness)
    }

    /// What is counted, for operators.
    pub fn counts(&self) -> &LinkCounts {
        &self.counts
    }

    /// The state now, for operators.
    pub fn state(&self) -> LinkState {
        let now = clock::now();
        let (others, waiting_changes) = {
            let replica = self.replica();
            (replica.other_holders(now), replica.waiting_changes())
        };
        LinkState {
            lease_left: between(now, self.freshness.lease_until()),
            pulse_age: self.counts.pulse_age(now),
            replicas: others + 1,
            waiting_changes,
        }
    }

    /// Listens for ever, reconnecting as necessary.
    pub async fn run(self: Arc<Self>) {
        let mut pause = RECONNECT_PAUSE;
        loop {
            match self.announcements.listen(self.lease).await {
                Ok(listening) => {
                    pause = RECONNECT_PAUSE;
                    self.troubles.listening.is_over(|lasted_ms| {
                        tracing::info!(lasted_ms, "the LISTEN connection is restored; caching is enabled again")
                    });
                    let lost = self.follow(listening).await;
                    self.counts.reconnects_now();
                    self.troubles.listening.tell(&lost, |_| {
                        tracing::warn!(
                            error = %lost,
                            "lost the LISTEN connection; cached keys count until the lease ends, then each check reads \
                             the database until it is restored"
                        );
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

    /// Waits until this replica listens.
    pub async fn listens(&self) {
        let mut progressed = self.progressed.subscribe();
        while !self.replica().is_listening() && progressed.changed().await.is_ok() {}
    }

    /// Gives up the lease and informs the others, so that no revoker waits for a stopped replica.
    pub async fn leave(&self) {
        let left = self.replica().leave(&self.freshness);
        // If a heartbeat arrived after the deregistration, by another connection, it would register us again.
        let _none_on_its_way = self.on_its_way.lock().await;
        if let Err(error) = self.announcements.send(&left).await {
            tracing::warn!(%error, "could not deregister this replica; revocations may wait for its lease");
        }
    }

    /// Follows an upcoming change. Must be called before its commit.
    pub fn announce(self: &Arc<Self>) -> Announced {
        let change = ChangeId::by_rows(rand::random());
        self.replica().announce_change(change);
        Announced { link: Arc::clone(self), change, mark: self.announcements.mark(change) }
    }

    async fn follow(self: &Arc<Self>, listening: Listening) -> StoreError {
        let Listening { mut listener, holders, pulse } = listening;
        let connection = self.replica().listener_connected(clock::now(), &holders, pulse, &self.freshness);
        self.progressed.send_replace(());
        let lost = self.hear(&mut *listener, connection).await;
        self.replica().listener_lost(connection);
        lost
    }

    async fn hear(self: &Arc<Self>, listener: &mut dyn Listener, connection: Connection) -> StoreError {
        let mut heartbeats = tokio::time::interval(self.heartbeat_every);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Received messages come first: one of them may be the answer to a heartbeat.
                biased;
                arrived = listener.next() => match arrived {
                    Ok(notification) => self.heard(connection, &notification),
                    Err(error) => return error,
                },
                _ = heartbeats.tick() => {
                    if self.tick() {
                        return StoreError::Unavailable("the LISTEN connection delivers no notifications".to_owned());
                    }
                }
            }
            self.acknowledge();
        }
    }

    fn heard(&self, connection: Connection, notification: &Notification) {
        let now = clock::now();
        if matches!(notification, Notification::Pulse { .. }) {
            self.counts.heard_pulse(now);
        }
        let hear = |replica: &mut Replica| replica.heard(connection, notification, now, &self.freshness);
        let unproven = self.count_renewal(now, hear);
        if let Some(ReplicaId(id)) = unproven {
            self.troubles.unproven.tell(&"a replica without a proof", |repeated| {
                tracing::warn!(
                    replica = %Uuid::from_u128(id),
                    repeated,
                    "received a heartbeat without a valid proof: the replica has an older version or other peppers, or \
                     somebody with access to the database forged it; each revocation waits for its lease"
                );
            });
        }
        self.progressed.send_replace(());
    }

    /// Does what may renew the lease. If that ends later than before, a heartbeat has come back.
    fn count_renewal<T>(&self, now: MonotonicTime, act: impl FnOnce(&mut Replica) -> T) -> T {
        let mut replica = self.replica();
        let before = self.freshness.lease_until();
        let done = act(&mut replica);
        let until = self.freshness.lease_until();
        drop(replica);
        if until > before {
            self.counts.renewed(until, self.believes_for, now);
        }
        done
    }

    /// Sends a heartbeat. Returns whether the listening connection must be replaced.
    fn tick(self: &Arc<Self>) -> bool {
        // Taken before the heartbeat is created, so that `leave` waits for every created heartbeat.
        let turn = Arc::clone(&self.on_its_way).try_lock_owned();
        let ticked = self.replica().tick(clock::now(), Heartbeat::sequence(rand::random()));
        if let (Some(heartbeat), Ok(turn)) = (ticked.heartbeat, turn) {
            let link = Arc::clone(self);
            tokio::spawn(async move {
                match link.announcements.beat(&heartbeat, ticked.pulse_after).await {
                    Ok(pulse) => {
                        let now = clock::now();
                        link.count_renewal(now, |replica| {
                            replica.heartbeat_sent(&heartbeat, pulse, now, &link.freshness);
                        });
                        link.troubles.heartbeats.is_over(|lasted_ms| {
                            tracing::info!(lasted_ms, "heartbeats reach the database again");
                        });
                    }
                    Err(error) => {
                        link.counts.heartbeat_failed();
                        link.troubles.heartbeats.tell(&error, |repeated| {
                            tracing::warn!(%error, repeated, "could not send a heartbeat");
                        });
                    }
                }
                drop(turn);
            });
        }
        ticked.reconnect
    }

    /// Sends the acknowledgement that is due, if any. After a failure, it is due again at the next tick.
    fn acknowledge(self: &Arc<Self>) {
        let Some(acknowledgement) = self.replica().acknowledgement_due(clock::now()) else { return };
        let link = Arc::clone(self);
        tokio::spawn(async move {
            let sent = link.announcements.send(&acknowledgement).await;
            link.replica().acknowledgement_finished(sent.is_ok());
            match sent {
                // Further changes may have been applied in the meantime.
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

    fn replica(&self) -> MutexGuard<'_, Replica> {
        // Held for a few instructions, and never across I/O. A panic in between leaves a state whose worst effect is a
        // longer wait.
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
    /// The announcement, to be sent in the change's transaction.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Waits until no check that starts from now on trusts the old row, on any replica. `committed_at` must be read
    /// after the commit's reply.
    pub async fn settled(&self, committed_at: MonotonicTime) -> Settled {
        // The other replicas' acknowledgements usually arrive first. The database must not delay them, so the longest
        // lease is queried concurrently; until it is known, the longest possible lease applies.
        let by_lease_in_use = async {
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
