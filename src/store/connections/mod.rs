//! Pools of connections to the primary, by purpose. Each connection is validated before its first use.
//!
//! - `opening`: waiting for a database that does not answer yet
//! - `servers`: the servers of an address, and the primary among them
//! - `session_settings`: the settings that we rely on
//! - `transaction`: transactions, with those settings if a pooler lends the sessions
//! - `purpose`: what connections are for
//! - `pool`: the connections of one purpose
//! - `failure`: explanations for the operator

pub(super) mod failure;
pub(super) mod opening;
mod pool;
mod purpose;
pub(super) mod servers;
pub(super) mod session_settings;
mod transaction;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};

use self::{pool::Pool, servers::Servers, session_settings::Unfit, transaction::Way};
pub(super) use self::{pool::Taken, purpose::Purpose};
use crate::{
    domain::ports::StoreError,
    telemetry::{
        metrics::counting::{Counter, Distribution, FAST, Histogram},
        outage::Trouble,
    },
};

/// The connections for one purpose. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Arc<Pool>,
    purpose: Purpose,
    way: Way,
    servers: Arc<Servers>,
    /// The number of the server that the pool connects to.
    connects_to: Arc<AtomicUsize>,
    acquire_timeout: Duration,
    refusals: Arc<Trouble>,
    waits: Arc<Waits>,
}

/// How long it took to get connections, and how often none came.
struct Waits {
    durations: Histogram,
    failed: Counter,
}

/// The state of a pool, for operators.
pub struct PoolState {
    /// The open connections that nobody uses.
    pub idle: u32,
    /// The connections in use.
    pub used: u32,
    /// The most connections.
    pub most: u32,
    /// How long it took to get one.
    pub waits: Distribution,
    /// How often none came.
    pub failed: u64,
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
        let way = servers.way(purpose);
        let pool = Pool::new(way.options(options), most, acquire_timeout, Arc::clone(&servers));
        Self {
            pool,
            purpose,
            way,
            servers,
            connects_to: Arc::new(AtomicUsize::new(number)),
            acquire_timeout,
            refusals,
            waits: Arc::new(Waits { durations: Histogram::new(FAST), failed: Counter::default() }),
        }
    }

    /// The state, for operators.
    pub(super) fn state(&self) -> PoolState {
        let (open, idle) = self.pool.open_and_idle();
        let Waits { durations, failed } = &*self.waits;
        PoolState {
            idle,
            used: open.saturating_sub(idle),
            most: self.most(),
            waits: durations.distribution(),
            failed: failed.get(),
        }
    }

    /// The maximum number of connections.
    pub(super) fn most(&self) -> u32 {
        self.pool.most()
    }

    /// A connection to an accepted server. If it is dropped amid its work, it is returned once its transaction has
    /// ended.
    pub(super) async fn acquire(&self) -> Result<Taken, StoreError> {
        Ok(self.tentative().await?.cleared_when_dropped())
    }

    /// A connection that is closed unless its work ends, so that an abandoned or failed operation leaves no trace.
    pub(super) async fn tentative(&self) -> Result<Taken, StoreError> {
        self.follow_servers();
        let begun = Instant::now();
        let taken = self.pool.take().await;
        self.waits.durations.observe(begun.elapsed());
        let mut connection = match taken {
            Ok(connection) => connection,
            Err(error) => {
                self.waits.failed.increment();
                return Err(self.why_none(error).await);
            }
        };
        let is_new = connection.is_new();
        if let Err(refused) = admit(connection.enter(&self.way).await?, &self.refusals) {
            self.servers.look_again().await;
            return Err(refused);
        }
        if let (true, Purpose::Heartbeats { patience }) = (is_new, self.purpose) {
            session_settings::end_abandoned(&mut connection, patience).await?;
        }
        Ok(connection)
    }

    /// Keeps the connection by which the primary was found as the first one, if it has the same settings as the others.
    pub(super) async fn keep_first(&self, connection: PgConnection) {
        let unused = match (&self.way, self.purpose) {
            (Way::Own(_), Purpose::Work) => self.pool.keep_first(connection),
            _ => Some(connection),
        };
        if let Some(connection) = unused {
            let _ = connection.close().await;
        }
    }

    /// Directs new connections to the current primary.
    fn follow_servers(&self) {
        let (number, options) = self.servers.chosen();
        if self.connects_to.swap(number, Ordering::Relaxed) != number {
            self.pool.set_options(self.way.options(options));
        }
    }

    /// A server that refuses connections and an exhausted pool both end in a timeout.
    async fn why_none(&self, error: sqlx::Error) -> StoreError {
        let failure = match (self.servers.look_again().await, error) {
            (_, error @ sqlx::Error::PoolClosed) => return error.into(),
            (Some(failure), _) => failure.to_string(),
            (None, sqlx::Error::PoolTimedOut) if self.most() == 1 => {
                format!(
                    "the connection for this was not free within {:?}, because the database answers slowly or not at all",
                    self.acquire_timeout,
                )
            }
            (None, sqlx::Error::PoolTimedOut) => {
                format!(
                    "no connection was free within {:?}: all are in use, because the database answers slowly or not at all, or \
                     because {} are too few (database.pool_size, or for administrators database.admin_connections)",
                    self.acquire_timeout,
                    self.most(),
                )
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

impl Taken {
    /// Proves that earlier reads came from a server that was not superseded: it can still commit as durably as a
    /// change, which waits for the synchronous standby if there is one. A standby that has been promoted no longer
    /// confirms anything.
    ///
    /// `statement_timeout` limits the statement, not the commit after it.
    pub(super) async fn prove(mut self) -> Result<(), StoreError> {
        session_settings::prove(&mut *self).await?;
        Ok(self.finish().await?)
    }
}
