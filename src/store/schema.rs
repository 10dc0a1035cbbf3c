//! The schema: whether it is new enough, and how it is brought up to date.

use std::sync::LazyLock;

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::types::PgInterval,
};

use super::{OpenError, Store, patiently, session};
use crate::{
    config::{Audit, Database},
    domain::ports::{Health, StoreError},
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

impl Store {
    /// Brings the schema up to date, makes room for the audit of the months to come, and drops what of it
    /// is too old. Safe when many replicas do it at once: sqlx holds an advisory lock meanwhile, and the
    /// later ones find nothing left to do. No timeout cuts it short: neither a migration that is slow nor
    /// the wait for another replica's. Only the audit is left for the next time where somebody is reading it.
    ///
    /// Connects as `database.migrate_url` says, outside of the pool, for it may take as long as it needs.
    /// Where that is not the service's own role, the latter gets what it needs.
    ///
    /// # Errors
    /// [`OpenError::Address`], [`OpenError::Unfit`] and [`OpenError::Migration`].
    pub async fn migrate(&self, settings: &Database, audit: &Audit) -> Result<(), OpenError> {
        let as_service = session::options(settings, &settings.url, settings.password.as_ref())?;
        let service = as_service.get_username().to_owned();
        let options = match &settings.migrate_url {
            // Another role, with a password of its own.
            Some(url) => session::options(settings, url, settings.migrate_password.as_ref())?,
            None => as_service,
        };
        // The last one wins; zero means none.
        let options = options.application_name("keyward/migrate").options([("statement_timeout", "0")]);
        let service = Some(service).filter(|name| name != options.get_username());
        let mut connection = options.connect().await.map_err(MigrateError::from)?;
        let claimed = session::claim(&mut connection, true).await.map_err(MigrateError::from)?;
        claimed.map_err(|unfit| OpenError::Unfit(unfit.to_string()))?;
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
        let work = async {
            let mut connection = self.requests.acquire().await?;
            // Where nothing was ever migrated, there is no such table.
            let query = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
            let was_migrated: bool = query.fetch_one(&mut *connection).await?;
            if was_migrated { newest_migration(&mut connection).await } else { Ok(0) }
        };
        self.within_deadline(work).await
    }
}

async fn newest_migration(connection: &mut PgConnection) -> Result<i64, StoreError> {
    // Not a checked query: the table is the migrator's, not the schema's.
    let query = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success");
    Ok(query.fetch_one(connection).await?)
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
    /// A server that has been superseded could answer as well; what it can't do is commit as its standby demands.
    async fn is_ready(&self) -> Result<bool, StoreError> {
        let work = async {
            let mut read = self.requests.tentative().await?;
            let newest = newest_migration(&mut read).await?;
            read.prove().await?;
            Ok(newest >= newest_known_migration())
        };
        self.within_deadline(work).await
    }
}

fn newest_known_migration() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}
