//! Drives the protocol: the task that listens, sends heartbeats and acknowledgements, and wakes those who wait for a
//! change to be settled.
//!
//! - `announced`: a change, from its announcement until it is settled

mod announced;
#[cfg(test)]
mod tests;

use std::{pin::pin, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::MissedTickBehavior,
};

use uuid::Uuid;

pub use self::announced::Announced;
use super::{
    CoherenceTimings, Connection, Freshness, Heartbeat, LinkCounts, LinkState, MonotonicTime, Notification, Replica,
    ReplicaId, metrics::between,
};
use crate::{
    auth::clock,
    domain::ports::{
        StoreError,
        announcements::{Announcements, Listener, Listening},
    },
    telemetry::outage::{Lapse, Trouble, millis},
};

/// The number of invalidation counters: 512 KB, which stay in the processor's cache, because each check reads one. With
/// a million cached keys, a change causes one read for each of the fifteen that share its counter.
const STRIPES: usize = 1 << 16;
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
    /// Being without a lease, after there was one.
    lapse: Lapse,
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
            lapse: Lapse::default(),
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
            match self.while_telling(self.announcements.listen(self.lease)).await {
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
                Err(error) => {
                    // No heartbeat is sent without it: what fails is the attempt to begin with them.
                    self.counts.heartbeat_failed();
                    self.troubles.listening.tell(&error, |repeated| {
                        tracing::warn!(%error, repeated, "cannot listen for changes; trying again");
                    });
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_PAUSE_MAX);
        }
    }

    /// Logs when the lease has ended without a renewal, and when there is one again. Called as often as heartbeats are
    /// due.
    fn tell_of_lease(&self) {
        let until = self.freshness.lease_until();
        if self.freshness.lease_valid(clock::now()) {
            self.lapse.is_over(|lasted_ms| {
                tracing::info!(lasted_ms, "has a lease again; known keys are checked from memory");
            });
        } else if until > MonotonicTime::from_nanos(0) {
            // There was one, and it was not given up.
            let lease_ms = millis(self.lease);
            self.lapse.begins(|| {
                tracing::warn!(
                    lease_ms,
                    "lost the lease, because no heartbeat came back in time; each check reads the database until one does"
                );
            });
        }
    }

    /// Waits, for a server that may hang, and goes on telling of the lease meanwhile.
    async fn while_telling<T>(&self, attempt: impl Future<Output = T>) -> T {
        let mut attempt = pin!(attempt);
        let mut looks = tokio::time::interval(self.heartbeat_every);
        loop {
            tokio::select! {
                done = &mut attempt => return done,
                _ = looks.tick() => self.tell_of_lease(),
            }
        }
    }

    /// Waits until this replica listens.
    pub async fn listens(&self) {
        let mut progressed = self.progressed.subscribe();
        while !self.replica().is_listening() && progressed.changed().await.is_ok() {}
    }

    /// Gives up the lease and informs the others, so that no revoker waits for a stopped replica.
    pub async fn leave(&self) {
        let left = {
            let mut replica = self.replica();
            let left = replica.leave(&self.freshness);
            replica.has_listened().then_some(left)
        };
        let Some(left) = left else { return };
        // If a heartbeat arrived after the deregistration, by another connection, it would register us again.
        let _none_on_its_way = self.on_its_way.lock().await;
        if let Err(error) = self.announcements.send(&left).await {
            tracing::warn!(%error, "could not deregister this replica; revocations may wait for its lease");
        }
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
        self.tell_of_lease();
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

    fn replica(&self) -> MutexGuard<'_, Replica> {
        // Held for a few instructions, and never across I/O.
        self.replica.lock()
    }
}
