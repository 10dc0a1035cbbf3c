//! A second PostgreSQL server that follows a first one, and may take its place.

use std::process::Command;

use keyward_local_postgres::{programs::Programs, server_user::ServerUser};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    cluster::Cluster,
    database::execute,
    eventually,
    private_cluster::{PrivateCluster, blocking},
};

/// Two servers, the second of which follows the first and is waited for.
pub struct Servers {
    pub primary: PrivateCluster,
    pub standby: PrivateCluster,
}

impl Servers {
    /// Both, with one database that has all migrations applied.
    pub async fn start(database: &str) -> Self {
        let primary = PrivateCluster::start().await;
        primary.create_migrated_database(database).await;
        let standby = primary.start_standby().await;
        primary.wait_for_standbys("*").await;
        Self { primary, standby }
    }
}

impl PrivateCluster {
    /// A copy of this server that follows it, as a hot standby. Nobody waits for it yet.
    pub async fn start_standby(&self) -> Self {
        let primary = self.url("postgres");
        blocking(move || {
            let folder = Cluster::get().new_folder().unwrap_or_else(|error| panic!("{error}"));
            let programs = Programs::find().unwrap_or_else(|error| panic!("{error}"));
            let user = ServerUser::choose().unwrap_or_else(|error| panic!("{error}"));
            let mut backup = Command::new(programs.path("pg_basebackup"));
            user.become_in(&mut backup);
            backup.current_dir(&folder).args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"]);
            backup.args(["--no-sync", "--dbname", &primary, "--pgdata"]).arg(folder.join("postgres"));
            let copied = backup.output().expect("pg_basebackup runs");
            assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
            Self::start_in(folder)
        })
        .await
    }

    /// From now on each commit on this server waits for these of its standbys (`synchronous_standby_names`), and so it
    /// does when it is started again.
    pub async fn wait_for_standbys(&self, names: &str) {
        self.run(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'")).await;
        self.run("SELECT pg_reload_conf()").await;
        self.until("SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')").await;
    }

    /// This server, a standby, becomes a primary that waits for nobody.
    pub async fn promote(&self) {
        self.run("SELECT pg_promote()").await;
        self.run("ALTER SYSTEM SET synchronous_standby_names = ''").await;
        self.run("SELECT pg_reload_conf()").await;
        self.until("SELECT current_setting('synchronous_standby_names') = ''").await;
    }

    /// Lets this server, a standby, take what the primary sends, and show none of it.
    pub async fn pause_replay(&self) {
        self.run("SELECT pg_wal_replay_pause()").await;
        self.until("SELECT pg_get_wal_replay_pause_state() = 'paused'").await;
    }

    /// Waits until this server, a standby, shows all that its primary has written until now.
    pub async fn catch_up(&self, primary: &Self) {
        let end: String = primary.ask("SELECT pg_current_wal_flush_lsn()::text").await;
        self.until(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'")).await;
    }

    async fn run(&self, statement: &str) {
        let done = execute(&self.url("postgres"), statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// What one statement says.
    pub async fn ask<T>(&self, query: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.expect("the server answers");
        let answer = sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut connection).await;
        let answer = answer.unwrap_or_else(|error| panic!("{query}: {error}"));
        connection.close().await.expect("closed");
        answer
    }

    async fn until(&self, condition: &str) {
        eventually(condition, async || self.ask(condition).await).await;
    }
}
