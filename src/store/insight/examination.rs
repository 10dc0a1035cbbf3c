//! What `keyward doctor` asks a database.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Statement;
use crate::{
    domain::ports::StoreError,
    store::{OpenError, Store, schema},
};

/// Has the form of a hash, and is that of no secret.
const HASH_OF_NOTHING: &str =
    "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A limit on connections, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimit {
    /// What limits them: the server, the database or the role.
    pub of: String,
    /// Connections that are open now, apart from the one that asks.
    pub open: i64,
    /// How many there may be, without those that are reserved for others.
    pub most: i64,
    /// Connections of our role, whatever limits them, apart from the one that asks.
    pub ours: i64,
}

/// What a database says of itself and of our role.
#[derive(Clone, Debug)]
pub struct Examination {
    /// The database and its server.
    pub database: String,
    /// The version, as people write it.
    pub version: String,
    /// The same as a number: 150004 is 15.4.
    pub version_number: i32,
    /// Our role.
    pub role: String,
    /// Whether our role may do anything.
    pub is_superuser: bool,
    /// Whether every role of the server may connect to this database.
    pub strangers_may_connect: bool,
    /// Whether transactions are read-only unless they say otherwise.
    pub is_read_only: bool,
    /// The newest migration that was applied; 0 for none. `None` if our role may not ask.
    pub schema: Option<i64>,
    /// The newest migration of this program.
    pub schema_needed: i64,
    /// The rights in the schema that our role lacks, if there are any.
    pub missing_rights: Option<String>,
    /// `synchronous_commit` of our sessions.
    pub synchronous_commit: String,
    /// `synchronous_standby_names`: empty if commits wait for nobody.
    pub synchronous_standbys: String,
    /// The standbys that follow now. `None` if our role may not see them.
    pub standbys: Option<i64>,
    /// The limit on connections that leaves the least room.
    pub connections: ConnectionLimit,
    /// The part of the queue of notifications that is used, from 0 to 1.
    pub notification_queue: f64,
    /// How long the oldest transaction has been open, of those that our role may see.
    pub oldest_transaction: Duration,
    /// Whether our role may see the transactions of other roles.
    pub sees_all_transactions: bool,
    /// How far the database's clock is ahead of this machine's, in seconds.
    pub clock_ahead: f64,
    /// How much of that may be the time of the question, in seconds.
    pub clock_uncertainty: f64,
}

impl Examination {
    /// Whether the schema is as new as this program, as far as our role may see.
    pub fn has_schema(&self) -> bool {
        self.schema.is_none_or(|found| found >= self.schema_needed)
    }
}

impl Store {
    /// Connects once to each configured address, and asks the primary.
    ///
    /// # Errors
    /// [`OpenError`], with what to do.
    pub async fn examine(&self) -> Result<Examination, OpenError> {
        let mut connection = self.reach().await?;
        let examined = self.ask(&mut connection).await;
        // What comes next may need the only one that there is.
        let _ = connection.close().await;
        examined.map_err(|error| self.servers.explain_chosen(&error).into())
    }

    async fn ask(&self, connection: &mut PgConnection) -> Result<Examination, sqlx::Error> {
        let schema = schema::seen(connection).await?;
        let (before, asked) = (OffsetDateTime::now_utc(), Instant::now());
        let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&mut *connection).await?;
        let took = asked.elapsed();
        // Sessions of other roles hide when their transactions began, except from roles that may read all.
        let query = sqlx::query!(
            r#"SELECT current_setting('server_version') AS "version!",
                      current_setting('server_version_num')::integer AS "version_number!",
                      current_user::text AS "role!",
                      (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS "is_superuser!",
                      has_database_privilege('public', current_database(), 'CONNECT') AS "strangers_may_connect!",
                      current_setting('default_transaction_read_only') = 'on' AS "is_read_only!",
                      current_setting('synchronous_commit') AS "synchronous_commit!",
                      current_setting('synchronous_standby_names') AS "synchronous_standbys!",
                      CASE WHEN pg_has_role('pg_monitor', 'USAGE') THEN (SELECT count(*) FROM pg_stat_replication) END
                          AS standbys,
                      pg_notification_queue_usage() AS "notification_queue!",
                      (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8
                       FROM pg_stat_activity) AS "oldest_transaction!",
                      pg_has_role('pg_read_all_stats', 'USAGE') AS "sees_all_transactions!""#
        );
        let row = query.fetch_one(&mut *connection).await?;
        let connections = tightest_limit(connection).await?;
        Ok(Examination {
            database: self.servers.shown(),
            version: row.version,
            version_number: row.version_number,
            role: row.role,
            is_superuser: row.is_superuser,
            strangers_may_connect: row.strangers_may_connect,
            is_read_only: row.is_read_only,
            schema: schema.found,
            schema_needed: schema.needed,
            missing_rights: schema.missing_rights,
            synchronous_commit: row.synchronous_commit,
            synchronous_standbys: row.synchronous_standbys,
            standbys: row.standbys,
            connections,
            notification_queue: row.notification_queue,
            oldest_transaction: Duration::try_from_secs_f64(row.oldest_transaction).unwrap_or_default(),
            sees_all_transactions: row.sees_all_transactions,
            clock_ahead: (now - before).as_seconds_f64() - took.as_secs_f64() / 2.0,
            clock_uncertainty: took.as_secs_f64() / 2.0,
        })
    }

    /// How long a commit takes that is as durable as a change.
    ///
    /// # Errors
    /// [`StoreError`] if the server did not commit in time.
    pub async fn time_commit(&self) -> Result<Duration, StoreError> {
        let work = async {
            let connection = self.requests.tentative().await?;
            let begun = Instant::now();
            connection.prove().await?;
            Ok(begun.elapsed())
        };
        self.within_deadline(Statement::Examine, work).await
    }
}

impl Store {
    /// Writes a key as a change would, and undoes it.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be written.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        let work = async {
            let mut connection = self.requests.tentative().await?;
            connection.begin().await?;
            // Not checked queries: they have no columns. The connection is kept, as there may be only this one.
            sqlx::query("SAVEPOINT before").execute(&mut *connection).await?;
            let query = sqlx::query!(
                "INSERT INTO api_keys (id, issuer, subject, environment, secret_hash, created_at, updated_at)
                 VALUES ($1, '', 'keyward doctor', 'test', $2, now(), now())",
                Uuid::now_v7(),
                HASH_OF_NOTHING,
            );
            query.execute(&mut *connection).await?;
            sqlx::query("ROLLBACK TO SAVEPOINT before").execute(&mut *connection).await?;
            Ok(connection.finish().await?)
        };
        self.within_deadline(Statement::Examine, work).await
    }
}

/// Of the limits of the server, the database and the role, the one that leaves the least room.
async fn tightest_limit(connection: &mut PgConnection) -> Result<ConnectionLimit, sqlx::Error> {
    // Sessions of other roles hide what they are. Clients have a database and a role; the server's own processes lack
    // one of them. Superusers are subject to the server's limit alone.
    let query = sqlx::query_as!(
        ConnectionLimit,
        r#"WITH us AS (SELECT oid, rolname, rolsuper, rolconnlimit FROM pg_roles WHERE rolname = current_user),
                sessions AS (SELECT datid, usesysid FROM pg_stat_activity
                             WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND pid <> pg_backend_pid()
                               AND coalesce(backend_type, 'client backend') = 'client backend'),
                limits AS (SELECT 'the server' AS of, (SELECT count(*) FROM sessions) AS open,
                                  current_setting('max_connections')::bigint
                                  - current_setting('superuser_reserved_connections')::bigint
                                  - coalesce(current_setting('reserved_connections', true), '0')::bigint AS most
                           UNION ALL
                           SELECT 'the database ' || datname,
                                  (SELECT count(*) FROM sessions WHERE datid = pg_database.oid), datconnlimit
                           FROM pg_database, us WHERE datname = current_database() AND datconnlimit >= 0 AND NOT rolsuper
                           UNION ALL
                           SELECT 'the role ' || rolname, (SELECT count(*) FROM sessions WHERE usesysid = us.oid), rolconnlimit
                           FROM us WHERE rolconnlimit >= 0 AND NOT rolsuper)
           SELECT of AS "of!", open AS "open!", most AS "most!",
                  (SELECT count(*) FROM sessions, us WHERE usesysid = us.oid) AS "ours!"
           FROM limits ORDER BY most - open LIMIT 1"#
    );
    query.fetch_one(connection).await
}
