//! Connections to one server that are used again. Unlike a pool of sqlx, it asks the server nothing when a connection
//! comes back whose work has ended, and nothing when one is taken that was used a moment ago: that would be a third of
//! what a heartbeat costs. A connection is back at once, so that statements that follow each other are made on the same
//! one.

use std::{
    io,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sqlx::{Connection, Error, PgConnection, postgres::PgConnectOptions};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    servers::Servers,
    session_settings::Unfit,
    transaction::{self, Way},
};

/// How long an idle connection is taken to be alive without asking.
const TRUSTED_FOR: Duration = Duration::from_secs(2);
/// A connection that nobody has needed for so long is closed when another one comes back.
const KEPT_IDLE_FOR: Duration = Duration::from_secs(600);
/// No connection is used for longer: its server process keeps all that it has ever learnt of the schema in memory.
const LASTS: Duration = Duration::from_secs(1800);
/// The pause after a server did not accept a connection, which may be starting.
const PAUSE: Duration = Duration::from_millis(50);
/// PostgreSQL's codes for a server that has no room, or is starting.
const NOT_YET: [&str; 2] = ["53300", "57P03"];

/// Connections, at most as many as there are places.
pub(in crate::store) struct Pool {
    most: u32,
    /// One for each connection in use.
    places: Arc<Semaphore>,
    /// The one that came back last is the last one, and is taken first: its server process has all at hand that it
    /// needs, and those that nobody needs grow old.
    idle: Mutex<Vec<Kept>>,
    /// How new ones are opened.
    options: Mutex<PgConnectOptions>,
    servers: Arc<Servers>,
    /// How long to wait for a connection, and for the end of what was left unfinished on one.
    patience: Duration,
    /// When a connection was last given up. The others may be lost too.
    suspected: Mutex<Option<Instant>>,
    runtime: Handle,
}

/// A connection that nobody uses.
struct Kept {
    connection: PgConnection,
    opened: Instant,
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
pub(in crate::store) struct Taken {
    pool: Arc<Pool>,
    /// `None` once it has been returned, and so has its place.
    held: Option<(PgConnection, OwnedSemaphorePermit)>,
    opened: Instant,
    is_new: bool,
    unfinished: Unfinished,
    /// Whether a transaction has begun.
    in_transaction: bool,
}

impl Pool {
    /// An empty pool. Must be called in the runtime in which connections are cleared that were dropped amid their work.
    pub(in crate::store) fn new(
        options: PgConnectOptions,
        most: u32,
        patience: Duration,
        servers: Arc<Servers>,
    ) -> Arc<Self> {
        Arc::new(Self {
            most,
            places: Arc::new(Semaphore::new(most as usize)),
            idle: Mutex::default(),
            options: Mutex::new(options),
            servers,
            patience,
            suspected: Mutex::default(),
            runtime: Handle::current(),
        })
    }

    /// The maximum number of connections.
    pub(in crate::store) fn most(&self) -> u32 {
        self.most
    }

    /// The open connections, and those of them that nobody uses.
    pub(in crate::store) fn open_and_idle(&self) -> (u32, u32) {
        let idle = u32::try_from(self.idle.lock().len()).unwrap_or(u32::MAX);
        let free = u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX);
        (self.most.saturating_sub(free) + idle, idle)
    }

    /// Directs the pool to another server.
    pub(in crate::store) fn set_options(&self, options: PgConnectOptions) {
        *self.options.lock() = options;
    }

    /// A connection, which is closed if it is dropped amid its work.
    ///
    /// # Errors
    /// [`Error::PoolTimedOut`] if there is none in time, [`Error::PoolClosed`], and why none could be opened.
    pub(in crate::store) async fn take(self: &Arc<Self>) -> Result<Taken, Error> {
        let taken = async {
            let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Error::PoolClosed)?;
            while let Some(kept) = self.last_idle() {
                if let Some(Kept { connection, opened, .. }) = self.if_alive(kept).await {
                    return Ok(self.taken(connection, place, opened, false));
                }
            }
            let opened = Instant::now();
            Ok(self.taken(self.open().await?, place, opened, true))
        };
        timeout(self.patience, taken).await.unwrap_or(Err(Error::PoolTimedOut))
    }

    /// Keeps a connection that was opened with the same options, unless there are others. Returns it if so.
    pub(in crate::store) fn keep_first(&self, connection: PgConnection) -> Option<PgConnection> {
        if self.open_and_idle() != (0, 0) {
            return Some(connection);
        }
        self.give_back(connection, Instant::now());
        None
    }

    /// Closes all connections: those in use once they come back, for which it waits as long as for a connection.
    pub(in crate::store) async fn close(&self) {
        let all = timeout(self.patience, self.places.acquire_many(self.most)).await;
        self.places.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle.lock());
        for Kept { connection, .. } in idle {
            let _ = timeout(self.patience, connection.close()).await;
        }
    }

    fn taken(
        self: &Arc<Self>,
        connection: PgConnection,
        place: OwnedSemaphorePermit,
        opened: Instant,
        is_new: bool,
    ) -> Taken {
        let (held, unfinished) = (Some((connection, place)), Unfinished::Closes);
        Taken { pool: Arc::clone(self), held, opened, is_new, unfinished, in_transaction: false }
    }

    fn last_idle(&self) -> Option<Kept> {
        self.idle.lock().pop()
    }

    /// This connection, unless it is too old or lost. One to a server that was left would fail once, after the
    /// deadline.
    async fn if_alive(&self, mut kept: Kept) -> Option<Kept> {
        let age = kept.opened.elapsed();
        if age >= LASTS || !self.servers.is_current(age) {
            return None;
        }
        let was_suspected = self.suspected.lock().is_some_and(|at| kept.since <= at);
        let is_trusted = kept.since.elapsed() < TRUSTED_FOR && !was_suspected;
        (is_trusted || kept.connection.ping().await.is_ok()).then_some(kept)
    }

    /// A new connection. Tries again while the server does not accept any, which its caller limits.
    async fn open(&self) -> Result<PgConnection, Error> {
        loop {
            let options = self.options.lock().clone();
            match PgConnection::connect_with(&options).await {
                Err(error) if may_be_starting(&error) => tokio::time::sleep(PAUSE).await,
                result => return result,
            }
        }
    }

    fn give_back(&self, connection: PgConnection, opened: Instant) {
        let since = Instant::now();
        let mut idle = self.idle.lock();
        let needless = idle.iter().take_while(|kept| since - kept.since > KEPT_IDLE_FOR).count();
        // Closed after the lock.
        let _needless: Vec<_> = idle.drain(..needless).collect();
        if !self.places.is_closed() {
            idle.push(Kept { connection, opened, since });
        }
        drop(idle);
    }

    fn suspect(&self) {
        *self.suspected.lock() = Some(Instant::now());
    }
}

/// Whether a server that answers like this may accept a connection in a moment.
fn may_be_starting(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        Error::Database(error) => error.code().is_some_and(|code| NOT_YET.contains(&&*code)),
        _ => false,
    }
}

impl Taken {
    /// Whether it was opened for this work.
    pub(in crate::store) fn is_new(&self) -> bool {
        self.is_new
    }

    /// From now on it is returned if it is dropped amid its work, once its transaction has ended.
    pub(in crate::store) fn cleared_when_dropped(mut self) -> Self {
        self.unfinished = Unfinished::IsCleared;
        self
    }

    /// Begins work. Behind a pooler, that is a transaction.
    pub(super) async fn enter(&mut self, way: &Way) -> Result<Result<(), Unfit>, Error> {
        let is_new = self.is_new;
        let entered = way.enter(self, is_new).await?;
        self.in_transaction = way.is_lent();
        Ok(entered)
    }

    /// Begins a transaction, unless all work on this connection is one anyway. Only [`finish`](Self::finish) commits
    /// it.
    pub(in crate::store) async fn begin(&mut self) -> Result<(), Error> {
        if !self.in_transaction {
            transaction::begin(self).await?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// Commits what was done, and returns the connection. Behind a pooler, reads are not proven and nothing is written
    /// before.
    pub(in crate::store) async fn finish(mut self) -> Result<(), Error> {
        if self.in_transaction {
            transaction::commit(&mut self).await?;
        }
        if let Some((connection, _place)) = self.held.take() {
            self.pool.give_back(connection, self.opened);
        }
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some((mut connection, place)) = self.held.take() else { return };
        let pool = Arc::clone(&self.pool);
        let (opened, in_transaction) = (self.opened, self.in_transaction);
        match self.unfinished {
            Unfinished::Closes => {
                pool.suspect();
                // At once: the next one need not wait for a farewell.
                drop(connection);
                drop(place);
            }
            Unfinished::IsCleared => drop(self.pool.runtime.spawn(async move {
                let clear = async {
                    leave_transaction(&mut connection, in_transaction).await?;
                    may_write(&mut connection).await
                };
                // With a limit: on a connection that was lost silently, TCP gives up after a quarter of an hour.
                match timeout(pool.patience, clear).await {
                    Ok(Ok(true)) => pool.give_back(connection, opened),
                    // A session keeps the default that it began with, also after it was set back.
                    Ok(Ok(false)) => pool.idle.lock().clear(),
                    _ => pool.suspect(),
                }
                drop(place);
            })),
        }
    }
}

impl Deref for Taken {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.held.as_ref().expect("it is returned only with us").0
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.held.as_mut().expect("it is returned only with us").0
    }
}

/// Ends the transaction in which a connection was left, if any. If a future is dropped while `BEGIN` is in flight,
/// nobody knows of the transaction, and all later statements on the connection would be part of it.
async fn leave_transaction(connection: &mut PgConnection, is_known: bool) -> Result<(), Error> {
    if is_known {
        return transaction::roll_back(connection).await;
    }
    // Starts a transaction with an empty statement, which reveals whether one is already open.
    match connection.begin_with("").await {
        Err(Error::BeginFailed) => Ok(()),
        Ok(left) => left.rollback().await,
        Err(error) => Err(error),
    }
}

/// Whether the session's transactions may write, unless they say otherwise.
async fn may_write(connection: &mut PgConnection) -> Result<bool, Error> {
    let query = sqlx::query_scalar("SELECT current_setting('default_transaction_read_only') = 'off'");
    query.fetch_one(connection).await
}
