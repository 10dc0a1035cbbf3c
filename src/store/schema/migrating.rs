//! Bringing the schema up to date.

use std::time::Duration;

use sqlx::{
    Connection, PgConnection,
    migrate::{Migrate, MigrateError},
    postgres::types::PgInterval,
};

use super::{
    INSUFFICIENT_PRIVILEGE, LOCK_TIMEOUT_MS, MIGRATIONS, applied, limit_lock_waits,
    waits::{exclude_others, is_lock_timeout},
};
use crate::{
    config::{Audit, Database},
    store::{
        Store,
        connections::{failure::ConnectFailure, opening::OpenError, servers::Servers},
    },
    telemetry::outage::Trouble,
};

/// The pauses between attempts to get the lock that a migration needs: the first, and the longest of those that follow,
/// of which each is twice the one before. In a pause, whoever came after the attempt gets what they need.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
    /// when many replicas do it at once: the first holds an advisory lock, and later replicas find nothing left to do.
    /// No timeout interrupts a slow migration or the wait for another replica; whoever holds a lock that it waits for is
    /// logged. A migration that doesn't get a lock is tried again until it does, so that whoever serves goes on. Only
    /// the audit is left for the next time if somebody is reading it. A database that is read-only and has all
    /// migrations is left as it is.
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
        let result = self.bring_up_to_date(connection, session, service, audit).await;
        let done = result.map_err(|error| why_not_migrated(&error, servers))?;
        if before.is_none() {
            self.demand_one_place(connection, servers).await?;
        }
        Ok(done)
    }

    async fn bring_up_to_date(
        &self,
        connection: &mut PgConnection,
        session: i32,
        service: Option<String>,
        audit: &Audit,
    ) -> Result<Migrated, MigrateError> {
        // Migrations may take any time; the session's timeout is meant for the service's statements.
        sqlx::query!("SELECT set_config('statement_timeout', '0', false)").fetch_one(&mut *connection).await?;
        let mut done = 0;
        if !applied::are_all(connection).await? {
            done = self.apply(connection, session).await?;
        } else if is_read_only(connection).await? {
            tracing::warn!(
                "the database is read-only: nothing is migrated, as the schema is up to date, and checks go on; the audit's \
                 partitions and audit.retention are left as they are. Run `keyward migrate` once it takes changes"
            );
            return Ok(Migrated { applied: done, newest: applied::newest(connection).await? });
        } else if service.is_none() && !applied::are_ones_own(connection).await? {
            tracing::warn!(
                "the tables are another role's: nothing is migrated, as the schema is up to date, and audit.retention stays as \
                 that role has last recorded it. With database.migrate_on_start = false, replicas leave the schema to \
                 `keyward migrate`"
            );
            return Ok(Migrated { applied: done, newest: applied::newest(connection).await? });
        }
        self.telling_of_waits(session, see_to_audit(connection, service, audit)).await?;
        Ok(Migrated { applied: done, newest: applied::newest(connection).await? })
    }

    /// Applies what is missing, and counts it. What another process applies at the same time is not counted: the
    /// migrator's lock is held meanwhile. Where this fails, the connection is closed, which releases it.
    async fn apply(&self, connection: &mut PgConnection, session: i32) -> Result<u64, MigrateError> {
        self.telling_of_waits(session, connection.lock()).await?;
        if let Some(stranger) = applied::stranger(connection).await? {
            return Err(MigrateError::Source(stranger.into()));
        }
        let before = applied::count(connection).await?;
        limit_lock_waits_of_session(connection, LOCK_TIMEOUT_MS).await?;
        let (trouble, mut pause) = (Trouble::default(), FIRST_PAUSE);
        loop {
            // The same as `run`, whose future the compiler does not recognise as `Send`. It skips what was applied.
            let run = MIGRATIONS.run_direct(None, &mut *connection, false);
            let (result, held_by) = self.noting_blockers(session, run).await;
            let Some(migration) = waits_for_lock(&result) else {
                result?;
                break;
            };
            // Rolls back now, and not with the next statement.
            connection.ping().await?;
            trouble.tell(&migration, |repeated| {
                let held_by = held_by.unwrap_or_else(|| "unknown".to_owned());
                tracing::warn!(
                    migration,
                    held_by,
                    repeated,
                    "a migration waits for a lock; it is tried again until it gets it, and lets others pass in between. If \
                     the holder is a backup, let it end first; else end it with SELECT pg_terminate_backend(…)"
                );
            });
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        limit_lock_waits_of_session(connection, 0).await?;
        let after = applied::count(connection).await?;
        connection.unlock().await?;
        Ok((after - before).unsigned_abs())
    }
}

/// What to do where a role may not bring the schema up to date.
const AS_OWNER: &str = "If the tables are another role's, set database.migrate_on_start = false and run `keyward migrate` as \
     that role, or let database.migrate_url name it, which also grants the service its privileges \
     (docs/configuration.md, A role for the tables and one for the service); else grant it";

fn is_forbidden(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == INSUFFICIENT_PRIVILEGE)
}

fn why_not_migrated(error: &MigrateError, servers: &Servers) -> ConnectFailure {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            let failure = servers.explain_chosen(error);
            if is_forbidden(error) { failure.remedied(AS_OWNER) } else { failure }
        }
        // Ours are part of the program, so nothing is wrong with their source: what is there is another program's.
        MigrateError::Source(stranger) => ConnectFailure::for_good(format!("{}: {stranger}", servers.setting()))
            .remedied(
                "Nothing was changed. Give Keyward a database or a schema of its own: docs/operations.md, The database's \
                 address",
            ),
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

async fn see_to_audit(
    connection: &mut PgConnection,
    service: Option<String>,
    audit: &Audit,
) -> Result<(), MigrateError> {
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
    Ok(())
}

/// Limits how long each statement of this session waits for a lock; 0 for no limit.
async fn limit_lock_waits_of_session(connection: &mut PgConnection, milliseconds: u32) -> Result<(), sqlx::Error> {
    let limit = format!("{milliseconds}ms");
    sqlx::query!("SELECT set_config('lock_timeout', $1, false)", limit).fetch_one(connection).await.map(drop)
}

/// The migration that did not get a lock in time, if that is why this failed; 0 for the table of migrations.
fn waits_for_lock(result: &Result<(), MigrateError>) -> Option<i64> {
    match result {
        Err(MigrateError::ExecuteMigration(error, migration)) => is_lock_timeout(error).then_some(*migration),
        Err(MigrateError::Execute(error)) => is_lock_timeout(error).then_some(0),
        _ => None,
    }
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
