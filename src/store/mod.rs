//! The adapter for Postgres: the only place with SQL.

mod api_keys;

use std::{
    future::Future,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Connection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    config::Database,
    domain::ports::{Health, KeyStore, StoreError},
};

/// The schema, embedded in the program. Migrations that it doesn't know are a newer Keyward's, beside
/// which this one must be able to start and serve: while replicas are replaced one by one, and when
/// somebody goes back.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.set_ignore_missing(true);
    migrations
});

/// A pool of connections to the primary. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    /// How the migrator connects: outside of the pool, for it may take as long as it needs.
    migrator: PgConnectOptions,
    /// What one operation may take in all: getting a connection, and the statement. The server's own
    /// timeout cannot fire while the server is paused or unreachable, so this one is ours.
    deadline: Duration,
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
    /// The schema could not be brought up to date.
    #[error("the migrations could not be applied: {0}")]
    Migration(#[from] MigrateError),
}

impl Store {
    /// Connects, waiting up to `database.connect_timeout` for a database that is still starting.
    ///
    /// # Errors
    /// [`OpenError::Address`] and [`OpenError::Unreachable`].
    pub async fn open(settings: &Database) -> Result<Self, OpenError> {
        let options = connect_options(settings)?;
        let pool = pool_options(settings)
            .connect_lazy_with(with_statement_timeout(options.clone(), settings.statement_timeout));
        wait_until_reachable(&pool, settings.connect_timeout).await?;
        let migrator = with_statement_timeout(options, Duration::ZERO);
        Ok(Self { pool, migrator, deadline: settings.acquire_timeout + settings.statement_timeout })
    }

    /// Brings the schema up to date. Safe when many replicas do it at once: sqlx holds an advisory
    /// lock meanwhile, and the later ones find nothing left to do. No timeout cuts it short: neither a
    /// migration that is slow nor the wait for another replica's.
    ///
    /// # Errors
    /// [`OpenError::Migration`].
    pub async fn migrate(&self) -> Result<(), OpenError> {
        let mut connection = self.migrator.connect().await.map_err(MigrateError::from)?;
        let result = MIGRATIONS.run(&mut connection).await;
        // Frees the lock too, which the migrator keeps when it fails.
        let _ = connection.close().await;
        Ok(result?)
    }

    /// The keys.
    pub fn keys(&self) -> Arc<dyn KeyStore> {
        Arc::new(api_keys::PgKeyStore::new(self.clone()))
    }

    /// Whether it can be worked with.
    pub fn health(&self) -> Arc<dyn Health> {
        Arc::new(self.clone())
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn within_deadline<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => result.map_err(store_error),
            Err(_) => Err(StoreError::Unavailable(format!("no answer within {:?}", self.deadline))),
        }
    }
}

#[async_trait]
impl Health for Store {
    async fn is_ready(&self) -> Result<bool, StoreError> {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        // Not a checked query: the table is the migrator's, not the schema's.
        let query =
            sqlx::query_scalar("SELECT coalesce(max(version) >= $1, false) FROM _sqlx_migrations WHERE success");
        self.within_deadline(query.bind(newest).fetch_one(&self.pool)).await
    }
}

fn pool_options(settings: &Database) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(settings.pool_size).acquire_timeout(settings.acquire_timeout)
}

fn connect_options(settings: &Database) -> Result<PgConnectOptions, OpenError> {
    let mut options: PgConnectOptions = settings.url.expose().parse().map_err(|_| OpenError::Address)?;
    if let Some(password) = &settings.password {
        options = options.password(password.expose());
    }
    Ok(options.application_name("keyward"))
}

/// Zero means none, whatever the server or the database's user has been given as a default.
fn with_statement_timeout(options: PgConnectOptions, timeout: Duration) -> PgConnectOptions {
    options.options([("statement_timeout", timeout.as_millis().to_string())])
}

async fn wait_until_reachable(pool: &PgPool, limit: Duration) -> Result<(), OpenError> {
    const PAUSE: Duration = Duration::from_millis(200);
    let mut last_error = "no answer".to_owned();
    let attempts = async {
        while let Err(error) = pool.acquire().await {
            tracing::warn!(%error, "the database cannot be reached yet; trying again");
            last_error = error.to_string();
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(limit, attempts).await {
        Ok(()) => Ok(()),
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
