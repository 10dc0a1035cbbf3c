//! What `keyward doctor` asks a database.

use std::time::{Duration, Instant};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::Statement;
use crate::{
    domain::ports::StoreError,
    store::{OpenError, Store, schema},
};

/// What a database says of itself and of our role.
#[derive(Clone, Debug)]
pub struct Examination {
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
    /// The newest migration that was applied; 0 for none.
    pub schema: i64,
    /// The newest migration of this program.
    pub schema_needed: i64,
    /// The tables that our role may not use, if there are any.
    pub unusable_tables: Option<String>,
    /// `synchronous_commit` of our sessions.
    pub synchronous_commit: String,
    /// `synchronous_standby_names`: empty if commits wait for nobody.
    pub synchronous_standbys: String,
    /// The standbys that follow now. `None` if our role may not see them.
    pub standbys: Option<i64>,
    /// Connections to the server now, and at most without those reserved for superusers.
    pub connections: (i64, i64),
    /// The part of the queue of notifications that is used, from 0 to 1.
    pub notification_queue: f64,
    /// How long the oldest transaction has been open.
    pub oldest_transaction: Duration,
    /// How far the database's clock is ahead of this machine's, in seconds.
    pub clock_ahead: f64,
    /// How much of that may be the time of the question, in seconds.
    pub clock_uncertainty: f64,
}

impl Store {
    /// Connects once to each configured address, and asks the primary.
    ///
    /// # Errors
    /// [`OpenError`], with what to do.
    pub async fn examine(&self) -> Result<Examination, OpenError> {
        let mut connection = self.reach().await?;
        let examined = self.ask(&mut connection).await;
        examined.map_err(|error| self.servers.explain_chosen(&error).into())
    }

    async fn ask(&self, connection: &mut PgConnection) -> Result<Examination, sqlx::Error> {
        let (schema, schema_needed, unusable_tables) = schema::seen(connection).await?;
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
                      (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS "connections!",
                      current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
                          AS "connections_max!",
                      pg_notification_queue_usage() AS "notification_queue!",
                      (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8
                       FROM pg_stat_activity) AS "oldest_transaction!""#
        );
        let row = query.fetch_one(&mut *connection).await?;
        Ok(Examination {
            version: row.version,
            version_number: row.version_number,
            role: row.role,
            is_superuser: row.is_superuser,
            strangers_may_connect: row.strangers_may_connect,
            is_read_only: row.is_read_only,
            schema,
            schema_needed,
            unusable_tables,
            synchronous_commit: row.synchronous_commit,
            synchronous_standbys: row.synchronous_standbys,
            standbys: row.standbys,
            connections: (row.connections, row.connections_max),
            notification_queue: row.notification_queue,
            oldest_transaction: Duration::try_from_secs_f64(row.oldest_transaction).unwrap_or_default(),
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
