//! Behind PgBouncer in transaction mode, with fewer connections to the server than there are connections to it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::AssertSqlSafe;
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{KEYS, MadeKey, Reply, SHORT_LEASE, VERIFY, changes_are_confirmed_by},
    client, eventually,
    pgbouncer::{PgBouncer, Program, pooled},
    program::run_beside,
    replica::{Replica, command},
    unique,
};

/// Three sessions for all replicas together.
const FEW: &str = "pool_mode = transaction\ndefault_pool_size = 3\nmax_prepared_statements = 100";

/// A pooler in front of a database, and how replicas find both.
pub(super) struct Behind {
    pub(super) database: TestDatabase,
    pub(super) pooler: PgBouncer,
    url: String,
}

impl Behind {
    /// `None` where the machine has no such PgBouncer.
    pub(super) async fn pgbouncer(database: TestDatabase, settings: &str) -> Option<Self> {
        let program = Program::that_keeps_statements()?;
        let pooler = PgBouncer::before(&program, database.url(), settings).await;
        let url = pooler.url(database.url());
        Some(Self { database, pooler, url })
    }

    pub(super) fn env(&self) -> [(&'static str, &str); 3] {
        pooled(&self.url, self.database.url())
    }

    pub(super) async fn replicas(&self) -> [Replica; 3] {
        let env = [&[SHORT_LEASE][..], &self.env()].concat();
        let start = || Replica::start_on(&self.url, &env);
        let replicas = tokio::join!(start(), start(), start());
        [replicas.0, replicas.1, replicas.2]
    }
}

#[tokio::test]
async fn when_a_revoke_returns_behind_a_pooler_no_replica_accepts_the_key() {
    let Some(behind) = Behind::pgbouncer(test_support::database().await, FEW).await else { return };
    let replicas = behind.replicas().await;
    changes_are_confirmed_by(3, &replicas[0]).await;
    let life_of_a_key = async |number: usize| {
        let person = Person::named(&format!("person {number}"));
        for round in 0..5 {
            let (home, other) = (&replicas[(number + round) % 3], &replicas[number % 3]);
            let key = person.creates(home, json!({ "name": format!("{number}, {round}") })).await;
            assert_eq!(key.body["name"], format!("{number}, {round}"));
            key.is_everywhere(&replicas, 200).await;
            person.deletes(other, &key.path()).await.is(200);
            key.is_everywhere(&replicas, 401).await;
        }
    };
    join_all((0..20).map(life_of_a_key)).await;
    let pool = behind.database.superuser_pool().await;
    let counts = "SELECT (SELECT count(*) FROM api_keys WHERE revoked_at IS NOT NULL),
                         (SELECT count(*) FROM audit_events WHERE action = 'key.revoked'),
                         (SELECT count(*) FROM pg_stat_activity
                          WHERE datname = current_database() AND backend_type = 'client backend')";
    let (revoked, events, sessions): (i64, i64, i64) =
        sqlx::query_as(counts).fetch_one(&pool).await.expect("the counts");
    assert!(revoked >= 100 && events == revoked, "{revoked} keys, {events} events");
    // Three of the pooler, one of each replica, and ours.
    assert!(sessions <= 8, "{sessions} sessions");
}

#[tokio::test]
async fn behind_a_pooler_all_of_keyward_works_as_ever() {
    let Some(behind) = Behind::pgbouncer(TestDatabase::empty().await, FEW).await else { return };
    let env = [&[SHORT_LEASE, ("KEYWARD__LAST_USED__WRITE_EVERY", "1s")][..], &behind.env()].concat();
    // It migrates past the pooler first.
    let replica = Replica::start_on(&behind.url, &env).await;
    let (alice, root) = (Person::named("alice"), Person::with_scopes("root", "keyward:admin keyward:verify"));
    let key = alice.creates(&replica, json!({ "metadata": { "team": "x" } })).await;
    root.posts(&replica, VERIFY, json!({ "key": key.holder.key })).await.is(200);
    alice.patches(&replica, &key.path(), json!({ "name": "x" })).await.is(200);
    assert_eq!(alice.gets(&replica, &key.path()).await.is(200)["name"], "x");
    alice.posts(&replica, &format!("{}/disable", key.path()), json!({})).await.is(200);
    assert_eq!(key.status(&replica).await, 401);
    alice.posts(&replica, &format!("{}/enable", key.path()), json!({})).await.is(200);
    assert_eq!(key.status(&replica).await, 200);
    let rotated = alice.posts(&replica, &format!("{}/rotate", key.path()), json!({ "gracePeriod": 60 })).await;
    let new = MadeKey::of(rotated.is(201));
    for status in [201, 200] {
        let once = alice.request(&replica, Method::POST, KEYS).header("idempotency-key", "a");
        Reply::to(once).await.is(status);
    }
    let page = alice.gets(&replica, &format!("{KEYS}?limit=10")).await.is(200);
    assert_eq!(page["keys"].as_array().map(Vec::len), Some(3), "{page}");
    root.posts(&replica, "/v1/admin/owners/AGFsaWNl/disable", json!({})).await.is(200);
    assert_eq!(new.status(&replica).await, 401);
    root.posts(&replica, "/v1/admin/owners/AGFsaWNl/enable", json!({})).await.is(200);
    assert_eq!(new.status(&replica).await, 200);
    let mut hashes = command();
    hashes.args(["keys", "hashes"]).envs(behind.env());
    assert!(run_beside(hashes).await.succeeded().contains("m=1024"));
    let mut doctor = command();
    doctor.arg("doctor").envs(behind.env());
    assert!(run_beside(doctor).await.succeeded().contains("a notification takes"));
    eventually("the last use is written", async || {
        alice.gets(&replica, &new.path()).await.is(200)["lastUsedAt"].is_string()
    })
    .await;
    assert!(!replica.output().contains("ERROR"), "{}", replica.last_output());
}

#[tokio::test]
async fn migrations_take_the_way_past_the_pooler() {
    let Some(behind) = Behind::pgbouncer(TestDatabase::empty().await, FEW).await else { return };
    let pool = behind.database.superuser_pool().await;
    // Through the pooler everybody is the superuser.
    let role = format!("past_{}", unique());
    let make = format!("CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}");
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&pool).await.expect("a role");
    let past = behind.database.url().replacen("postgres@", &format!("{role}@"), 1);
    let mut migrate = command();
    migrate.arg("migrate").envs(pooled(&behind.url, &past));
    run_beside(migrate).await.succeeded();
    let owner = sqlx::query_scalar("SELECT tableowner::text FROM pg_tables WHERE tablename = 'replicas'");
    let owner: String = owner.fetch_one(&pool).await.expect("a table");
    let drop = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&pool).await.expect("no role");
    assert_eq!(owner, role);
}

/// Each transaction that writes such a row tells which settings hold in it, and in its commit.
const WITNESS: &str = r#"
CREATE TABLE seen (source text, setting text, value text, UNIQUE (source, setting, value));
CREATE FUNCTION tell_settings() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen SELECT TG_NAME, name, setting FROM pg_settings
    WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'synchronous_commit',
                   'transaction_isolation', 'transaction_read_only', 'enable_seqscan', 'jit')
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER change AFTER INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION tell_settings();
CREATE CONSTRAINT TRIGGER commit AFTER INSERT ON api_keys DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION tell_settings();
CREATE CONSTRAINT TRIGGER heartbeat AFTER INSERT OR UPDATE ON replicas DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION tell_settings();
CREATE TRIGGER acknowledgement AFTER INSERT OR UPDATE ON acknowledgements
    FOR EACH ROW EXECUTE FUNCTION tell_settings();
"#;

#[tokio::test]
async fn behind_a_pooler_each_transaction_has_the_settings_that_keyward_relies_on() {
    let database = test_support::database().await;
    let pool = database.superuser_pool().await;
    sqlx::raw_sql(WITNESS).execute(&pool).await.expect("witnesses");
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&pool).await.expect("a name");
    // What the sessions of the pooler come with.
    for default in [
        "statement_timeout = '1h'",
        "lock_timeout = '50ms'",
        "idle_in_transaction_session_timeout = 0",
        "synchronous_commit = off",
        "default_transaction_isolation = 'repeatable read'",
        "jit = on",
    ] {
        let alter = format!("ALTER DATABASE {name} SET {default}");
        sqlx::query(AssertSqlSafe(alter)).execute(&pool).await.expect("a default");
    }
    let Some(behind) = Behind::pgbouncer(database, FEW).await else { return };
    let replicas = behind.replicas().await;
    changes_are_confirmed_by(3, &replicas[0]).await;
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT source, setting, value FROM seen").fetch_all(&pool).await.expect("rows");
    let mut seen: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (source, setting, value) in &rows {
        seen.entry((source, setting)).or_default().push(value);
    }
    for source in ["change", "commit", "heartbeat", "acknowledgement"] {
        let durably = if source == "acknowledgement" { "off" } else { "on" };
        // The server must not cancel a commit.
        let limit = if matches!(source, "commit" | "heartbeat") { "0" } else { "1000" };
        for (setting, value) in [
            ("statement_timeout", limit),
            ("lock_timeout", "0"),
            ("idle_in_transaction_session_timeout", "1000"),
            ("synchronous_commit", durably),
            ("transaction_isolation", "read committed"),
            ("transaction_read_only", "off"),
            ("enable_seqscan", "off"),
            ("jit", "off"),
        ] {
            assert_eq!(seen.get(&(source, setting)), Some(&vec![value]), "{source}: {setting} in {seen:?}");
        }
    }
}

/// An operator stops writes, or a provider does when the disk is full.
#[tokio::test]
async fn behind_a_pooler_checks_and_heartbeats_go_on_in_a_database_that_becomes_read_only() {
    // Sessions that begin later have the new default.
    let settings = format!("{FEW}\nserver_lifetime = 1");
    let Some(behind) = Behind::pgbouncer(test_support::database().await, &settings).await else { return };
    let direct = Replica::start_on(behind.database.url(), &[SHORT_LEASE]).await;
    let replica = Replica::start_on(&behind.url, &[&[SHORT_LEASE][..], &behind.env()].concat()).await;
    changes_are_confirmed_by(2, &direct).await;
    let alice = Person::named("alice");
    let key = alice.creates(&direct, json!({})).await;
    let pool = behind.database.superuser_pool().await;
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&pool).await.expect("a name");
    let alter = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    sqlx::query(AssertSqlSafe(alter)).execute(&pool).await.expect("a default");
    eventually("no changes", async || alice.posts(&replica, KEYS, json!({})).await.status == 503).await;
    let beaten = "SELECT max(heartbeat_at) FROM replicas WHERE address = $1";
    let beaten = async || -> time::OffsetDateTime {
        sqlx::query_scalar(beaten).bind(replica.address()).fetch_one(&pool).await.expect("a heartbeat")
    };
    let before = beaten().await;
    // By then no session is left of those before.
    eventually("heartbeats", async || beaten().await > before + std::time::Duration::from_secs(2)).await;
    assert_eq!(key.status(&replica).await, 200);
    assert_eq!(client::get(replica.url("/readyz")).await.expect("an answer").status(), 200);
    assert_eq!(alice.posts(&replica, KEYS, json!({})).await.status, 503);
    let revoked = alice.deletes(&direct, &key.path()).await.is(200);
    assert_eq!((&revoked["replicasConfirmed"], &revoked["replicasExpired"]), (&json!(2), &json!(0)), "{revoked}");
    assert_eq!(key.status(&replica).await, 401);
}
