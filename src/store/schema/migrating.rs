//! Bringing the schema up to date.

use sqlx::{
    Connection, PgConnection,
    migrate::{Migrate, MigrateError},
    postgres::types::PgInterval,
};

use super::{
    MIGRATIONS, has_migrations, limit_lock_waits, newest_migration,
    waits::{exclude_others, is_lock_timeout},
};
use crate::{
    config::{Audit, Database},
    store::{
        Store,
        connections::{failure::ConnectFailure, opening::OpenError, servers::Servers},
    },
};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// How many migrations were applied now.
    pub applied: u64,
    /// The newest that the schema has, of this version or a later one.
    pub newest: i64,
}

impl Store {
    /// Applies migrations, creates the audit's partitions for the coming months, and drops those that are too old. Safe
    /// when many replicas do it at once: sqlx holds an advisory lock, and later replicas find nothing left to do. No
    /// timeout interrupts a slow migration or the wait for another replica; whoever holds a lock that it waits for is
    /// logged. Only the audit is left for the next time if somebody is reading it. A database that is read-only and has
    /// all migrations is left as it is.
    ///
    /// Connects with `database.migrate_url`. If that is another role, it grants the service's role what it needs.
    /// Without that address, it takes a connection of the service, or connects with `database.listen_url` if a pooler
    /// is at `database.url`. An address that leads elsewhere than the service works is refused.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn migrate(&self, settings: &Database, audit: &Audit) -> Result<Migrated, OpenError> {
        let servers = super::owner::servers(settings)?;
        if servers.setting() == self.servers.setting() {
            return self.migrate_as_service(audit).await;
        }
        let mut connection = servers.connect().await?;
        let result = self.migrate_by(&mut connection, &servers, audit).await;
        // Closing also releases the locks, which the migrator keeps when it fails.
        let _ = connection.close().await;
        result
    }

    async fn migrate_as_service(&self, audit: &Audit) -> Result<Migrated, OpenError> {
        // Closed when it fails, which also releases the locks.
        let mut connection = self.requests.tentative().await?;
        let done = self.migrate_by(&mut connection, &self.servers, audit).await?;
        let reset = sqlx::raw_sql("RESET statement_timeout").execute(&mut *connection).await;
        reset.map_err(|error| self.servers.explain_chosen(&error))?;
        connection.finish().await.map_err(|error| self.servers.explain_chosen(&error))?;
        Ok(done)
    }

    async fn migrate_by(
        &self,
        connection: &mut PgConnection,
        servers: &Servers,
        audit: &Audit,
    ) -> Result<Migrated, OpenError> {
        let service = Some(self.servers.role()).filter(|role| *role != servers.role()).map(str::to_owned);
        let before = self.demand_one_place(connection, servers).await?;
        let session = sqlx::query_scalar!(r#"SELECT pg_backend_pid() AS "pid!""#).fetch_one(&mut *connection).await;
        let session = session.map_err(|error| servers.explain_chosen(&error))?;
        let result = self.telling_of_waits(session, bring_up_to_date(connection, service, audit)).await;
        let done = result.map_err(|error| why_not_migrated(&error, servers))?;
        if before.is_none() {
            self.demand_one_place(connection, servers).await?;
        }
        Ok(done)
    }
}

fn why_not_migrated(error: &MigrateError, servers: &Servers) -> ConnectFailure {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => servers.explain_chosen(error),
        MigrateError::VersionMismatch(number) => ConnectFailure::for_good(format!(
            "the database has another migration {number} than this program: a different build has made it"
        ))
        .remedied("Start that build, or let database.url name another database"),
        MigrateError::Dirty(number) => {
            ConnectFailure::for_good(format!("migration {number} was begun and not finished"))
                .remedied("Restore the database from before it, or ask for help with what it says in _sqlx_migrations")
        }
        other => ConnectFailure::for_good(format!("the migrations could not be applied: {other}")),
    }
}

async fn bring_up_to_date(
    connection: &mut PgConnection,
    service: Option<String>,
    audit: &Audit,
) -> Result<Migrated, MigrateError> {
    // Migrations may take any time; the session's timeout is meant for the service's statements.
    sqlx::query!("SELECT set_config('statement_timeout', '0', false)").fetch_one(&mut *connection).await?;
    let mut applied = 0;
    if !has_all_migrations(connection).await? {
        applied = apply(connection).await?;
    } else if is_read_only(connection).await? {
        tracing::warn!(
            "the database is read-only: nothing is migrated, as the schema is up to date, and checks go on; the audit's \
             partitions and audit.retention are left as they are. Run `keyward migrate` once it takes changes"
        );
        return Ok(Migrated { applied, newest: newest_migration(connection).await? });
    }
    let keep = audit.retention.map(|span| PgInterval {
        months: 0,
        days: i32::try_from(span.as_secs() / 86_400).unwrap_or(i32::MAX),
        microseconds: 0,
    });
    // Only one replica at a time, because a table can't be created twice.
    let mut transaction = connection.begin().await?;
    let is_alone = exclude_others(&mut transaction).await?;
    if let Some(service) = service {
        sqlx::query!("SELECT grant_to_service($1::text::name)", service).execute(&mut *transaction).await?;
    }
    // Stored for the service, which may maintain the partitions, but not decide how long they are kept.
    let query = sqlx::query!(
        "INSERT INTO audit_retention (keep) VALUES ($1) ON CONFLICT (is_the_row) DO UPDATE SET keep = excluded.keep",
        keep
    );
    query.execute(&mut *transaction).await?;
    match maintain_audit(&mut transaction, keep).await {
        // Who is not alone may meet somebody who makes the same table.
        Err(error) if is_lock_timeout(&error) || (!is_alone && error.as_database_error().is_some()) => {
            tracing::warn!(
                %error,
                "audit_events is locked, perhaps by a backup: partitions were neither created nor dropped. The service \
                 tries again while it runs; or run `keyward migrate` once the lock is released"
            );
        }
        result => result?,
    }
    transaction.commit().await?;
    Ok(Migrated { applied, newest: newest_migration(connection).await? })
}

/// Applies what is missing, and counts it. What another process applies at the same time is not counted: the migrator's lock
/// is held meanwhile. Where this fails, the connection is closed, which releases it.
async fn apply(connection: &mut PgConnection) -> Result<u64, MigrateError> {
    connection.lock().await?;
    let before = count(connection).await?;
    // The same as `run`, whose future the compiler does not recognise as `Send`.
    MIGRATIONS.run_direct(None, &mut *connection, false).await?;
    let after = count(connection).await?;
    connection.unlock().await?;
    Ok((after - before).unsigned_abs())
}

/// How many migrations were applied.
async fn count(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    if !has_migrations(connection).await? {
        return Ok(0);
    }
    // Not a checked query: the table belongs to the migrator, not to the schema.
    sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(connection).await
}

/// Whether there is nothing to migrate: then nothing needs a lock, or is created, which a read-only database would
/// refuse. What is there and differs is left to the migrator, which says what is wrong.
async fn has_all_migrations(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    if !has_migrations(connection).await? {
        return Ok(false);
    }
    // Not a checked query: the table belongs to the migrator, not to the schema.
    let query = sqlx::query_as("SELECT version, checksum, success FROM _sqlx_migrations");
    let applied: Vec<(i64, Vec<u8>, bool)> = query.fetch_all(connection).await?;
    let is_applied = |version: i64, checksum: &[u8]| applied.iter().any(|one| one.0 == version && one.1 == checksum);
    let all_are = MIGRATIONS.iter().all(|migration| is_applied(migration.version, &migration.checksum));
    Ok(all_are && applied.iter().all(|(_, _, success)| *success))
}

async fn is_read_only(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar!(r#"SELECT current_setting('transaction_read_only') = 'on' AS "is_read_only!""#);
    query.fetch_one(connection).await
}

/// All or nothing, in a nested transaction.
async fn maintain_audit(connection: &mut PgConnection, keep: Option<PgInterval>) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    limit_lock_waits(&mut transaction).await?;
    sqlx::query!("SELECT maintain_audit_events($1)", keep).execute(&mut *transaction).await?;
    transaction.commit().await
}
