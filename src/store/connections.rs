//! Pools of connections to the primary, by purpose. Each connection is validated before its first use.

use std::{
    io,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Connection, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    servers::Servers,
    session::{self, Unfit},
};
use crate::{domain::ports::StoreError, telemetry::outage::Trouble};

/// The connections for one purpose. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections {
    pool: PgPool,
    purpose: Purpose,
    servers: Arc<Servers>,
    /// The number of the server that the pool connects to.
    connects_to: Arc<AtomicUsize>,
    acquire_timeout: Duration,
    refusals: Arc<Trouble>,
}

/// The purpose of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reads and changes.
    Work,
    /// Heartbeats. A connection whose heartbeat fails is closed. Its successor terminates the sessions that this
    /// replica has left behind on the server: a process that waits for a standby does not notice that its client is
    /// gone, and many of them would exhaust the server's connections. `patience`: longer than any wait for such a
    /// session.
    Heartbeats { patience: Duration },
    /// Acknowledgements, which need not survive a crash, and looks for those of others.
    Acknowledgements,
}

impl Purpose {
    fn options(self, options: PgConnectOptions) -> PgConnectOptions {
        // Where an operator stops changes, checks go on, and for that replicas must be able to write their own rows.
        const WRITES: (&str, &str) = ("default_transaction_read_only", "off");
        match self {
            Self::Acknowledgements => options.options([WRITES, ("synchronous_commit", "off")]),
            Self::Heartbeats { .. } => options.options([WRITES]),
            Self::Work => options,
        }
    }
}

impl Connections {
    /// A pool of at most `most` connections, which are opened on demand. Acquiring one fails after `acquire_timeout`.
    pub(super) fn new(
        servers: Arc<Servers>,
        most: u32,
        acquire_timeout: Duration,
        purpose: Purpose,
        refusals: Arc<Trouble>,
    ) -> Self {
        let (number, options) = servers.chosen();
        let pool = PgPoolOptions::new().max_connections(most).acquire_timeout(acquire_timeout);
        // Connections to a server that was left would each fail once, after the deadline.
        let current = Arc::clone(&servers);
        let pool = pool.before_acquire(move |_, used| {
            let is_current = current.is_current(used.age);
            Box::pin(async move { Ok(is_current) })
        });
        let pool = pool.after_release(move |connection, _| {
            Box::pin(async move {
                // When a connection is returned, sqlx also waits for an answer on it, but without a limit. A connection
                // that was silently lost, after the deadline had ended the wait for its statement, would occupy its
                // place in the pool until TCP gives up after a quarter of an hour.
                let cleared = tokio::time::timeout(acquire_timeout, leave_transaction(connection)).await;
                let cleared = cleared.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
                cleared.map(|()| true)
            })
        });
        let pool = pool.connect_lazy_with(purpose.options(options));
        Self { pool, purpose, servers, connects_to: Arc::new(AtomicUsize::new(number)), acquire_timeout, refusals }
    }

    /// The maximum number of connections.
    pub(super) fn most(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    /// A connection to an accepted server.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        Ok(self.tentative().await?.keep())
    }

    /// A connection that is closed unless the operation succeeds.
    pub(super) async fn tentative(&self) -> Result<Tentative, StoreError> {
        self.follow_servers();
        let acquired = match self.pool.acquire().await {
            Ok(connection) => connection,
            Err(error) => return Err(self.why_none(error).await),
        };
        let mut connection = Tentative(Some(acquired));
        // A connection without prepared statements was never validated. (If statements are not kept, it is validated
        // each time.)
        if connection.cached_statements_size() == 0 {
            self.claim(&mut connection).await?;
        }
        Ok(connection)
    }

    async fn claim(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let claimed = session::claim(&mut *connection, self.purpose != Purpose::Acknowledgements).await?;
        if let Err(refused) = admit(claimed, &self.refusals) {
            self.servers.look_again().await;
            return Err(refused);
        }
        if let Purpose::Heartbeats { patience } = self.purpose {
            session::end_abandoned(connection, patience).await?;
        }
        Ok(())
    }

    /// Directs new connections to the current primary.
    fn follow_servers(&self) {
        let (number, options) = self.servers.chosen();
        if self.connects_to.swap(number, Ordering::Relaxed) != number {
            self.pool.set_connect_options(self.purpose.options(options));
        }
    }

    /// For a server that refuses connections and for an exhausted pool alike, sqlx reports only a timeout.
    async fn why_none(&self, error: sqlx::Error) -> StoreError {
        let failure = match (self.servers.look_again().await, error) {
            (_, error @ sqlx::Error::PoolClosed) => return error.into(),
            (Some(failure), _) => failure.to_string(),
            (None, sqlx::Error::PoolTimedOut) => {
                format!("no connection was free within {:?}; see database.pool_size", self.acquire_timeout)
            }
            (None, error) => self.servers.explain_chosen(&error).to_string(),
        };
        StoreError::Unavailable(failure)
    }

    /// Closes all connections once they are no longer in use.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Logs a refused server, once and not at each attempt.
pub(super) fn admit(claimed: Result<(), Unfit>, refusals: &Trouble) -> Result<(), StoreError> {
    claimed.map_err(|unfit| {
        refusals.tell(&unfit, |repeated| {
            tracing::error!(reason = %unfit, repeated, "refused a database server");
        });
        StoreError::Unavailable("the database server was refused; see the log for the reason".to_owned())
    })
}

/// Ends the transaction in which a connection was left, if any. sqlx ends transactions that it has started; but if a
/// future is dropped while `BEGIN` is in flight, sqlx knows of no transaction, and all later statements on the
/// connection would be part of it.
async fn leave_transaction(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Starts a transaction with an empty statement, which reveals whether one is already open.
    match connection.begin_with("").await {
        Err(sqlx::Error::BeginFailed) => Ok(()),
        Ok(left) => left.rollback().await,
        Err(error) => Err(error),
    }
}

/// A connection that is closed unless it is kept, so that an abandoned or failed operation leaves no trace in the pool.
pub(super) struct Tentative(Option<PoolConnection<Postgres>>);

impl Tentative {
    /// Returns the connection to the pool after use.
    pub(super) fn keep(mut self) -> PoolConnection<Postgres> {
        self.0.take().expect("it goes only with us")
    }

    /// Proves that earlier reads came from a server that was not superseded: it can still commit as durably as a
    /// change, which waits for the synchronous standby if there is one. A standby that has been promoted no longer
    /// confirms anything.
    ///
    /// `statement_timeout` limits the statement, not the commit after it.
    pub(super) async fn prove(mut self) -> Result<(), StoreError> {
        session::prove(&mut *self).await?;
        drop(self.keep());
        Ok(())
    }
}

impl Deref for Tentative {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("it goes only with us")
    }
}

impl DerefMut for Tentative {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("it goes only with us")
    }
}

impl Drop for Tentative {
    fn drop(&mut self) {
        // Immediately, so that the next connection need not wait for a graceful shutdown.
        drop(self.0.take().map(PoolConnection::detach));
    }
}
