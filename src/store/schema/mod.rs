//! The schema: checking its version, and migrating it.
//!
//! - `applied`: which migrations there are, and whether they are Keyward's
//! - `migrating`: bringing it up to date
//! - `owner`: the role that does so, and whether it works where the service does
//! - `waits`: the locks that it waits for

mod applied;
mod migrating;
mod owner;
mod waits;

use std::sync::LazyLock;

pub use self::{migrating::Migrated, owner::OwnerExamination};
use async_trait::async_trait;
use sqlx::{PgConnection, migrate::Migrator};

use super::{
    Statement, Store,
    connections::{
        failure::ConnectFailure,
        opening::{OpenError, retry_for},
    },
    rights,
};
use crate::{
    config::{Audit, Database},
    domain::{
        escape::sql_text,
        ports::{StoreError, health::Health},
    },
};

/// The migrations, embedded in the program. Unknown migrations belong to a newer version of Keyward. This version must
/// be able to start and serve beside it, while replicas are replaced one by one, and after a downgrade.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!();
    migrations.set_ignore_missing(true);
    // The lock is taken here, once for all attempts.
    migrations.set_locking(false);
    migrations
});

/// How long migrations, and the maintenance of the audit's partitions, wait for a lock on the whole of a table. Everybody
/// who uses it queues behind them, so this must be far shorter than the time limit of a statement and than a lease.
const LOCK_TIMEOUT_MS: u32 = 300;

/// PostgreSQL's code for a missing right.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

impl Store {
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
                if settings.migrate_url.is_some() && !settings.migrate_on_start {
                    self.demand_one_place_if_known(settings).await?;
                }
                tracing::warn!(
                    found,
                    needed,
                    "the database's schema is older than this program: not ready until `keyward migrate` is run"
                );
                Ok(Schema { newest: found, fits: false })
            }
            SchemaState::Forbidden(rights) => {
                Err(ConnectFailure::for_good(format!("database.url: the role {role} lacks rights: {rights}"))
                    .remedied(how_to_grant(role))
                    .into())
            }
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
            let newest = applied::newest_if_any(&mut connection).await;
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
    let found = match applied::newest_if_any(connection).await {
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
         grant_to_service({})",
        sql_text(role)
    )
}

/// Limits the wait for locks on the audit's tables within this transaction.
pub(super) async fn limit_lock_waits(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    set_lock_timeout(connection, LOCK_TIMEOUT_MS).await
}

/// Limits the wait for any lock within this transaction; 0 for no limit.
async fn set_lock_timeout(connection: &mut PgConnection, milliseconds: u32) -> Result<(), sqlx::Error> {
    let limit = format!("{milliseconds}ms");
    sqlx::query!("SELECT set_config('lock_timeout', $1, true)", limit).fetch_one(connection).await.map(drop)
}

#[async_trait]
impl Health for Store {
    /// A superseded server could answer too, but it can't commit as its standby requires.
    async fn is_ready(&self) -> Result<bool, StoreError> {
        let work = async {
            let mut read = self.requests.tentative().await?;
            let newest = applied::newest_if_any(&mut read).await?;
            read.prove().await?;
            Ok(newest >= newest_known_migration())
        };
        self.within_deadline(Statement::Ready, work).await
    }
}

fn newest_known_migration() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}
