//! The schema: checking its version, and migrating it.

use std::sync::LazyLock;

use async_trait::async_trait;
use sqlx::{
    Connection, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::types::PgInterval,
};

use super::{
    Statement, Store,
    connections::{
        failure::{self, ConnectFailure},
        opening::{OpenError, retry_for},
        servers::Servers,
    },
    rights,
};
use crate::{
    config::{Audit, Database, Pooler},
    domain::ports::{StoreError, health::Health},
};

/// The migrations, embedded in the program. Unknown migrations belong to a newer version of Keyward. This version must
/// be able to start and serve beside it, while replicas are replaced one by one, and after a downgrade.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.set_ignore_missing(true);
    migrations
});

/// How long the maintenance of the audit's partitions waits for a lock on the whole of `audit_events`. Writers of
/// events queue behind it, so this must be far shorter than the time limit of a statement.
const AUDIT_LOCK_TIMEOUT_MS: u32 = 300;

/// PostgreSQL's code for a lock that was not available in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// PostgreSQL's code for a missing right.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

impl Store {
    /// Applies migrations, creates the audit's partitions for the coming months, and drops those that are too old. Safe
    /// when many replicas do it at once: sqlx holds an advisory lock, and later replicas find nothing left to do. No
    /// timeout interrupts a slow migration or the wait for another replica. Only the audit is left for the next time if
    /// somebody is reading it.
    ///
    /// Connects with `database.migrate_url`. If that is another role, it grants the service's role what it needs.
    /// Without that address, it takes a connection of the service, or connects with `database.listen_url` if a pooler is
    /// at `database.url`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn migrate(&self, settings: &Database, audit: &Audit) -> Result<(), OpenError> {
        let name = "keyward/migrate";
        let servers = match (&settings.migrate_url, &settings.listen_url, settings.pooler) {
            // Another role, with its own password.
            (Some(url), ..) => Servers::new(settings, failure::OWNER, url, settings.migrate_password.as_ref(), name)?,
            // A migration takes a lock of the session, and any time. Neither is for a pooler.
            (None, Some(url), Pooler::Transaction) => {
                Servers::new(settings, failure::LISTENER, url, settings.password.as_ref(), name)?
            }
            (None, ..) => return self.migrate_as_service(audit).await,
        };
        let service = Some(self.servers.role()).filter(|role| *role != servers.role()).map(str::to_owned);
        let mut connection = servers.connect().await?;
        let result = bring_up_to_date(&mut connection, service, audit).await;
        // Closing also releases the lock, which the migrator keeps when it fails.
        let _ = connection.close().await;
        result.map_err(|error| why_not_migrated(&error, &servers).into())
    }

    async fn migrate_as_service(&self, audit: &Audit) -> Result<(), OpenError> {
        // Closed when it fails, which also releases the lock.
        let mut connection = self.requests.tentative().await?;
        let migrated = bring_up_to_date(&mut connection, None, audit).await;
        migrated.map_err(|error| why_not_migrated(&error, &self.servers))?;
        let reset = sqlx::raw_sql("RESET statement_timeout").execute(&mut *connection).await;
        reset.map_err(|error| self.servers.explain_chosen(&error))?;
        Ok(connection.finish().await.map_err(|error| self.servers.explain_chosen(&error))?)
    }

    /// One attempt at everything that must precede serving: reaches the database, proves that notifications arrive,
    /// migrates the schema if configured, and checks that the service's role may read it.
    ///
    /// # Errors
    /// [`OpenError`], which says whether a retry may succeed.
    pub async fn prepare(&self, settings: &Database, audit: &Audit) -> Result<Schema, OpenError> {
        let connection = self.reach().await?;
        self.requests.keep_first(connection).await;
        self.demand_delivery().await?;
        if settings.migrate_on_start {
            self.migrate(settings, audit).await?;
        }
        let role = self.servers.role();
        let mut connection = self.requests.tentative().await?;
        let seen = schema_state(&mut connection).await.map_err(|error| self.servers.explain_chosen(&error))?;
        connection.finish().await.map_err(|error| self.servers.explain_chosen(&error))?;
        match seen {
            SchemaState::Older { found, needed } => {
                tracing::warn!(
                    found,
                    needed,
                    "the database's schema is older than this program: not ready until `keyward migrate` is run"
                );
                Ok(Schema { newest: found, fits: false })
            }
            SchemaState::Forbidden(rights) => Err(ConnectFailure::for_good(format!(
                "database.url: the role {role} lacks rights: {rights}. {}",
                how_to_grant(role)
            ))
            .into()),
            SchemaState::Good(found) => Ok(Schema { newest: found, fits: true }),
        }
    }

    /// Requires that the schema is as new as this program. Waits for the database like [`open`](Self::open).
    ///
    /// # Errors
    /// [`OpenError::OldSchema`] if it is older, and [`OpenError::Unreachable`].
    pub async fn demand_schema(&self, settings: &Database) -> Result<(), OpenError> {
        let newest = async || {
            let mut connection = self.requests.tentative().await?;
            let newest = newest_migration_if_any(&mut connection).await;
            let newest = newest.map_err(|error| self.servers.explain_chosen(&error))?;
            connection.finish().await.map_err(|error| self.servers.explain_chosen(&error))?;
            Ok(newest)
        };
        let found = retry_for(settings.connect_timeout, newest).await?;
        let needed = newest_known_migration();
        if found < needed { Err(OpenError::OldSchema { found, needed }) } else { Ok(()) }
    }
}

/// The schema that a replica begins with.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The newest migration that was applied; 0 for none.
    pub newest: i64,
    /// Whether that is as new as this program.
    pub fits: bool,
}

/// The schema from the service's point of view.
enum SchemaState {
    /// Current, with this newest migration.
    Good(i64),
    Older {
        found: i64,
        needed: i64,
    },
    /// These rights are missing.
    Forbidden(String),
}

async fn schema_state(connection: &mut PgConnection) -> Result<SchemaState, sqlx::Error> {
    let Seen { found, needed, missing_rights } = seen(connection).await?;
    Ok(match (found, missing_rights) {
        (_, Some(rights)) => SchemaState::Forbidden(rights),
        (found, None) if found < Some(needed) => SchemaState::Older { found: found.unwrap_or(0), needed },
        (found, None) => SchemaState::Good(found.unwrap_or(needed)),
    })
}

/// What the session's role sees of the schema.
pub(super) struct Seen {
    /// The newest migration that was applied, 0 for none. `None` if the role may not ask.
    pub(super) found: Option<i64>,
    /// The newest migration of this program.
    pub(super) needed: i64,
    /// The rights that the role lacks. Nothing, if the schema is older: migrating grants them, too.
    pub(super) missing_rights: Option<String>,
}

pub(super) async fn seen(connection: &mut PgConnection) -> Result<Seen, sqlx::Error> {
    let needed = newest_known_migration();
    let missing = rights::missing(connection).await?;
    let found = match newest_migration_if_any(connection).await {
        // A schema that may not be used looks like an empty one, in which nothing could be missing.
        Ok(0) if missing.is_some() => None,
        Ok(found) => Some(found),
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == INSUFFICIENT_PRIVILEGE) => None,
        Err(error) => return Err(error),
    };
    let is_older = found.is_some_and(|found| found < needed);
    Ok(Seen { found, needed, missing_rights: missing.filter(|_| !is_older) })
}

/// What to do where a role lacks rights.
pub fn how_to_grant(role: &str) -> String {
    format!(
        "Run `keyward migrate` with database.migrate_url, which grants it what it needs, or as the owner of the tables: SELECT \
         grant_to_service('{role}')"
    )
}

fn why_not_migrated(error: &MigrateError, servers: &Servers) -> ConnectFailure {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => servers.explain_chosen(error),
        MigrateError::VersionMismatch(number) => ConnectFailure::for_good(format!(
            "the database has another migration {number} than this program: a different build has made it. Start that build, or \
             let database.url name another database"
        )),
        MigrateError::Dirty(number) => ConnectFailure::for_good(format!(
            "migration {number} was begun and not finished. Restore the database from before it, or ask for help with what it says \
             in _sqlx_migrations"
        )),
        other => ConnectFailure::for_good(format!("the migrations could not be applied: {other}")),
    }
}

/// The newest applied migration; 0 for none.
async fn newest_migration_if_any(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    // The table does not exist before the first migration.
    let query = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
    let was_migrated: bool = query.fetch_one(&mut *connection).await?;
    if was_migrated { newest_migration(connection).await } else { Ok(0) }
}

async fn newest_migration(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    // Not a checked query: the table belongs to the migrator, not to the schema.
    let query = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success");
    query.fetch_one(connection).await
}

async fn bring_up_to_date(
    connection: &mut PgConnection,
    service: Option<String>,
    audit: &Audit,
) -> Result<(), MigrateError> {
    // Migrations may take any time; the session's timeout is meant for the service's statements.
    sqlx::query!("SELECT set_config('statement_timeout', '0', false)").fetch_one(&mut *connection).await?;
    // The same as `run`, whose future the compiler does not recognise as `Send`.
    MIGRATIONS.run_direct(None, &mut *connection, false).await?;
    let keep = audit.retention.map(|span| PgInterval {
        months: 0,
        days: i32::try_from(span.as_secs() / 86_400).unwrap_or(i32::MAX),
        microseconds: 0,
    });
    // Only one replica at a time, because a table can't be created twice.
    let mut transaction = connection.begin().await?;
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('keyward audit'))").execute(&mut *transaction).await?;
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
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == LOCK_NOT_AVAILABLE) => {
            tracing::warn!(
                %error,
                "audit_events is locked, perhaps by a backup: partitions were neither created nor dropped. The service \
                 tries again while it runs; or run `keyward migrate` once the lock is released"
            );
        }
        result => result?,
    }
    Ok(transaction.commit().await?)
}

/// All or nothing, in a nested transaction.
async fn maintain_audit(connection: &mut PgConnection, keep: Option<PgInterval>) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    limit_lock_waits(&mut transaction).await?;
    sqlx::query!("SELECT maintain_audit_events($1)", keep).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Limits the wait for locks on the audit's tables within this transaction.
pub(super) async fn limit_lock_waits(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let limit = format!("{AUDIT_LOCK_TIMEOUT_MS}ms");
    sqlx::query!("SELECT set_config('lock_timeout', $1, true)", limit).fetch_one(connection).await.map(drop)
}

#[async_trait]
impl Health for Store {
    /// A superseded server could answer too, but it can't commit as its standby requires.
    async fn is_ready(&self) -> Result<bool, StoreError> {
        let work = async {
            let mut read = self.requests.tentative().await?;
            let newest = newest_migration_if_any(&mut read).await?;
            read.prove().await?;
            Ok(newest >= newest_known_migration())
        };
        self.within_deadline(Statement::Ready, work).await
    }
}

fn newest_known_migration() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}
