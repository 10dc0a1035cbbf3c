//! The adapter for Postgres: the only place with SQL.

mod announcements;
mod api_keys;
mod connections;
mod failure;
mod ledger;
mod rows;
mod schema;
mod servers;
mod session;
mod tokens;
pub mod wire;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use sqlx::{Connection, PgConnection, Postgres, pool::PoolConnection, postgres::PgArguments, query::Query};
use tokio::runtime::Handle;
use uuid::Uuid;

pub use self::schema::Schema;
use self::{
    announcements::Announcer,
    connections::{Connections, Purpose},
    failure::ConnectFailure,
    servers::Servers,
};
use crate::{
    config::{Database, InvalidDatabaseUrl},
    domain::{
        coherence::{ReplicaId, message_keys::MessageKeys},
        ledger::Reach,
        owner::Owner,
        ports::{
            StoreError, announcements::Announcements, ended_tokens::EndedTokens, health::Health, keys::KeyStore,
            ledger::KeyLedger,
        },
    },
    telemetry::outage::Trouble,
    turns::{OwnerTurns, Turn},
};

/// One for heartbeats, and one for acknowledgements: a full pool must not cost a replica its lease.
const SIGNAL_CONNECTIONS: u32 = 1;

/// A transaction sees what was committed before each of its statements began, whatever the database is configured to.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Connections to the primary. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    id: ReplicaId,
    /// For checks, for owners, and for what a replica does by itself.
    requests: Connections,
    /// For changes by administrators, who must be able to stop an owner that keeps all the others busy.
    admins: Connections,
    heartbeats: Connections,
    acknowledgements: Connections,
    /// Where the service's connections go.
    servers: Arc<Servers>,
    /// Where and how to listen for changes.
    listen_servers: Arc<Servers>,
    acquire_timeout: Duration,
    refusals: Arc<Trouble>,
    turns: Arc<OwnerTurns>,
    /// How long the requests of an owner wait for a turn.
    patience: Duration,
    /// What one operation may take in all: getting a connection, and the statement. The server's own
    /// timeout cannot fire while the server is paused or unreachable, so this one is ours.
    deadline: Duration,
    /// Where connections are opened: they end with the runtime that they were opened in.
    runtime: Handle,
}

/// A connection, and the turn of the owner for whom it is used.
struct Seat {
    connection: PoolConnection<Postgres>,
    _turn: Option<Turn>,
}

/// The store could not be opened or prepared.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is no URL of Postgres. The address itself is not shown: it may hold a password.
    #[error("{setting} {problem}")]
    Address {
        /// Where it was given.
        setting: &'static str,
        /// What is wrong with it.
        problem: InvalidDatabaseUrl,
    },
    /// Something in the address can't be used, such as a certificate that can't be read.
    #[error("{0}: {1}")]
    Settings(&'static str, String),
    /// The database can't be reached or worked with.
    #[error("{what}")]
    Failed {
        /// The cause, the setting that holds it, and what to do.
        what: String,
        /// Whether that may be over without a change of settings.
        heals: bool,
    },
    /// The database could not be reached within `database.connect_timeout`.
    #[error("the database could not be reached within {0:?} (database.connect_timeout). {1}")]
    Unreachable(Duration, String),
    /// The schema is older than this program.
    #[error("the database's schema is older than this program: it has migration {found}, {needed} is needed")]
    OldSchema {
        /// The newest migration that was applied; 0 for none.
        found: i64,
        /// The newest one that this program knows.
        needed: i64,
    },
}

impl OpenError {
    /// Whether it is worth while to try again: what is wrong may be over by itself, or by what somebody does elsewhere.
    pub fn heals(&self) -> bool {
        match self {
            Self::Failed { heals, .. } => *heals,
            Self::Unreachable(..) | Self::OldSchema { .. } => true,
            Self::Address { .. } | Self::Settings(..) => false,
        }
    }
}

impl From<ConnectFailure> for OpenError {
    fn from(failure: ConnectFailure) -> Self {
        Self::Failed { heals: failure.heals, what: failure.to_string() }
    }
}

impl Store {
    /// A store that has connected to nothing yet. To be called in the runtime that lasts as long as the store.
    ///
    /// # Errors
    /// [`OpenError::Address`] and [`OpenError::Settings`].
    pub fn new(settings: &Database) -> Result<Self, OpenError> {
        let id = ReplicaId(rand::random());
        // Who is who among the server's sessions.
        let name = format!("keyward/{}", Uuid::from_u128(id.0));
        let password = settings.password.as_ref();
        let servers = Arc::new(Servers::new(settings, failure::SERVICE, &settings.url, password, &name)?);
        let listen_servers = match &settings.listen_url {
            Some(url) => Arc::new(Servers::new(settings, failure::LISTENER, url, password, &name)?),
            None => Arc::clone(&servers),
        };
        let deadline = settings.acquire_timeout + settings.statement_timeout;
        let refusals = Arc::new(Trouble::default());
        let connections = |most, purpose| {
            Connections::new(Arc::clone(&servers), most, settings.acquire_timeout, purpose, Arc::clone(&refusals))
        };
        Ok(Self {
            id,
            requests: connections(settings.pool_size, Purpose::Work),
            admins: connections(settings.admin_connections, Purpose::Work),
            heartbeats: connections(SIGNAL_CONNECTIONS, Purpose::Heartbeats { patience: 2 * deadline }),
            acknowledgements: connections(SIGNAL_CONNECTIONS, Purpose::Acknowledgements),
            servers,
            listen_servers,
            acquire_timeout: settings.acquire_timeout,
            refusals: Arc::clone(&refusals),
            turns: OwnerTurns::new(settings.owner_connections),
            patience: settings.acquire_timeout,
            deadline,
            runtime: Handle::current(),
        })
    }

    /// Connects, waiting up to `database.connect_timeout` for a database that doesn't answer yet. To be called in the runtime
    /// that lasts as long as the store.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(settings: &Database) -> Result<Self, OpenError> {
        let store = Self::new(settings)?;
        let _ = patiently(settings.connect_timeout, || store.reach()).await?.close().await;
        Ok(store)
    }

    /// Connects once to wherever the settings lead.
    ///
    /// # Errors
    /// [`OpenError::Failed`].
    async fn reach(&self) -> Result<PgConnection, OpenError> {
        let connection = self.servers.connect(true).await?;
        if !Arc::ptr_eq(&self.servers, &self.listen_servers) {
            let _ = self.listen_servers.connect(true).await?.close().await;
        }
        Ok(connection)
    }

    /// How many connections to the database it may have at once, the one that it listens on among them. For a moment there are
    /// others: for migrations at the start, and one while the primary is looked for.
    pub fn most_connections(&self) -> u32 {
        const LISTENING: u32 = 1;
        self.requests.most() + self.admins.most() + 2 * SIGNAL_CONNECTIONS + LISTENING
    }

    /// Who this replica is among the others: another one each time that it starts.
    pub fn replica_id(&self) -> ReplicaId {
        self.id
    }

    /// The keys, for checks.
    pub fn keys(&self) -> Arc<dyn KeyStore> {
        Arc::new(self.clone())
    }

    /// Which tokens were ended, for checks.
    pub fn ended_tokens(&self) -> Arc<dyn EndedTokens> {
        Arc::new(self.clone())
    }

    /// The keys, for those who manage them.
    pub fn ledger(&self) -> Arc<dyn KeyLedger> {
        Arc::new(self.clone())
    }

    /// Whether it can be worked with.
    pub fn health(&self) -> Arc<dyn Health> {
        Arc::new(self.clone())
    }

    /// What replicas tell each other, who know each other by these keys.
    pub fn announcements(&self, keys: MessageKeys) -> Arc<dyn Announcements> {
        Arc::new(Announcer { store: self.clone(), keys: Arc::new(keys), ignored: Arc::default() })
    }

    /// The longest lease of any replica that has begun to listen before this call: for how long one that can't be heard
    /// may go by what was before a change.
    pub async fn longest_lease(&self) -> Duration {
        announcements::longest_lease(self).await
    }

    /// Warns where anybody who has an account on the server may connect to the database: they could read what replicas
    /// tell each other, and make all replicas read all keys again, as often as they like.
    pub async fn warn_of_strangers(&self) {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            let query = sqlx::query_scalar!(
                r#"SELECT has_database_privilege('public', current_database(), 'CONNECT') AS "may_connect!""#
            );
            Ok(query.fetch_one(&mut *connection).await?)
        };
        match self.within_deadline(work).await {
            Ok(true) => tracing::warn!(
                "every role of the server may connect to this database, and so send notifications to the replicas. Run \
                 REVOKE CONNECT ON DATABASE … FROM PUBLIC; as its owner; docs/configuration.md has the whole of it"
            ),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "could not ask who may connect to the database"),
        }
    }

    /// Lets nobody connect to the database but its owner, superusers, and whoever was granted it by name.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be done.
    pub async fn keep_strangers_out(&self) -> Result<(), StoreError> {
        self.execute(sqlx::query!(
            "DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$"
        ))
        .await
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.heartbeats.close().await;
        self.acknowledgements.close().await;
        self.admins.close().await;
        self.requests.close().await;
    }

    /// A connection to read by, for somebody who reaches so far.
    async fn to_read(&self, reach: &Reach) -> Result<Seat, StoreError> {
        let _turn = match reach {
            Reach::Own(owner) => Some(self.turn(owner).await?),
            Reach::Any => None,
        };
        Ok(Seat { connection: self.requests.acquire().await?, _turn })
    }

    async fn turn(&self, owner: &Owner) -> Result<Turn, StoreError> {
        tokio::time::timeout(self.patience, self.turns.take(owner)).await.map_err(|_| {
            let why = "the requests of one owner use as many connections as database.owner_connections allows";
            StoreError::Unavailable(why.to_owned())
        })
    }

    /// A connection to change something by, for somebody who reaches so far.
    async fn to_change(&self, reach: &Reach) -> Result<Seat, StoreError> {
        match reach {
            Reach::Own(_) => self.to_read(reach).await,
            Reach::Any => Ok(Seat { connection: self.admins.acquire().await?, _turn: None }),
        }
    }

    /// Writes something that a replica writes by itself.
    async fn execute(&self, query: Query<'_, Postgres, PgArguments>) -> Result<(), StoreError> {
        let work = async {
            let mut connection = self.requests.acquire().await?;
            query.execute(&mut *connection).await?;
            Ok(())
        };
        self.within_deadline(work).await
    }

    async fn within_deadline<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        // Each of actix-web's workers is a runtime of its own, and ends when it has drained. What it has connected to must outlive it,
        // for another worker may be waiting for an answer there.
        let mut work = pin!(work);
        let work = poll_fn(|context| {
            let _entered = self.runtime.enter();
            work.as_mut().poll(context)
        });
        match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Unavailable(format!("no answer within {:?}", self.deadline))),
        }
    }
}

/// Tries until it succeeds, or can't: the database may still be starting.
async fn patiently<T, A>(limit: Duration, attempt: impl Fn() -> A) -> Result<T, OpenError>
where
    A: Future<Output = Result<T, OpenError>>,
{
    const PAUSE: Duration = Duration::from_millis(200);
    let mut last_error = "It does not answer".to_owned();
    let trouble = Trouble::default();
    let attempts = async {
        loop {
            match attempt().await {
                Err(error) if error.heals() => {
                    let line =
                        |repeated| tracing::warn!(%error, repeated, "the database cannot be reached yet; trying again");
                    trouble.tell(&error, line);
                    last_error = error.to_string();
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    };
    match tokio::time::timeout(limit, attempts).await {
        Ok(done) => done,
        Err(_) => Err(OpenError::Unreachable(limit, last_error)),
    }
}

/// Sorts errors into "ask again later" and "this row should not exist". Every other answer of the
/// database (read-only after a failover, out of disk, shutting down) is one we can only wait out.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt(error.to_string()),
            sqlx::Error::Database(error) => Self::Failed(told(error.as_ref())),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// What the database says, and the remedy where it is ours to give. By PostgreSQL's codes:
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn told(error: &dyn sqlx::error::DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    let message = error.message();
    let remedy = match &*code {
        // A table, a column, a function, a schema or a type that isn't there.
        "42P01" | "42703" | "42883" | "3F000" | "42704" => {
            ". The schema is not that of this program: run `keyward migrate`, and see that database.url names the right database"
        }
        "42501" => ". Run `keyward migrate` with database.migrate_url, which grants the service's role what it needs",
        _ => "",
    };
    format!("{message} ({code}){remedy}")
}
