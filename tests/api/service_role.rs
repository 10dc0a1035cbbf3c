//! Two roles in the database: one owns the tables, and the other, by which the service works, cannot rewrite the audit.

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{KEYS, SHORT_LEASE, VERIFY},
    eventually,
    replica::Replica,
    unique,
};

/// A database that belongs to one role, and the addresses by which that one and another reach it.
pub(crate) struct TwoRoles {
    _database: TestDatabase,
    pub(crate) owner: (String, String),
    pub(crate) service: (String, String),
    pub(crate) as_superuser: PgConnection,
}

impl TwoRoles {
    /// The owner lets nobody call its functions unasked, as hardened servers have it.
    pub(crate) async fn make() -> Self {
        let database = TestDatabase::empty().await;
        let mut as_superuser = PgConnection::connect(database.url()).await.expect("a connection");
        let role = |kind: &str| {
            let name = format!("{kind}_{}", unique());
            assert!(database.url().contains("postgres@"), "{}", database.url());
            (name.clone(), database.url().replacen("postgres@", &format!("{name}@"), 1))
        };
        let (owner, service) = (role("owner"), role("service"));
        for statement in [
            format!("CREATE ROLE {} LOGIN", owner.0),
            format!("CREATE ROLE {} LOGIN", service.0),
            format!("GRANT CREATE ON SCHEMA public TO {}", owner.0),
            format!("ALTER DEFAULT PRIVILEGES FOR ROLE {} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", owner.0),
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut as_superuser).await.expect("done");
        }
        Self { _database: database, owner, service, as_superuser }
    }

    /// The same, with the schema.
    pub(crate) async fn migrated() -> Self {
        let roles = Self::make().await;
        let mut migrate = test_support::replica::command();
        migrate.arg("migrate").env("DATABASE_URL", &roles.service.1);
        migrate.env("KEYWARD__DATABASE__MIGRATE_URL", &roles.owner.1);
        test_support::program::run_beside(migrate).await.succeeded();
        roles
    }

    pub(crate) async fn drop_roles(mut self) {
        for statement in [
            format!("DROP OWNED BY {}, {} CASCADE", self.owner.0, self.service.0),
            format!("DROP ROLE {}, {}", self.owner.0, self.service.0),
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut self.as_superuser).await.expect("done");
        }
    }
}

#[tokio::test]
async fn a_service_of_little_power_works_completely_and_cannot_rewrite_the_audit() {
    let mut roles = TwoRoles::make().await;
    let env = [
        SHORT_LEASE,
        ("KEYWARD__DATABASE__MIGRATE_URL", roles.owner.1.as_str()),
        ("KEYWARD__LAST_USED__WRITE_EVERY", "1s"),
    ];
    let replica = Replica::start_on(&roles.service.1, &env).await;
    // A second start finds everything as it should be.
    let other = Replica::start_on(&roles.service.1, &env).await;
    let (alice, root) = (Person::named("alice"), Person::with_scopes("root", "keyward:admin keyward:verify"));

    let key = alice.creates(&replica, json!({ "metadata": { "team": "x" } })).await;
    key.is_everywhere(std::slice::from_ref(&other), 200).await;
    root.posts(&replica, VERIFY, json!({ "key": key.holder.key })).await.is(200);
    alice.patches(&replica, &key.path(), json!({ "name": "x" })).await.is(200);
    alice.posts(&replica, &format!("{}/disable", key.path()), json!({})).await.is(200);
    alice.posts(&replica, &format!("{}/enable", key.path()), json!({})).await.is(200);
    let new = test_support::asking::MadeKey::of(
        alice.posts(&replica, &format!("{}/rotate", key.path()), json!({ "gracePeriod": 60 })).await.is(201),
    );
    let once = alice.request(&replica, reqwest::Method::POST, KEYS).header("idempotency-key", "a");
    test_support::asking::Reply::to(once).await.is(201);
    root.posts(&replica, "/v1/admin/owners/AGFsaWNl/disable", json!({})).await.is(200);
    new.is_everywhere(std::slice::from_ref(&other), 401).await;
    root.posts(&replica, "/v1/admin/owners/AGFsaWNl/enable", json!({})).await.is(200);
    new.is_everywhere(std::slice::from_ref(&other), 200).await;
    // Twice: what is there already is written to as well.
    for _ in 0..2 {
        for tokens in [json!({ "issuer": "", "tokenId": "1" }), json!({ "issuer": "", "subject": "robot" })] {
            root.posts(&replica, "/v1/admin/tokens/revoke", tokens).await.is(200);
        }
    }
    eventually("the use is written", async || {
        alice.gets(&replica, &key.path()).await.is(200)["lastUsedAt"].is_string()
    })
    .await;
    assert_eq!(
        root.posts(&replica, "/v1/admin/keys/revoke", json!({ "owner": "AGFsaWNl" })).await.is(200)["revoked"],
        3
    );
    new.is_everywhere(std::slice::from_ref(&other), 401).await;
    let events = alice.gets(&replica, "/v1/audit?limit=100").await.is(200);
    assert_eq!(events["events"].as_array().map(Vec::len), Some(11));

    let old = "CREATE TABLE audit_events_2001_02 PARTITION OF audit_events
               FOR VALUES FROM ('2001-02-01 00:00:00+00') TO ('2001-03-01 00:00:00+00')";
    sqlx::query(old).execute(&mut roles.as_superuser).await.expect("an old month");
    cannot_rewrite_the_audit(&roles.service.1).await;
    is_forbidden(&roles.service.1, "SELECT maintain_audit_events(interval '1 day')").await;
    is_forbidden(&roles.service.1, "UPDATE audit_retention SET keep = interval '0'").await;
    drop((replica, other));
    roles.drop_roles().await;
}

/// Nor take away what keeps it from that.
pub(crate) async fn cannot_rewrite_the_audit(service: &str) {
    for statement in [
        "UPDATE audit_events SET action = 'x'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "DROP TABLE audit_events",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_events_are_final ON audit_events",
        "DELETE FROM audit_events_other",
        "SET session_replication_role = replica",
        "DELETE FROM api_keys",
        "CREATE TABLE mine ()",
    ] {
        is_forbidden(service, statement).await;
    }
}

/// The database refuses it for want of rights.
pub(crate) async fn is_forbidden(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let error = sqlx::query(statement).execute(&mut connection).await.expect_err(statement);
    let code = error.as_database_error().and_then(|error| error.code().map(String::from));
    assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    connection.close().await.expect("closed");
}

#[tokio::test]
async fn a_service_that_may_not_migrate_starts_once_somebody_has_migrated() {
    let roles = TwoRoles::migrated().await;
    let replica = Replica::start_on(&roles.service.1, &[("KEYWARD__DATABASE__MIGRATE_ON_START", "false")]).await;
    assert_eq!(Person::named("alice").makes_a_key(&replica).await.asks_for_the_resource(&replica).await.status(), 200);
    drop(replica);
    roles.drop_roles().await;
}

/// Without `migrate_on_start = false`.
#[tokio::test]
async fn a_service_that_may_not_migrate_starts_while_there_is_nothing_to_migrate_and_is_told_what_to_do_otherwise() {
    let mut roles = TwoRoles::migrated().await;
    let replica = Replica::start_on(&roles.service.1, &[]).await;
    replica.prints("the tables are another role's").await;
    assert_eq!(Person::named("alice").makes_a_key(&replica).await.asks_for_the_resource(&replica).await.status(), 200);
    let undo = "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    sqlx::query(undo).execute(&mut roles.as_superuser).await.expect("undone");
    let mut serve = test_support::replica::command();
    serve.arg("serve").env("DATABASE_URL", &roles.service.1);
    let message = test_support::program::run_beside(serve).await.failed();
    assert!(message.contains("set database.migrate_on_start = false and run `keyward migrate`"), "{message}");
    drop(replica);
    roles.drop_roles().await;
}

/// By a role that owns no table, and while nobody brings the schema up to date.
#[tokio::test]
async fn the_service_makes_the_audits_months_to_come_and_drops_those_that_the_retention_has_passed() {
    let mut roles = TwoRoles::make().await;
    let mut migrate = test_support::replica::command();
    migrate.arg("migrate").env("DATABASE_URL", &roles.service.1);
    migrate.env("KEYWARD__DATABASE__MIGRATE_URL", &roles.owner.1).env("KEYWARD__AUDIT__RETENTION", "7300d");
    test_support::program::run_beside(migrate).await.succeeded();
    // As if the last migration had been a year ago.
    let ahead = "SELECT relname::text FROM pg_class WHERE relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$' ORDER BY relname DESC LIMIT 1";
    let last: String = sqlx::query_scalar(ahead).fetch_one(&mut roles.as_superuser).await.expect("a month");
    for statement in [
        format!("DROP TABLE {last}"),
        "CREATE TABLE audit_events_2001_02 PARTITION OF audit_events
         FOR VALUES FROM ('2001-02-01 00:00:00+00') TO ('2001-03-01 00:00:00+00')"
            .to_owned(),
        "CREATE TABLE audit_events_2020_12 PARTITION OF audit_events
         FOR VALUES FROM ('2020-12-01 00:00:00+00') TO ('2021-01-01 00:00:00+00')"
            .to_owned(),
        format!("ALTER TABLE audit_events_2001_02 OWNER TO {}", roles.owner.0),
        format!("ALTER TABLE audit_events_2020_12 OWNER TO {}", roles.owner.0),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement.clone())).execute(&mut roles.as_superuser).await.expect("a change");
    }
    // What the service is told doesn't count: it must not be able to shorten it.
    let env = [("KEYWARD__DATABASE__MIGRATE_ON_START", "false"), ("KEYWARD__AUDIT__RETENTION", "30d")];
    let replica = Replica::start_on(&roles.service.1, &env).await;
    let exists = |table: &str| format!("SELECT to_regclass('{table}') IS NOT NULL");
    let asks = tokio::sync::Mutex::new(&mut roles.as_superuser);
    let is_there = async |table: &str| -> bool {
        let query = sqlx::AssertSqlSafe(exists(table));
        sqlx::query_scalar(query).fetch_one(&mut **asks.lock().await).await.expect("an answer")
    };
    test_support::eventually("the months", async || is_there(&last).await && !is_there("audit_events_2001_02").await)
        .await;
    assert!(is_there("audit_events_2020_12").await, "younger than 20 years");
    drop(replica);
    roles.drop_roles().await;
}
