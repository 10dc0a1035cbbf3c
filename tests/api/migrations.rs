//! How the schema comes into a database, and that it does so once.

use std::{
    collections::HashSet,
    process::{Command, Stdio},
};

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row};
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{SHORT_LEASE, changes_are_confirmed_by, replica_with},
    client, database, eventually,
    program::{Ended, run_beside},
    replica::{Output, Replica, command, exit_code, signal},
};
use time::OffsetDateTime;

fn migrate(database: &TestDatabase) -> Command {
    let mut command = command();
    command.arg("migrate").env("DATABASE_URL", database.url());
    command
}

/// What `pg_catalog` says of our tables: columns, constraints and indexes, as text.
async fn schema(database: &TestDatabase) -> Vec<String> {
    let mut connection = PgConnection::connect(database.url()).await.expect("the database answers");
    let rows = sqlx::query(
        "SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
                || coalesce(column_default, '') AS line
         FROM information_schema.columns WHERE table_schema = 'public'
         UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
         FROM pg_constraint WHERE connamespace = 'public'::regnamespace
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
         UNION ALL SELECT version || ' ' || description || ' ' || success || ' ' || encode(checksum, 'hex')
         FROM _sqlx_migrations
         ORDER BY 1",
    );
    let rows = rows.fetch_all(&mut connection).await.expect("the catalogue");
    rows.iter().map(|row| row.get("line")).collect()
}

#[tokio::test]
async fn migrate_prepares_an_empty_database_and_does_nothing_more_when_repeated() {
    let (empty, reference) = (TestDatabase::empty().await, database().await);
    let mut pool = PgConnection::connect(reference.url()).await.expect("the database answers");
    let (all, newest): (i64, i64) = sqlx::query_as("SELECT count(*), max(version) FROM _sqlx_migrations")
        .fetch_one(&mut pool)
        .await
        .expect("a row");
    let first = format!("Applied {all} migrations: the schema is at migration {newest}.\n");
    let again = format!("The schema is up to date, at migration {newest}.\n");
    for expected in [first, again] {
        let told = run_beside(migrate(&empty)).await.succeeded();
        assert_eq!(told, expected);
        assert_eq!(schema(&empty).await, schema(&reference).await);
    }
}

#[tokio::test]
async fn four_processes_that_migrate_an_empty_database_at_once_all_succeed() {
    let (empty, reference) = (TestDatabase::empty().await, database().await);
    let run = || async { run_beside(migrate(&empty)).await };
    let (a, b, c, d) = tokio::join!(run(), run(), run(), run());
    let told = [a, b, c, d].map(test_support::program::Ended::succeeded);
    // Each counts its own.
    assert_eq!(told.iter().filter(|told| told.starts_with("Applied ")).count(), 1, "{told:?}");
    assert_eq!(schema(&empty).await, schema(&reference).await);
}

#[tokio::test]
async fn three_replicas_that_start_on_an_empty_database_at_once_all_serve() {
    let empty = TestDatabase::empty().await;
    let start = || Replica::start_on(empty.url(), &[]);
    let (a, b, c) = tokio::join!(start(), start(), start());
    let holder = Person::named("alice").makes_a_key(&a).await;
    for replica in [&a, &b, &c] {
        assert_eq!(holder.asks_for_the_resource(replica).await.status(), 200);
    }
}

#[tokio::test]
async fn a_replica_that_may_not_migrate_is_unready_until_somebody_has() {
    let empty = TestDatabase::empty().await;
    let replica = Replica::start_on(empty.url(), &[("KEYWARD__DATABASE__MIGRATE_ON_START", "false")]).await;
    let ready = async || client::get(replica.url("/readyz")).await.expect("an answer").status() == 200;
    assert!(!ready().await);
    run_beside(migrate(&empty)).await.succeeded();
    eventually("ready", ready).await;
}

/// How many connections of Keyward have been waiting for a lock for as long as that.
async fn waiting_for_a_lock(observer: &PgPool, as_long_as: &str) -> i64 {
    let count = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'keyward%' AND wait_event_type = 'Lock'
           AND query_start < clock_timestamp() - $1::interval",
    );
    count.bind(as_long_as).fetch_one(observer).await.expect("a count")
}

/// A migration waits for somebody else's lock, again and again, a second one for the first one's, both longer than any
/// statement of ours may otherwise take.
#[tokio::test]
async fn neither_a_slow_migration_nor_the_wait_for_it_is_cut_by_the_statement_timeout() {
    let empty = TestDatabase::empty().await;
    let mut other = PgConnection::connect(empty.url()).await.expect("the database answers");
    let mut transaction = other.begin().await.expect("a transaction");
    sqlx::query("CREATE TABLE api_keys (in_the_way int)").execute(&mut *transaction).await.expect("a table");

    let run = || {
        let mut command = migrate(&empty);
        command.env("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "50ms");
        tokio::spawn(run_beside(command))
    };
    let (first, second) = (run(), run());
    let observer = empty.superuser_pool().await;
    eventually("both wait for a lock for longer than the timeout", async || {
        assert!(!first.is_finished() && !second.is_finished(), "one was cut");
        waiting_for_a_lock(&observer, "100 ms").await == 2
    })
    .await;
    transaction.rollback().await.expect("out of the way");
    for ended in [first, second] {
        let ended: Ended = ended.await.expect("it ended");
        ended.succeeded();
    }
}

/// Whoever holds a lock for ever would otherwise be searched for in vain.
#[tokio::test]
async fn who_waits_for_a_migration_says_for_whom_and_so_does_who_waits_to_begin_one() {
    let empty = TestDatabase::empty().await;
    let mut other = PgConnection::connect(empty.url()).await.expect("the database answers");
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut other).await.expect("a number");
    let mut transaction = other.begin().await.expect("a transaction");
    sqlx::query("CREATE TABLE api_keys (in_the_way int)").execute(&mut *transaction).await.expect("a table");
    let mut both: Vec<_> = (0..2)
        .map(|_| {
            let mut serve = command();
            serve.arg("serve").env("DATABASE_URL", empty.url()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut process = serve.spawn().expect("keyward starts");
            let output = Output::collect(&mut process);
            (process, output)
        })
        .collect();
    let mut lines = Vec::new();
    for (_, output) in &both {
        lines.push(output.line_with("waits for a lock").await);
    }
    lines.sort_by_key(|line| !line.contains(&format!("process {pid}, ")));
    assert!(lines[0].contains("a migration waits for a lock"), "{lines:#?}");
    assert!(lines[0].contains(&format!("process {pid}, role postgres, ")), "{lines:#?}");
    assert!(lines[1].contains("bringing the schema up to date waits for a lock"), "{lines:#?}");
    assert!(lines[1].contains("application keyward/") && !lines[1].contains(&format!("process {pid}, ")), "{lines:#?}");
    transaction.rollback().await.expect("out of the way");
    for (process, output) in &mut both {
        output.line_with("Server running on port").await;
        signal(process.id(), "TERM");
        assert_eq!(exit_code(process, output).await, Some(0));
    }
}

#[tokio::test]
async fn a_replica_that_waits_for_a_migration_ends_when_told_to() {
    let empty = TestDatabase::empty().await;
    let mut other = PgConnection::connect(empty.url()).await.expect("the database answers");
    let mut transaction = other.begin().await.expect("a transaction");
    sqlx::query("CREATE TABLE api_keys (in_the_way int)").execute(&mut *transaction).await.expect("a table");
    let observer = empty.superuser_pool().await;
    for name in ["TERM", "INT"] {
        let mut serve = command();
        serve.arg("serve").env("DATABASE_URL", empty.url()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = serve.spawn().expect("keyward starts");
        let output = Output::collect(&mut process);
        eventually("it waits", async || waiting_for_a_lock(&observer, "0").await == 1).await;
        signal(process.id(), name);
        assert_eq!(exit_code(&mut process, &output).await, Some(0), "{name}");
        // PostgreSQL does not notice by itself that a client which waits for a lock has gone.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name LIKE 'keyward%'";
        sqlx::query(end).execute(&observer).await.expect("ended");
        eventually("gone", async || waiting_for_a_lock(&observer, "0").await == 0).await;
    }
}

#[tokio::test]
async fn a_statement_that_is_no_migration_is_cut_by_the_statement_timeout() {
    let replica = Replica::start_with(&[("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "100ms")]).await;
    let mut other = PgConnection::connect(replica.database().url()).await.expect("the database answers");
    let mut transaction = other.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE api_keys").execute(&mut *transaction).await.expect("a lock");
    let answer = Person::named("alice").asks_for_a_key(&replica).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    // On the server too: no statement is left there to pile up.
    let observer = replica.database().superuser_pool().await;
    eventually("the statement has ended", async || waiting_for_a_lock(&observer, "0").await == 0).await;
    transaction.rollback().await.expect("out of the way");
    Person::named("alice").makes_a_key(&replica).await;
}

/// A backup reads for hours. Whoever waits behind it for the whole table holds up everybody who comes later.
#[tokio::test]
async fn a_long_reader_of_the_audit_holds_up_neither_a_start_nor_a_revoke() {
    let replica = replica_with(&[("KEYWARD__LOG__LEVEL", "info,keyward::auth::housekeeping=debug")]).await;
    // It sees to the months by itself, and not again within the hour.
    replica.prints("the audit's partitions are up to date").await;
    let url = replica.database().url();
    let rows = replica.database().superuser_pool().await;
    let newest = "SELECT max(relname::text) FROM pg_class WHERE relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'";
    let newest: String = sqlx::query_scalar(newest).fetch_one(&rows).await.expect("a name");
    sqlx::query(AssertSqlSafe(format!("DROP TABLE {newest}"))).execute(&rows).await.expect("dropped");
    let is_made = async || {
        let found = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(&newest).fetch_one(&rows).await;
        found.expect("a row")
    };
    let alice = Person::named("alice");
    let (first, second) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let mut reader = rows.begin().await.expect("a transaction");
    sqlx::query("SELECT count(*) FROM audit_events").execute(&mut *reader).await.expect("read");

    let start = Replica::start_on(url, &[]);
    let (other, revoked) = tokio::join!(start, async { alice.deletes(&replica, &first.path()).await });
    revoked.is(200);
    other.prints("audit_events").await;
    assert_eq!(client::get(other.url("/readyz")).await.expect("an answer").status(), 200);
    alice.deletes(&other, &second.path()).await.is(200);
    let told = run_beside(migrate(replica.database())).await;
    assert!(told.stderr.contains("keyward migrate"), "{told:#?}");
    assert!(told.succeeded().starts_with("The schema is up to date, at migration "));
    let made: bool = is_made().await;
    assert!(!made);

    reader.rollback().await.expect("out of the way");
    run_beside(migrate(replica.database())).await.succeeded();
    assert!(is_made().await);
}

/// Whatever waits for the whole of a table holds up everybody who comes later, heartbeats among them.
#[tokio::test]
async fn a_migration_that_waits_behind_a_backup_costs_no_replica_its_lease_and_is_done_when_the_backup_ends() {
    let replica = replica_with(&[]).await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    changes_are_confirmed_by(1, &replica).await;
    let rows = replica.database().superuser_pool().await;
    let undo = "DELETE FROM _sqlx_migrations WHERE version = 35";
    sqlx::query(undo).execute(&rows).await.expect("a migration to be applied");
    let mut backup = rows.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE replicas IN ACCESS SHARE MODE").execute(&mut *backup).await.expect("a lock");
    let holder: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *backup).await.expect("a number");

    let mut process =
        migrate(replica.database()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a start");
    let output = Output::collect(&mut process);
    let told = output.line_with("waits for a lock").await;
    assert!(told.contains("WARN") && told.contains(&format!("process {holder}, role postgres, ")), "{told}");
    assert!(told.contains("let it end first"), "{told}");
    let mut attempts = HashSet::new();
    eventually("three attempts, which take longer than a lease", async || {
        assert_eq!(key.status(&replica).await, 200);
        let began = "SELECT query_start FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))";
        let began = sqlx::query_scalar::<_, OffsetDateTime>(began).bind(holder);
        attempts.extend(began.fetch_all(&rows).await.expect("rows"));
        attempts.len() >= 3
    })
    .await;
    assert!(!replica.output().contains("lost the lease"), "{}", replica.output());

    // Not before: this replica writes the column that the migration adds.
    sqlx::query("ALTER TABLE replicas DROP COLUMN revision").execute(&mut *backup).await.expect("no such column");
    backup.commit().await.expect("the end of the backup");
    output.line_with("Applied 1 migration: ").await;
    assert_eq!(exit_code(&mut process, &output).await, Some(0));
    sqlx::query("SELECT revision FROM replicas").execute(&rows).await.expect("the column");
}

/// Everything else that it would try fails for the same cause.
#[tokio::test]
async fn a_replica_on_an_older_schema_says_that_once_and_begins_its_work_when_somebody_has_migrated() {
    let empty = TestDatabase::empty().await;
    let level = "info,keyward::startup=debug,keyward::auth::housekeeping=debug";
    let env = [SHORT_LEASE, ("KEYWARD__DATABASE__MIGRATE_ON_START", "false"), ("KEYWARD__LOG__LEVEL", level)];
    let replica = Replica::start_on(empty.url(), &env).await;
    let mut other = Replica::start_on(empty.url(), &env).await;
    for replica in [&replica, &other] {
        // Housekeeping begins two seconds after a start, and this is looked at each second.
        eventually("four looks", async || replica.output().matches("is still older than this program").count() >= 4)
            .await;
    }
    other.signal("TERM");
    assert_eq!(other.exit_code().await, Some(0));
    for output in [replica.output(), other.output()] {
        assert_eq!(output.matches("the database's schema is older than this program").count(), 1, "{output}");
        assert!(!output.contains("could not") && !output.contains("cannot"), "{output}");
    }
    run_beside(migrate(&empty)).await.succeeded();
    replica.prints("the database's schema is up to date: this replica begins its work").await;
    changes_are_confirmed_by(1, &replica).await;
    replica.prints("the audit's partitions are up to date").await;
}

/// Of an application that uses sqlx, too: its migrator would find ours among its own.
#[tokio::test]
async fn nothing_is_made_beside_the_migrations_of_another_program() {
    for (version, description) in [(20_260_101_120_000_i64, "users"), (1, "users"), (40, "api keys")] {
        let others = TestDatabase::empty().await;
        let pool = others.superuser_pool().await;
        let table = format!(
            "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz \
             NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL);
             INSERT INTO _sqlx_migrations VALUES ({version}, '{description}', now(), true, '', 0)"
        );
        sqlx::raw_sql(AssertSqlSafe(table)).execute(&pool).await.expect("the table");
        for word in ["migrate", "serve"] {
            let mut command = command();
            command.arg(word).env("DATABASE_URL", others.url());
            let message = run_beside(command).await.failed();
            for text in ["another program's", &version.to_string(), description, "of its own"] {
                assert!(message.contains(text), "{word}: {message}");
            }
        }
        let names = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'");
        let names: Vec<String> = names.fetch_all(&pool).await.expect("names");
        assert_eq!(names, ["_sqlx_migrations"]);
        // As new as this program it is only by its number.
        let replica = Replica::start_on(others.url(), &[("KEYWARD__DATABASE__MIGRATE_ON_START", "false")]).await;
        assert_eq!(client::get(replica.url("/readyz")).await.expect("an answer").status(), 503);
    }
    // What they have made beside each other before goes on until there is something to make.
    let mixed = database().await;
    let pool = mixed.superuser_pool().await;
    let newest = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations");
    let newest: i64 = newest.fetch_one(&pool).await.expect("a number");
    let row = "INSERT INTO _sqlx_migrations VALUES (20260101120000, 'users', now(), true, '', 0)";
    sqlx::query(row).execute(&pool).await.expect("a row");
    let told = run_beside(migrate(&mixed)).await.succeeded();
    assert_eq!(told, format!("The schema is up to date, at migration {newest}.\n"));
}

/// A row that only a newer Keyward knows: rolling back, or a rolling upgrade half-way.
#[tokio::test]
async fn an_older_keyward_starts_on_the_schema_of_a_newer_one() {
    let database = database().await;
    let mut connection = PgConnection::connect(database.url()).await.expect("the database answers");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'from the future', true, '', 0)";
    sqlx::query(newer).execute(&mut connection).await.expect("a row");
    let replica = Replica::start_on(database.url(), &[]).await;
    assert_eq!(client::get(replica.url("/readyz")).await.expect("an answer").status(), 200);
    Person::named("alice").makes_a_key(&replica).await;
}
