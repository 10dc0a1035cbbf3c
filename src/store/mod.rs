//! The Postgres adapter: the only place with SQL.

mod announcements;
mod api_keys;
mod connections;
mod delivery;
mod insight;
mod ledger;
mod limits;
mod peppers;
mod rights;
mod rows;
mod schema;
mod seats;
mod sessions;
mod tokens;
mod usage;
pub mod wire;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use sqlx::{
    Connection, PgConnection, Postgres,
    postgres::{PgArguments, PgListener},
    query::Query,
};
use tokio::{runtime::Handle, sync::Mutex as AsyncMutex};
use tracing::Instrument;
use uuid::Uuid;

use self::{
    announcements::Announcer,
    connections::{Connections, Purpose, failure, opening::retry_for, servers::Servers},
    insight::Statement,
    seats::Whose,
};
pub use self::{
    connections::{PoolState, opening::OpenError},
    delivery::Delivery,
    insight::{ConnectionLimit, Examination, HashCount, Sample, Statements},
    peppers::PepperFit,
    schema::{Migrated, OwnerExamination, Schema, how_to_grant},
};
use crate::{
    config::{Database, Pooler},
    domain::{
        coherence::{ReplicaId, message_keys::MessageKeys},
        ports::{StoreError, announcements::Announcements},
    },
    telemetry::{outage::Trouble, steps::step},
    turns::Turns,
};

/// One connection each for heartbeats and acknowledgements, so that a full pool does not cost a replica its lease.
const SIGNAL_CONNECTIONS: u32 = 1;

/// The connections to the primary. It implements the ports of the domain, so an `Arc` of it is each of them.
pub struct Store {
    id: ReplicaId,
    /// For checks, owners, and a replica's own work.
    requests: Connections,
    /// For changes by administrators, who must be able to disable an owner that keeps all other connections busy.
    admins: Connections,
    heartbeats: Connections,
    acknowledgements: Connections,
    /// The servers for the service's connections.
    servers: Arc<Servers>,
    /// The servers for the listening connection.
    listen_servers: Arc<Servers>,
    acquire_timeout: Duration,
    refusals: Arc<Trouble>,
    statements: Statements,
    turns: Arc<Turns<Whose>>,
    /// How many connections for requests those of one owner may use at once.
    owner_connections: usize,
    /// A connection on which notifications were seen to arrive, until somebody listens on it.
    tried_listener: Mutex<Option<PgListener>>,
    /// Held while something is tidied up.
    tidying: AsyncMutex<()>,
    /// How long a request waits for a turn.
    patience: Duration,
    /// The time limit of an operation: acquiring a connection, and the statement. The server's own timeout can't fire
    /// while the server is paused or unreachable.
    deadline: Duration,
    /// The runtime in which connections are opened. They end with it.
    runtime: Handle,
}

impl Store {
    /// A store that is not connected yet. Must be called in a runtime that lives as long as the store.
    ///
    /// # Errors
    /// [`OpenError::Address`] and [`OpenError::Settings`].
    pub fn new(settings: &Database) -> Result<Arc<Self>, OpenError> {
        let id = ReplicaId(rand::random());
        // Identifies this replica's sessions on the server.
        let name = format!("keyward/{}", Uuid::from_u128(id.0));
        let password = settings.password.as_ref();
        let servers = Arc::new(Servers::new(settings, failure::SERVICE, &settings.url, password, &name)?);
        let listen_servers = match &settings.listen_url {
            Some(url) => Arc::new(Servers::new(settings, failure::LISTENER, url, password, &name)?),
            None if settings.pooler == Pooler::Transaction => {
                let why = "must be an address of Postgres itself, because database.pooler is `transaction`";
                return Err(OpenError::Settings(failure::LISTENER.url, why.to_owned()));
            }
            None => Arc::clone(&servers),
        };
        let deadline = settings.acquire_timeout + settings.statement_timeout;
        let refusals = Arc::new(Trouble::default());
        let connections = |most, purpose| {
            Connections::new(Arc::clone(&servers), most, settings.acquire_timeout, purpose, Arc::clone(&refusals))
        };
        Ok(Arc::new(Self {
            id,
            requests: connections(settings.pool_size, Purpose::Work),
            admins: connections(settings.admin_connections, Purpose::Work),
            heartbeats: connections(SIGNAL_CONNECTIONS, Purpose::Heartbeats { patience: 2 * deadline }),
            acknowledgements: connections(SIGNAL_CONNECTIONS, Purpose::Acknowledgements),
            servers,
            listen_servers,
            acquire_timeout: settings.acquire_timeout,
            refusals: Arc::clone(&refusals),
            statements: Statements::default(),
            turns: Turns::new(),
            owner_connections: settings.owner_connections,
            tried_listener: Mutex::default(),
            tidying: AsyncMutex::default(),
            patience: settings.acquire_timeout,
            deadline,
            runtime: Handle::current(),
        }))
    }

    /// Connects, and waits up to `database.connect_timeout` for a database that does not answer yet. Must be called in
    /// a runtime that lives as long as the store.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(settings: &Database) -> Result<Arc<Self>, OpenError> {
        let store = Self::new(settings)?;
        let connection = retry_for(settings.connect_timeout, || store.reach()).await?;
        store.requests.keep_first(connection).await;
        Ok(store)
    }

    /// Connects once to each configured address. Returns the connection to the primary.
    ///
    /// # Errors
    /// [`OpenError::Failed`].
    async fn reach(&self) -> Result<PgConnection, OpenError> {
        let connection = self.servers.connect().await?;
        if !Arc::ptr_eq(&self.servers, &self.listen_servers) {
            let _ = self.listen_servers.connect().await?.close().await;
        }
        Ok(connection)
    }

    /// The maximum number of concurrent connections to the database, including the listening one. Temporarily there are
    /// more: for migrations by another role, and one while looking for the primary.
    pub fn most_connections(&self) -> u32 {
        const LISTENING: u32 = 1;
        self.requests.most() + self.admins.most() + 2 * SIGNAL_CONNECTIONS + LISTENING
    }

    /// The operations so far, for operators.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// The pools by their names, for operators.
    pub fn pools(&self) -> [(&'static str, PoolState); 4] {
        let pools = [
            ("requests", &self.requests),
            ("admins", &self.admins),
            ("heartbeats", &self.heartbeats),
            ("acknowledgements", &self.acknowledgements),
        ];
        pools.map(|(name, pool)| (name, pool.state()))
    }

    /// How many requests of one owner use connections at once, and how long others wait for that.
    pub fn turns_of_an_owner(&self) -> (usize, Duration) {
        (self.owner_connections, self.patience)
    }

    /// The id of this replica, which is new at each start.
    pub fn replica_id(&self) -> ReplicaId {
        self.id
    }

    /// The messages between replicas, authenticated by these keys. `address`: where this replica listens, for
    /// operators.
    pub fn announcements(self: &Arc<Self>, keys: MessageKeys, address: Option<String>) -> Arc<dyn Announcements> {
        Arc::new(Announcer::new(Arc::clone(self), keys, address))
    }

    /// The longest lease of all replicas that started to listen before this call: how long an unreachable one may use
    /// data from before a change.
    pub async fn longest_lease(&self) -> Duration {
        announcements::longest_lease(self).await
    }

    /// Warns if every role of the server can connect to the database. They could read the messages between replicas,
    /// and make all replicas read all keys again as often as they like.
    pub async fn warn_of_strangers(&self) {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let query = sqlx::query_scalar!(
                r#"SELECT has_database_privilege('public', current_database(), 'CONNECT') AS "may_connect!""#
            );
            Ok(query.fetch_one(&mut *connection).await?)
        };
        match self.within_deadline(Statement::ReadDatabaseRights, work).await {
            Ok(true) => tracing::warn!(
                "every role of the server can connect to this database, and so can send notifications to the replicas. \
                 Run REVOKE CONNECT ON DATABASE … FROM PUBLIC; as its owner: see docs/configuration.md"
            ),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "could not check which roles can connect to the database"),
        }
    }

    /// Revokes the right to connect to the database from everybody except its owner, superusers, and explicitly granted
    /// roles.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be done.
    pub async fn keep_strangers_out(&self) -> Result<(), StoreError> {
        self.execute(
            Statement::RevokeDatabaseRights,
            sqlx::query!(
                "DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$"
            ),
        )
        .await
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.heartbeats.close().await;
        self.acknowledgements.close().await;
        self.admins.close().await;
        self.requests.close().await;
    }

    /// Executes a replica's own write.
    async fn execute(&self, statement: Statement, query: Query<'_, Postgres, PgArguments>) -> Result<(), StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            query.execute(&mut *connection).await?;
            Ok(connection.finish().await?)
        };
        self.within_deadline(statement, work).await
    }

    /// The same for a replica's housekeeping, of which one thing is done at a time: requests have the other
    /// connections, and a replica that starts does not open one for each.
    async fn tidy_up<T>(
        &self,
        statement: Statement,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let _turn = self.tidying.lock().await;
        self.within_deadline(statement, work).await
    }

    async fn within_deadline<T>(
        &self,
        statement: Statement,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // Each actix-web worker has its own runtime, which ends when the worker has drained. Connections must outlive
        // it, because another worker may be waiting for one.
        let mut work = pin!(work);
        let work = poll_fn(|context| {
            let _entered = self.runtime.enter();
            work.as_mut().poll(context)
        });
        let work = work.instrument(step!("statement", statement = statement.name()));
        let counted = self.statements.begin(statement);
        match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => {
                // Whoever waits for their own requests has asked the database nothing.
                counted.end(matches!(result, Ok(_) | Err(StoreError::Busy(_))));
                result
            }
            Err(_) => {
                counted.end(false);
                let servers = Arc::clone(&self.servers);
                self.runtime.spawn(async move { servers.look_beyond().await });
                Err(StoreError::Unavailable(format!("no answer within {:?}", self.deadline)))
            }
        }
    }
}
