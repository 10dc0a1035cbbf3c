//! Announcements to replicas, by NOTIFY and LISTEN.
//!
//! - `channels`: what is listened to
//! - `older`: whether earlier versions must be told, too
//! - `rows`: the rows of replicas, which heartbeats and acknowledgements write

mod channels;
mod older;
mod rows;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use sqlx::postgres::{PgListener, PgPoolOptions};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use self::{
    channels::{Channels, SHARED},
    older::Older,
};
use super::{
    Statement, Store,
    connections::{admit, servers::Servers, session_settings},
    wire::{self, Meaning, PULSES},
};
use crate::{
    domain::{
        coherence::{ChangeId, Heartbeat, LONGEST_LEASE, Mark, Notification, ReplicaId, message_keys::MessageKeys},
        ports::{
            StoreError,
            announcements::{Announcements, Listener, Listening},
        },
    },
    telemetry::outage::Trouble,
};

/// The pause before a retry. A connection that was reset is replaced quickly, and an unreachable database is not
/// flooded.
const PAUSE_BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(50);

/// Sends and receives messages with proofs.
pub(super) struct Announcer {
    store: Arc<Store>,
    keys: Arc<MessageKeys>,
    ignored: Arc<Ignored>,
    /// Where this replica listens, for operators; `None` for an application that uses the library.
    address: Option<String>,
    /// The changes that this replica has acknowledged by its row, and when, oldest first.
    acknowledged: Mutex<Vec<(Instant, i64)>>,
    /// The heartbeats that were sent.
    beats: AtomicU64,
    older: Arc<Older>,
    /// The server that the listening connection leads to, by its start.
    listens_to: Mutex<Option<OffsetDateTime>>,
    /// Whether the next heartbeat is the first since we have begun to listen. It is told to everybody with its proof:
    /// whoever can't verify it has other peppers, and its operator reads of that.
    greets: AtomicBool,
    /// The sequences of all replicas when those that are gone were last looked for.
    sequences: Mutex<Vec<(Uuid, i64)>>,
}

#[async_trait]
impl Announcements for Announcer {
    async fn listen(&self, lease: Duration) -> Result<Listening, StoreError> {
        let channels = self.enter_lease(lease).await?;
        let listener = self.store.within_deadline(Statement::Listen, self.connect(&channels)).await?;
        let register = self.register().await?;
        if register.table != channels.table {
            return Err(StoreError::Unavailable("the tables were replaced while we began to listen".to_owned()));
        }
        self.older.may_run(register.earlier_may_run);
        self.greets.store(true, Ordering::SeqCst);
        let listener = PgAnnouncements {
            listener,
            keys: Arc::clone(&self.keys),
            ignored: Arc::clone(&self.ignored),
            older: Arc::clone(&self.older),
            channels,
            servers: Arc::clone(&self.store.servers),
        };
        Ok(Listening { listener: Box::new(listener), holders: register.holders, pulse: register.pulse })
    }

    async fn beat(&self, heartbeat: &Heartbeat, pulse_after: Option<u64>) -> Result<u64, StoreError> {
        let greets = self.greets.load(Ordering::SeqCst);
        let work = self.write_beat(heartbeat, pulse_after, greets);
        let pulse = self.store.within_deadline(Statement::Heartbeat, work).await?;
        self.greets.store(false, Ordering::SeqCst);
        Ok(pulse)
    }

    async fn send(&self, notification: &Notification) -> Result<(), StoreError> {
        let send = async {
            match notification {
                Notification::Applied { replica, changes, up_to } => self.acknowledge(*replica, changes, *up_to).await,
                Notification::Left { replica } => self.leave(*replica, notification).await,
                // Heartbeats have a way of their own, and the store sends the others with the changes themselves.
                Notification::Heartbeat(_)
                | Notification::Pulse { .. }
                | Notification::Announced { .. }
                | Notification::Changed { .. }
                | Notification::Unproven(_) => Ok(()),
            }
        };
        self.store.within_deadline(Statement::Acknowledge, send).await
    }

    async fn acknowledged(&self, changes: &[ChangeId]) -> Result<Vec<(ReplicaId, Vec<ChangeId>)>, StoreError> {
        self.store.within_deadline(Statement::ReadAcknowledgements, self.look(changes)).await
    }

    fn mark(&self, change: ChangeId) -> Mark {
        Mark::new(wire::write_announcement(change, &self.keys)).also_for_earlier_versions(self.older.may_listen())
    }

    async fn longest_lease(&self) -> Duration {
        longest_lease(&self.store).await
    }
}

/// Retries until the database answers. If it is unreachable for a long time, returns the longest possible lease.
pub(super) async fn longest_lease(store: &Store) -> Duration {
    let answer = async {
        let trouble = Trouble::default();
        loop {
            let work = async {
                // Whoever waits for it goes when the acknowledgements arrive first. The connection stays.
                let mut read = store.requests.acquire().await?;
                let query = sqlx::query_scalar!("SELECT longest_lease_ms FROM coherence");
                let millis = query.fetch_one(&mut *read).await?;
                read.prove().await?;
                Ok(millis)
            };
            match store.within_deadline(Statement::ReadLongestLease, work).await {
                Ok(millis) => return Duration::from_millis(millis.unsigned_abs().into()),
                Err(error) => trouble.tell(&error, |repeated| {
                    tracing::warn!(%error, repeated, "could not read the longest lease; trying again");
                }),
            }
            tokio::time::sleep(PAUSE_BEFORE_ASKING_AGAIN).await;
        }
    };
    tokio::time::timeout(LONGEST_LEASE, answer).await.unwrap_or(LONGEST_LEASE)
}

/// A connection for notifications to the chosen server.
pub(super) async fn new_listener(store: &Store) -> Result<PgListener, StoreError> {
    // The listener would reconnect silently, but a lost connection must be noticed. So each listener has a pool of its
    // own.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(store.acquire_timeout);
    let servers = &store.listen_servers;
    match PgListener::connect_with(&pool.connect_lazy_with(servers.chosen().1)).await {
        Ok(listener) => Ok(listener),
        // A pool only says that it has waited. So look for the reason.
        Err(error) => {
            let failure = servers.look_again().await.unwrap_or_else(|| servers.explain_chosen(&error));
            Err(StoreError::Unavailable(failure.to_string()))
        }
    }
}

impl Announcer {
    pub(super) fn new(store: Arc<Store>, keys: MessageKeys, address: Option<String>) -> Self {
        Self {
            store,
            keys: Arc::new(keys),
            ignored: Arc::default(),
            address,
            acknowledged: Mutex::default(),
            beats: AtomicU64::new(0),
            older: Arc::default(),
            listens_to: Mutex::default(),
            greets: AtomicBool::new(true),
            sequences: Mutex::default(),
        }
    }

    async fn connect(&self, channels: &Channels) -> Result<PgListener, StoreError> {
        let servers = &self.store.listen_servers;
        if !Arc::ptr_eq(servers, &self.store.servers) {
            // The last connection may have led to a server that was superseded. Nobody waits for the others.
            let servers = Arc::clone(servers);
            self.store.runtime.spawn(async move { servers.look_beyond().await });
        }
        let tried = self.store.tried_listener.lock().take();
        let mut listener = match tried {
            Some(listener) => listener,
            None => new_listener(&self.store).await?,
        };
        listener.eager_reconnect(false);
        if let Err(refused) = admit(session_settings::claim(&mut listener, true).await?, &self.store.refusals) {
            servers.look_again().await;
            return Err(refused);
        }
        let query = sqlx::query_scalar!(r#"SELECT pg_postmaster_start_time() AS "server!""#);
        let server = query.fetch_one(&mut listener).await?;
        *self.listens_to.lock() = Some(server);
        listener.listen_all(channels.all()).await?;
        Ok(listener)
    }

    /// Also proves that this is the primary, even if the lease was registered before. Returns the channels there,
    /// because the listening connection may have another search path.
    async fn enter_lease(&self, lease: Duration) -> Result<Channels, StoreError> {
        let millis = i32::try_from(lease.as_millis()).unwrap_or(i32::MAX);
        let work = async {
            // These write even where the default is to read only.
            let mut entry = self.store.heartbeats.tentative().await?;
            let query = sqlx::query!("UPDATE coherence SET longest_lease_ms = $1 WHERE longest_lease_ms < $1", millis);
            query.execute(&mut *entry).await?;
            let shared = SHARED.map(str::to_owned);
            let query = sqlx::query!(
                r#"SELECT 'replicas'::regclass::oid AS "table!", array_agg(own_channel(shared) ORDER BY place) AS "own!"
                   FROM unnest($1::text[]) WITH ORDINALITY AS channel (shared, place)"#,
                &shared[..],
            );
            let channels = query.fetch_one(&mut *entry).await?;
            entry.prove().await?;
            let own = channels.own.try_into();
            let own = own.map_err(|_| StoreError::Corrupt("a channel has no name".to_owned()))?;
            Ok(Channels { table: channels.table.0, own })
        };
        self.store.within_deadline(Statement::EnterLease, work).await
    }
}

struct PgAnnouncements {
    listener: PgListener,
    keys: Arc<MessageKeys>,
    ignored: Arc<Ignored>,
    older: Arc<Older>,
    channels: Channels,
    servers: Arc<Servers>,
}

#[async_trait]
impl Listener for PgAnnouncements {
    async fn next(&mut self) -> Result<Notification, StoreError> {
        loop {
            let lost = || StoreError::Unavailable("the LISTEN connection was lost".to_owned());
            let arrived = tokio::select! {
                arrived = self.listener.try_recv() => arrived?.ok_or_else(lost)?,
                () = self.servers.moved.notified() => return Err(StoreError::Unavailable(
                    "the LISTEN connection leads to another server than the other connections".to_owned(),
                )),
            };
            let Some((channel, is_own)) = self.channels.kind(arrived.channel()) else { continue };
            if channel == PULSES {
                match wire::read_pulse(arrived.payload()) {
                    Some((table, pulse)) if table == self.channels.table => return Ok(pulse),
                    _ => self.ignored.count(PULSES),
                }
                continue;
            }
            match wire::read(channel, arrived.payload(), &self.keys) {
                // Of another schema: ours are told on our channel, unless their transaction began before the migration.
                Meaning::Known(Notification::Changed { .. }) if !is_own && !self.older.may_run_still() => {}
                Meaning::Known(notification) => {
                    self.older.heard(&notification);
                    return Ok(notification);
                }
                // It may have announced a change, so it counts as a lost connection.
                Meaning::OfNewerVersion => {
                    return Err(StoreError::Corrupt(
                        "a replica sent a message that this version does not understand".to_owned(),
                    ));
                }
                Meaning::ForOlderVersions => {}
                Meaning::Nothing => self.ignored.count(channel),
            }
        }
    }
}

/// Counts notifications from senders that are neither triggers nor replicas.
#[derive(Default)]
pub(super) struct Ignored {
    count: AtomicU64,
    trouble: Trouble,
}

impl Ignored {
    fn count(&self, channel: &str) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        self.trouble.tell(&"ignored", |_| {
            tracing::warn!(
                channel,
                count,
                "ignored notifications from an unknown sender; check which roles can connect to the database"
            );
        });
    }
}
