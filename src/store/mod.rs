//! The adapter for Postgres: the only place with SQL.

mod announcements;
mod api_keys;
mod ledger;
mod rows;
mod tokens;

use std::{
    fmt::Display,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions, types::PgInterval},
};
use tokio::runtime::Handle;

use crate::{
    config::{Audit, Database},
    domain::{
        ledger::KeyLedger,
        ports::{Announcements, EndedTokens, Health, KeyStore, StoreError},
        secret::SecretString,
    },
};

/// The schema, embedded in the program. Migrations that it doesn't know are a newer Keyward's, beside
/// which this one must be able to start and serve: while replicas are replaced one by one, and when
/// somebody goes back.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.set_ignore_missing(true);
    migrations
});

/// How long the audit's months wait for `audit_events`, whole. Whoever writes an event waits behind them, and must not do so for
/// long: far less than a statement may take.
const AUDIT_LOCK_TIMEOUT_MS: u32 = 300;

/// PostgreSQL's code for a lock that could not be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// One for heartbeats, one for acknowledgements.
const SIGNAL_CONNECTIONS: u32 = 2;

/// A pool of connections to the primary. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    /// Connections for heartbeats and acknowledgements: a full pool must not cost a replica its lease.
    signals: PgPool,
    /// Where and how to listen for changes.
    listen_options: PgConnectOptions,
    /// What one operation may take in all: getting a connection, and the statement. The server's own
    /// timeout cannot fire while the server is paused or unreachable, so this one is ours.
    deadline: Duration,
    /// Where connections are opened: they end with the runtime that they were opened in.
    runtime: Handle,
}

/// The store could not be opened or prepared.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is no Postgres URL. The address itself is not shown: it may hold a password.
    #[error("database.url is not a Postgres address such as postgres://user@host:5432/name")]
    Address,
    /// The database could not be reached within `database.connect_timeout`.
    #[error("the database could not be reached within {0:?}: {1}. Check database.url and that Postgres is running")]
    Unreachable(Duration, String),
    /// The schema is older than this program.
    #[error("the database's schema is older than this program: it has migration {found}, {needed} is needed")]
    OldSchema {
        /// The newest migration that was applied; 0 for none.
        found: i64,
        /// The newest one that this program knows.
        needed: i64,
    },
    /// The schema could not be brought up to date.
    #[error("the migrations could not be applied: {0}")]
    Migration(#[from] MigrateError),
}

impl Store {
    /// Connects, waiting up to `database.connect_timeout` for a database that is still starting. To be called in the runtime
    /// that lasts as long as the store.
    ///
    /// # Errors
    /// [`OpenError::Address`] and [`OpenError::Unreachable`].
    pub async fn open(settings: &Database) -> Result<Self, OpenError> {
        let options = connect_options(settings, &settings.url, settings.password.as_ref())?;
        let listen_url = settings.listen_url.as_ref().unwrap_or(&settings.url);
        let listen_options = connect_options(settings, listen_url, settings.password.as_ref())?;
        let pool = pool_options(settings, settings.pool_size).connect_lazy_with(options.clone());
        patiently(settings.connect_timeout, || pool.acquire()).await?;
        // What is lost when the database crashes is of no use after it.
        let signals = options.options([("synchronous_commit", "off")]);
        let signals = pool_options(settings, SIGNAL_CONNECTIONS).connect_lazy_with(signals);
        let deadline = settings.acquire_timeout + settings.statement_timeout;
        Ok(Self { pool, signals, listen_options, deadline, runtime: Handle::current() })
    }

    /// Brings the schema up to date, makes room for the audit of the months to come, and drops what of it
    /// is too old. Safe when many replicas do it at once: sqlx holds an advisory lock meanwhile, and the
    /// later ones find nothing left to do. No timeout cuts it short: neither a migration that is slow nor
    /// the wait for another replica's. Only the audit is left for the next time where somebody is reading it.
    ///
    /// Connects as `database.migrate_url` says, outside of the pool, for it may take as long as it needs.
    /// Where that is not the service's own role, the latter gets what it needs.
    ///
    /// # Errors
    /// [`OpenError::Address`] and [`OpenError::Migration`].
    pub async fn migrate(&self, settings: &Database, audit: &Audit) -> Result<(), OpenError> {
        let as_service = connect_options(settings, &settings.url, settings.password.as_ref())?;
        let service = as_service.get_username().to_owned();
        let options = match &settings.migrate_url {
            // Another role, with a password of its own.
            Some(url) => connect_options(settings, url, settings.migrate_password.as_ref())?,
            None => as_service,
        };
        // The last one wins; zero means none.
        let options = options.options([("statement_timeout", "0")]);
        let service = Some(service).filter(|name| name != options.get_username());
        let mut connection = options.connect().await.map_err(MigrateError::from)?;
        let result = bring_up_to_date(&mut connection, service, audit).await;
        // Frees the lock too, which the migrator keeps when it fails.
        let _ = connection.close().await;
        Ok(result?)
    }

    /// Asks whether the schema is as new as this program, with the same patience as [`open`](Self::open).
    ///
    /// # Errors
    /// [`OpenError::OldSchema`] when it isn't, and [`OpenError::Unreachable`].
    pub async fn demand_schema(&self, settings: &Database) -> Result<(), OpenError> {
        let found = patiently(settings.connect_timeout, || self.newest_migration_if_any()).await?;
        let needed = newest_known_migration();
        if found < needed { Err(OpenError::OldSchema { found, needed }) } else { Ok(()) }
    }

    /// The newest migration that was applied; 0 for none.
    async fn newest_migration_if_any(&self) -> Result<i64, StoreError> {
        // Where nothing was ever migrated, there is no such table.
        let query = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
        let was_migrated: bool = self.within_deadline(query.fetch_one(&self.pool)).await?;
        if was_migrated { self.newest_migration().await } else { Ok(0) }
    }

    async fn newest_migration(&self) -> Result<i64, StoreError> {
        // Not a checked query: the table is the migrator's, not the schema's.
        let query = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success");
        self.within_deadline(query.fetch_one(&self.pool)).await
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

    /// What replicas tell each other.
    pub fn announcements(&self) -> Arc<dyn Announcements> {
        Arc::new(self.clone())
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.signals.close().await;
        self.pool.close().await;
    }

    async fn within_deadline<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        // Each of actix-web's workers is a runtime of its own, and ends when it has drained. What it has connected to must outlive it,
        // for another worker may be waiting for an answer there.
        let mut work = pin!(work);
        let work = poll_fn(|context| {
            let _entered = self.runtime.enter();
            work.as_mut().poll(context)
        });
        match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => result.map_err(store_error),
            Err(_) => Err(StoreError::Unavailable(format!("no answer within {:?}", self.deadline))),
        }
    }
}

async fn bring_up_to_date(
    connection: &mut PgConnection,
    service: Option<String>,
    audit: &Audit,
) -> Result<(), MigrateError> {
    // As `run` does; a future with that can't be moved to another thread, as far as the compiler can tell.
    MIGRATIONS.run_direct(None, &mut *connection, false).await?;
    let keep = audit.retention.map(|span| PgInterval {
        months: 0,
        days: i32::try_from(span.as_secs() / 86_400).unwrap_or(i32::MAX),
        microseconds: 0,
    });
    // One replica at a time: a table can't be made twice.
    let mut transaction = connection.begin().await?;
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('keyward audit'))").execute(&mut *transaction).await?;
    if let Some(service) = service {
        sqlx::query!("SELECT grant_to_service($1::text::name)", service).execute(&mut *transaction).await?;
    }
    match maintain_audit(&mut transaction, keep).await {
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == LOCK_NOT_AVAILABLE) => {
            tracing::warn!(
                %error,
                "somebody is using audit_events, perhaps for a backup: its tables for the months to come were not made, and what \
                 is too old was not dropped. Run `keyward migrate` within some months, when nobody does; each start tries, too"
            );
        }
        result => result?,
    }
    Ok(transaction.commit().await?)
}

/// All of it or nothing, in a transaction within.
async fn maintain_audit(connection: &mut PgConnection, keep: Option<PgInterval>) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let limit = format!("{AUDIT_LOCK_TIMEOUT_MS}ms");
    sqlx::query!("SELECT set_config('lock_timeout', $1, true)", limit).fetch_one(&mut *transaction).await?;
    sqlx::query!("SELECT maintain_audit_events($1)", keep).execute(&mut *transaction).await?;
    transaction.commit().await
}

#[async_trait]
impl Health for Store {
    async fn is_ready(&self) -> Result<bool, StoreError> {
        Ok(self.newest_migration().await? >= newest_known_migration())
    }
}

fn newest_known_migration() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn pool_options(settings: &Database, connections: u32) -> PgPoolOptions {
    let limit = settings.acquire_timeout;
    PgPoolOptions::new().max_connections(connections).acquire_timeout(limit).after_release(move |connection, _| {
        Box::pin(async move {
            // sqlx, too, waits for an answer on a connection that is given back, but as long as
            // it takes. One that was lost without a word, after the deadline had ended the wait for
            // its statement, would then keep its place in the pool until TCP gives up: a quarter hour.
            let cleared = tokio::time::timeout(limit, leave_transaction(connection)).await;
            let cleared = cleared.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            cleared.map(|()| true)
        })
    })
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

fn connect_options(
    settings: &Database,
    url: &SecretString,
    password: Option<&SecretString>,
) -> Result<PgConnectOptions, OpenError> {
    let mut options: PgConnectOptions = url.expose().parse().map_err(|_| OpenError::Address)?;
    if let Some(password) = password {
        options = options.password(password.expose());
    }
    let limit = settings.statement_timeout.as_millis().to_string();
    Ok(options.application_name("keyward").options([
        ("statement_timeout", limit.as_str()),
        // Else a replica that vanishes amid a revoke leaves the key's row locked, and nobody can revoke
        // the key until the server gives up the connection: hours.
        ("idle_in_transaction_session_timeout", limit.as_str()),
        // Our statements take a millisecond; compiling one takes hundreds, where its estimate is large.
        ("jit", "off"),
    ]))
}

/// Tries until it succeeds: the database may still be starting.
async fn patiently<T, E: Display, A>(limit: Duration, attempt: impl Fn() -> A) -> Result<T, OpenError>
where
    A: Future<Output = Result<T, E>>,
{
    const PAUSE: Duration = Duration::from_millis(200);
    let mut last_error = "no answer".to_owned();
    let attempts = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(error) => {
                    tracing::warn!(%error, "the database cannot be reached yet; trying again");
                    last_error = error.to_string();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    match tokio::time::timeout(limit, attempts).await {
        Ok(done) => Ok(done),
        Err(_) => Err(OpenError::Unreachable(limit, last_error)),
    }
}

/// Sorts errors into "ask again later" and "this row should not exist". Every other answer of the
/// database (read-only after a failover, out of disk, shutting down) is one we can only wait out.
fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Corrupt(error.to_string()),
        other => StoreError::Unavailable(other.to_string()),
    }
}
