//! Connections to the primary, in pools for different purposes. Each is looked at before its first use.

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
    postgres::{PgConnectOptions, PgPoolOptions, types::PgInterval},
};

use super::{
    servers::Servers,
    session::{self, Unfit},
};
use crate::{domain::ports::StoreError, telemetry::outage::Trouble};

/// Connections for one purpose. Cheap to clone.
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

/// What a pool is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reads and changes.
    Work,
    /// Heartbeats. One that fails is closed, and its successor ends what this replica has left behind on the server: a
    /// process that waits for a standby doesn't notice that its client has gone, and so many of them would use up the
    /// server's connections. `patience`: longer than we wait for anything there.
    Heartbeats { patience: Duration },
    /// Acknowledgements, which are of no use after a crash.
    Acknowledgements,
}

impl Purpose {
    fn options(self, options: PgConnectOptions) -> PgConnectOptions {
        match self {
            Self::Acknowledgements => options.options([("synchronous_commit", "off")]),
            Self::Work | Self::Heartbeats { .. } => options,
        }
    }
}

impl Connections {
    /// At most `most`, none of which is opened yet. Whoever waits for one longer than `acquire_timeout` goes without.
    pub(super) fn new(
        servers: Arc<Servers>,
        most: u32,
        acquire_timeout: Duration,
        purpose: Purpose,
        refusals: Arc<Trouble>,
    ) -> Self {
        let (number, options) = servers.chosen();
        let pool = PgPoolOptions::new().max_connections(most).acquire_timeout(acquire_timeout);
        let pool = pool.after_release(move |connection, _| {
            Box::pin(async move {
                // sqlx, too, waits for an answer on a connection that is given back, but as long as
                // it takes. One that was lost without a word, after the deadline had ended the wait for
                // its statement, would then keep its place in the pool until TCP gives up: a quarter hour.
                let cleared = tokio::time::timeout(acquire_timeout, leave_transaction(connection)).await;
                let cleared = cleared.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
                cleared.map(|()| true)
            })
        });
        let pool = pool.connect_lazy_with(purpose.options(options));
        Self { pool, purpose, servers, connects_to: Arc::new(AtomicUsize::new(number)), acquire_timeout, refusals }
    }

    /// How many there may be.
    pub(super) fn most(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    /// A connection to a server that is worked with.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        Ok(self.tentative().await?.keep())
    }

    /// One that is closed unless what it is for succeeds.
    pub(super) async fn tentative(&self) -> Result<Tentative, StoreError> {
        self.follow_servers();
        let acquired = match self.pool.acquire().await {
            Ok(connection) => connection,
            Err(error) => return Err(self.why_none(error).await),
        };
        let mut connection = Tentative(Some(acquired));
        // What has prepared no statement was never looked at. (Where statements aren't kept, it is each time.)
        if connection.cached_statements_size() == 0 {
            self.claim(&mut connection).await?;
        }
        Ok(connection)
    }

    async fn claim(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let claimed = session::claim(&mut *connection, self.purpose != Purpose::Acknowledgements).await?;
        if let Err(refused) = judge(claimed, &self.refusals) {
            self.servers.look_again().await;
            return Err(refused);
        }
        if let Purpose::Heartbeats { patience } = self.purpose {
            end_abandoned(connection, patience).await?;
        }
        Ok(())
    }

    /// New connections are made to the server that is the primary now.
    fn follow_servers(&self) {
        let (number, options) = self.servers.chosen();
        if self.connects_to.swap(number, Ordering::Relaxed) != number {
            self.pool.set_connect_options(self.purpose.options(options));
        }
    }

    /// sqlx says of a server that refuses connections, as of a pool that is used up, that the time is over.
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

    /// Closes all of them, when they are not in use any more.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Tells of a server that is not worked with, once and not at each try.
pub(super) fn judge(claimed: Result<(), Unfit>, refusals: &Trouble) -> Result<(), StoreError> {
    claimed.map_err(|unfit| {
        refusals.tell(&unfit, |repeated| {
            tracing::error!(reason = %unfit, repeated, "refused a server of the database");
        });
        StoreError::Unavailable("the server of the database was refused; the line about that says why".to_owned())
    })
}

/// Ends what other sessions of ours do for longer than anybody waits for it. Nothing is lost by it: whether such a
/// statement has succeeded was unknown before, and a commit whose wait for the standby is cut short has committed.
async fn end_abandoned(connection: &mut PgConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let patience =
        PgInterval { months: 0, days: 0, microseconds: i64::try_from(patience.as_micros()).unwrap_or(i64::MAX) };
    let query = sqlx::query!(
        "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity
         WHERE application_name = current_setting('application_name') AND usename = current_user
           AND pid <> pg_backend_pid() AND state = 'active' AND query_start < clock_timestamp() - $1::interval",
        patience,
    );
    query.fetch_one(connection).await.map(drop)
}

/// Ends the transaction that a connection was left in, if it was. sqlx ends those that it has begun; but whoever gives up while
/// `BEGIN` is on its way has begun none, as far as sqlx knows, and all that is done on the connection later would be part of it.
async fn leave_transaction(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Begins with a statement that does nothing, and so finds out whether there is one already.
    match connection.begin_with("").await {
        Err(sqlx::Error::BeginFailed) => Ok(()),
        Ok(left) => left.rollback().await,
        Err(error) => Err(error),
    }
}

/// A connection that is closed unless it is kept: whoever is given up on, or gets no good answer, leaves no trace of it.
pub(super) struct Tentative(Option<PoolConnection<Postgres>>);

impl Tentative {
    /// It may be used again.
    pub(super) fn keep(mut self) -> PoolConnection<Postgres> {
        self.0.take().expect("it goes only with us")
    }

    /// Makes sure that what was read before was read from a server that nobody has superseded: it still commits as
    /// durably as a change, which waits for the synchronous standby where there is one. A standby that has taken the
    /// server's place confirms nothing any more. What it commits is a message for nobody, the cheapest that there is.
    ///
    /// `statement_timeout` ends the statement, and not the commit, which is no part of it.
    pub(super) async fn prove(mut self) -> Result<(), StoreError> {
        let query = sqlx::query("SELECT pg_logical_emit_message(true, 'keyward', '')");
        query.execute(&mut *self).await?;
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
        // At once: its successor must not wait until it has said good-bye.
        drop(self.0.take().map(PoolConnection::detach));
    }
}
