//! sqlx's pool of connections to one server, with fewer questions to the server: a connection that was used a moment ago
//! is taken without asking whether it is alive, and one whose work has ended is returned without asking for an open
//! transaction.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    Connection, Error, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{runtime::Handle, time::timeout};

use super::{
    servers::Servers,
    session::Unfit,
    transaction::{self, Way},
};

/// How long an idle connection is taken to be alive without asking.
const TRUSTED_FOR: Duration = Duration::from_secs(2);

/// Connections, at most as many as there are places.
pub(in crate::store) struct Pool {
    connections: PgPool,
    /// How long to wait for a connection, and for the end of what was left unfinished on one.
    patience: Duration,
    /// When a connection was last given up. The others may be lost too.
    suspected: Arc<Mutex<Option<Instant>>>,
    runtime: Handle,
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
    /// `None` while it is being returned.
    connection: Option<PoolConnection<Postgres>>,
    unfinished: Unfinished,
    /// Whether a transaction has begun.
    in_transaction: bool,
}

impl Pool {
    /// An empty pool. Must be called in the runtime in which connections are opened.
    pub(in crate::store) fn new(
        options: PgConnectOptions,
        most: u32,
        patience: Duration,
        servers: Arc<Servers>,
    ) -> Arc<Self> {
        let suspected: Arc<Mutex<Option<Instant>>> = Arc::default();
        let doubts = Arc::clone(&suspected);
        let pool = PgPoolOptions::new().max_connections(most).acquire_timeout(patience).test_before_acquire(false);
        let pool = pool.before_acquire(move |connection, used| {
            let is_current = servers.is_current(used.age);
            let was_suspected = lock(&doubts).is_some_and(|at| at.elapsed() <= used.idle_for);
            let is_trusted = used.idle_for < TRUSTED_FOR && !was_suspected;
            Box::pin(async move {
                // Connections to a server that was left would each fail once, after the deadline.
                if is_current && !is_trusted {
                    connection.ping().await?;
                }
                Ok(is_current)
            })
        });
        let connections = pool.connect_lazy_with(options);
        Arc::new(Self { connections, patience, suspected, runtime: Handle::current() })
    }

    /// The maximum number of connections.
    pub(in crate::store) fn most(&self) -> u32 {
        self.connections.options().get_max_connections()
    }

    /// The open connections, and those of them that nobody uses.
    pub(in crate::store) fn open_and_idle(&self) -> (u32, u32) {
        (self.connections.size(), u32::try_from(self.connections.num_idle()).unwrap_or(u32::MAX))
    }

    /// Directs the pool to another server.
    pub(in crate::store) fn set_options(&self, options: PgConnectOptions) {
        self.connections.set_connect_options(options);
    }

    /// A connection, which is closed if it is dropped amid its work.
    pub(in crate::store) async fn take(self: &Arc<Self>) -> Result<Taken, Error> {
        let connection = Some(self.connections.acquire().await?);
        Ok(Taken { pool: Arc::clone(self), connection, unfinished: Unfinished::Closes, in_transaction: false })
    }

    /// Closes all connections once they are no longer in use.
    pub(in crate::store) async fn close(&self) {
        self.connections.close().await;
    }
}

impl Taken {
    /// Whether nothing was done on this connection yet. (If statements are not kept, it always looks so.)
    pub(in crate::store) fn is_new(&self) -> bool {
        self.cached_statements_size() == 0
    }

    /// From now on it is returned if it is dropped amid its work, once its transaction has ended.
    pub(in crate::store) fn cleared_when_dropped(mut self) -> Self {
        self.unfinished = Unfinished::IsCleared;
        self
    }

    /// Begins work. Behind a pooler, that is a transaction.
    pub(super) async fn enter(&mut self, way: &Way) -> Result<Result<(), Unfit>, Error> {
        let is_new = self.is_new();
        let entered = way.enter(self, is_new).await?;
        self.in_transaction = way.is_lent();
        Ok(entered)
    }

    /// Begins a transaction, unless all work on this connection is one anyway. Only [`finish`](Self::finish) commits it.
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
        drop(self.connection.take());
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let (suspected, patience) = (Arc::clone(&self.pool.suspected), self.pool.patience);
        let in_transaction = self.in_transaction;
        match self.unfinished {
            Unfinished::Closes => {
                *lock(&suspected) = Some(Instant::now());
                // Immediately, so that the next connection need not wait for a graceful shutdown.
                drop(connection.detach());
            }
            Unfinished::IsCleared => drop(self.pool.runtime.spawn(async move {
                // With a limit: on a connection that was lost silently, TCP gives up after a quarter of an hour.
                let cleared = timeout(patience, leave_transaction(&mut connection, in_transaction)).await;
                if !matches!(cleared, Ok(Ok(()))) {
                    *lock(&suspected) = Some(Instant::now());
                    drop(connection.detach());
                }
            })),
        }
    }
}

impl Deref for Taken {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("it is returned only with us")
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("it is returned only with us")
    }
}

/// Ends the transaction in which a connection was left, if any. If a future is dropped while `BEGIN` is in flight, nobody
/// knows of the transaction, and all later statements on the connection would be part of it.
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that may panic happens under the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
