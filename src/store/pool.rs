//! A pool of connections to one server.
//!
//! sqlx's own pool waits for an answer of the server whenever a connection is taken, and for two when it is returned.
//! A batch of checks has only one question of its own. Here a connection whose work has ended is returned without a
//! question, and one that was used a moment ago is taken without one.

use std::{
    io::ErrorKind,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, Error, PgConnection, postgres::PgConnectOptions};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// How long an idle connection is taken to be alive without asking.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Connections that have been idle for longer are closed.
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);
/// Connections are replaced at this age: server processes grow with what they have done.
const AGE_MAX: Duration = Duration::from_secs(30 * 60);
/// The pause before a server that does not accept connections yet is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// Connections, at most as many as there are places.
pub(super) struct Pool {
    most: u32,
    /// How long to wait for a connection, and for the end of what was left unfinished on one.
    patience: Duration,
    options: Mutex<PgConnectOptions>,
    /// A permit for each connection in use. One is opened only when none is idle, so the two together are never more.
    places: Arc<Semaphore>,
    idle: Mutex<Idle>,
    runtime: Handle,
}

#[derive(Default)]
struct Idle {
    /// The last one is taken first, so that as few as suffice stay in use.
    connections: Vec<(Live, Instant)>,
    /// When a connection was last given up. The others may be lost too.
    suspected: Option<Instant>,
    /// When the pool was directed to another server. Connections from before lead to one that may commit no more.
    redirected: Option<Instant>,
}

struct Live {
    connection: PgConnection,
    /// When it began to be opened.
    since: Instant,
}

/// What becomes of a connection that is dropped amid its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfinished {
    /// It is closed, so that an abandoned or failed operation leaves no trace in the pool.
    Closes,
    /// It is returned once its transaction has ended.
    IsCleared,
}

/// A connection in use.
pub(super) struct Taken {
    pool: Arc<Pool>,
    /// `None` while it is being returned.
    live: Option<(Live, OwnedSemaphorePermit)>,
    unfinished: Unfinished,
    is_new: bool,
}

impl Pool {
    /// An empty pool. Must be called in the runtime in which connections are opened.
    pub(super) fn new(options: PgConnectOptions, most: u32, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            most,
            patience,
            options: Mutex::new(options),
            places: Arc::new(Semaphore::new(most as usize)),
            idle: Mutex::default(),
            runtime: Handle::current(),
        })
    }

    /// The maximum number of connections.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// Directs the pool to another server. Connections to the one before are used to the end of their work.
    pub(super) fn set_options(&self, options: PgConnectOptions) {
        *lock(&self.options) = options;
        let mut idle = lock(&self.idle);
        idle.connections.clear();
        idle.redirected = Some(Instant::now());
    }

    /// A connection, which is closed if it is dropped amid its work.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Taken, Error> {
        let take = async {
            let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Error::PoolClosed)?;
            let (live, is_new) = match self.take_idle().await {
                Some(live) => (live, false),
                None => (self.connect().await?, true),
            };
            let live = Some((live, place));
            Ok(Taken { pool: Arc::clone(self), live, unfinished: Unfinished::Closes, is_new })
        };
        timeout(self.patience, take).await.unwrap_or(Err(Error::PoolTimedOut))
    }

    /// An idle connection that is alive.
    async fn take_idle(&self) -> Option<Live> {
        loop {
            let (mut live, is_trusted) = lock(&self.idle).pop()?;
            if is_trusted || live.connection.ping().await.is_ok() {
                return Some(live);
            }
        }
    }

    /// Connects, as soon as the server accepts connections.
    async fn connect(&self) -> Result<Live, Error> {
        loop {
            let (since, options) = (Instant::now(), lock(&self.options).clone());
            match options.connect().await {
                Ok(connection) => return Ok(Live { connection, since }),
                Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(Error::Database(error)) if error.is_transient_in_connect_phase() => {}
                Err(error) => return Err(error),
            }
            sleep(PAUSE).await;
        }
    }

    /// Closes all connections once they are no longer in use.
    pub(super) async fn close(&self) {
        let _all = self.places.acquire_many(self.most).await;
        self.places.close();
        let idle = std::mem::take(&mut lock(&self.idle).connections);
        for (live, _) in idle {
            let _ = live.connection.close().await;
        }
    }
}

impl Idle {
    /// The connection that was returned last, and whether it is taken to be alive.
    fn pop(&mut self) -> Option<(Live, bool)> {
        let (live, returned) = self.connections.pop()?;
        let was_suspected = self.suspected.is_some_and(|at| at >= returned);
        Some((live, !was_suspected && returned.elapsed() < TRUSTED_FOR))
    }

    fn push(&mut self, live: Live) {
        let now = Instant::now();
        self.connections.retain(|(_, returned)| now - *returned < IDLE_MAX);
        let is_current = self.redirected.is_none_or(|at| live.since >= at);
        if is_current && now - live.since < AGE_MAX {
            self.connections.push((live, now));
        }
    }
}

impl Taken {
    /// Whether the connection was opened for this.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// From now on it is returned if it is dropped amid its work, once its transaction has ended.
    pub(super) fn cleared_when_dropped(mut self) -> Self {
        self.unfinished = Unfinished::IsCleared;
        self
    }

    /// Returns a connection whose work has ended: every statement was answered, and no transaction is open.
    pub(super) fn give_back(mut self) {
        if let Some((live, _place)) = self.live.take() {
            lock(&self.pool.idle).push(live);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some((mut live, place)) = self.live.take() else { return };
        let pool = Arc::clone(&self.pool);
        match self.unfinished {
            Unfinished::Closes => lock(&pool.idle).suspected = Some(Instant::now()),
            Unfinished::IsCleared => drop(self.pool.runtime.spawn(async move {
                // With a limit: on a connection that was lost silently, TCP gives up after a quarter of an hour.
                match timeout(pool.patience, leave_transaction(&mut live.connection)).await {
                    Ok(Ok(())) => lock(&pool.idle).push(live),
                    _ => lock(&pool.idle).suspected = Some(Instant::now()),
                }
                drop(place);
            })),
        }
    }
}

impl Deref for Taken {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.live.as_ref().expect("it is returned only with us").0.connection
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.live.as_mut().expect("it is returned only with us").0.connection
    }
}

/// Ends the transaction in which a connection was left, if any. sqlx ends transactions that it has started; but if a
/// future is dropped while `BEGIN` is in flight, sqlx knows of no transaction, and all later statements on the
/// connection would be part of it.
async fn leave_transaction(connection: &mut PgConnection) -> Result<(), Error> {
    // Starts a transaction with an empty statement, which reveals whether one is already open.
    match connection.begin_with("").await {
        Err(Error::BeginFailed) => Ok(()),
        Ok(left) => left.rollback().await,
        Err(error) => Err(error),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that may panic happens under the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
