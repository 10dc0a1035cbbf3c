//! What the schema tells the replicas, whoever makes the change.

use std::{sync::Arc, time::Duration};

use keyward::{
    auth::coherence::{Mark, RecordId},
    config::Database,
    domain::{
        api_key::KeyId,
        audit::Author,
        ledger::{ChangeContext, Reach},
        listing::KeyFilter,
        ports::{
            keys::{KeyStore, StoredHash},
            ledger::KeyLedger,
        },
        precondition::Preconditions,
        revocation::KeyRevocation,
        token::TokenRecords,
    },
    store::Store,
};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgListener};
use test_support::{TestDatabase, database, in_time};
use time::OffsetDateTime;
use uuid::Uuid;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const STRONGER: &str =
    "$argon2id$v=19$m=19456,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Sent last, so that what did not arrive before it was never sent.
const END: &str = "end of test";

/// A database with somebody who listens.
struct Schema {
    database: TestDatabase,
    rows: PgPool,
    listener: PgListener,
}

impl Schema {
    async fn new() -> Self {
        let database = database().await;
        let rows = database.superuser_pool().await;
        let mut listener = PgListener::connect(database.url()).await.expect("a connection");
        let [own, ..] = database.channels().await;
        listener.listen_all(["keyward", &own]).await.expect("listening");
        Self { database, rows, listener }
    }

    async fn run(&self, statement: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&self.rows).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    async fn add_keys(&self, count: u32) -> Vec<Uuid> {
        let ids: Vec<Uuid> = (0..count).map(|_| Uuid::now_v7()).collect();
        let insert = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
                      SELECT id, '', 'alice', 'live', now(), now(), $2 FROM unnest($1) AS id";
        sqlx::query(insert).bind(&ids).bind(HASH).execute(&self.rows).await.expect("rows");
        ids
    }

    /// What has been announced since the last call: the keys, or `*`. On the channel of the schema and on that of
    /// earlier versions alike.
    async fn announced(&mut self) -> Vec<String> {
        sqlx::query("SELECT pg_notify('keyward', $1)").bind(END).execute(&self.rows).await.expect("a notification");
        let (mut announced, mut to_earlier_versions) = (Vec::new(), Vec::new());
        loop {
            let arrived = in_time("a notification", self.listener.recv()).await.expect("a notification");
            if arrived.payload() == END {
                assert_eq!(announced, to_earlier_versions);
                return announced.into_iter().map(|(_, keys)| keys).collect();
            }
            let (head, keys) = arrived.payload().rsplit_once(' ').expect("three words");
            assert!(head.starts_with("changed "), "{head}");
            let told = if arrived.channel() == "keyward" { &mut to_earlier_versions } else { &mut announced };
            told.push((head.to_owned(), keys.to_owned()));
        }
    }

    /// The keys that are named on the schema's channel before this mark.
    async fn told_until_the_mark(&mut self, mark: &Mark) -> Vec<String> {
        let mut named = Vec::new();
        loop {
            let arrived = in_time("a notification", self.listener.recv()).await.expect("a notification");
            if arrived.payload() == mark.as_str() {
                // What the trigger repeats is not among those of the next change.
                self.announced().await;
                return named;
            }
            named.extend(arrived.payload().rsplit(' ').next().map(str::to_owned));
        }
    }

    async fn store(&self) -> Arc<Store> {
        let settings = Database {
            pool_size: 2,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            migrate_on_start: false,
            ..Database::at(self.database.url().to_owned().into())
        };
        Store::open(&settings).await.expect("a store")
    }
}

#[tokio::test]
async fn every_change_of_a_right_is_announced_once() {
    let mut schema = Schema::new().await;
    let id = schema.add_keys(1).await[0];
    schema.add_keys(3).await;
    for change in [
        "enabled = false",
        "expires_at = now()",
        "scopes = ARRAY['a']",
        "metadata = '{\"a\": 1}'",
        "revoked_at = now()",
        "revoked_reason = 'leaked'",
        "issuer = 'https://issuer.example'",
        "subject = 'bob'",
        "environment = 'test'",
        "name = 'a name'",
        "description = 'what it is for'",
        "allowed_ips = ARRAY['192.0.2.0/24'::inet]",
        "limits = '[{}]'",
        "successor_id = id",
        "disabled_by = 'owner', enabled = false",
        "metadata_as_sent = '{\"a\": 1e0}'",
        "pepper = decode(repeat('00', 16), 'hex')",
        "credits_holder = id, credits_version = 1",
        "created_at = '2000-01-01'",
        "updated_at = '2000-01-01'",
        "expires_at = NULL",
        "enabled = true, last_used_at = now()",
    ] {
        schema.run(&format!("UPDATE api_keys SET {change} WHERE id = '{id}'")).await;
        assert_eq!(schema.announced().await, [id.to_string()], "{change}");
    }
}

#[tokio::test]
async fn use_and_a_stronger_hash_are_not_announced() {
    let mut schema = Schema::new().await;
    schema.add_keys(3).await;
    for change in ["last_used_at = now()", &format!("secret_hash = '{STRONGER}'"), "enabled = enabled"] {
        schema.run(&format!("UPDATE api_keys SET {change}")).await;
        assert_eq!(schema.announced().await, [] as [String; 0], "{change}");
    }
    let versions = sqlx::query_scalar::<_, i64>("SELECT DISTINCT version FROM api_keys").fetch_all(&schema.rows).await;
    assert_eq!(versions.expect("versions"), [1]);
}

#[tokio::test]
async fn without_the_trigger_that_counts_versions_a_change_is_announced_too() {
    let mut schema = Schema::new().await;
    let id = schema.add_keys(1).await[0];
    schema
        .run("ALTER TABLE api_keys DISABLE TRIGGER api_keys_count_version; UPDATE api_keys SET enabled = false")
        .await;
    assert_eq!(schema.announced().await, [id.to_string()]);
}

#[tokio::test]
async fn a_new_key_and_a_statement_that_changes_nothing_are_not_announced() {
    let mut schema = Schema::new().await;
    schema.run("UPDATE api_keys SET enabled = false; DELETE FROM api_keys").await;
    schema.add_keys(3).await;
    assert_eq!(schema.announced().await, [] as [String; 0]);
}

#[tokio::test]
async fn a_key_that_is_deleted_or_gets_another_id_is_announced() {
    let mut schema = Schema::new().await;
    let ids = schema.add_keys(3).await;
    schema.run(&format!("DELETE FROM api_keys WHERE id = '{}'", ids[0])).await;
    assert_eq!(schema.announced().await, [ids[0].to_string()]);
    schema.run(&format!("UPDATE api_keys SET id = '{}' WHERE id = '{}'", Uuid::now_v7(), ids[1])).await;
    assert_eq!(schema.announced().await, [ids[1].to_string()]);
}

/// A replica acknowledges the mark once it has heard it, and by then must have heard what it acknowledges.
#[tokio::test]
async fn a_revoked_key_is_named_before_the_mark_that_replicas_acknowledge() {
    let mut schema = Schema::new().await;
    let ids = schema.add_keys(2).await;
    let [_, replicas, _] = schema.database.channels().await;
    schema.listener.listen(&replicas).await.expect("listening");
    let (store, mark) = (schema.store().await, Mark::new("the mark".to_owned()));
    let author = Author::command_line();
    let by = ChangeContext { reach: &Reach::Any, author: &author, mark: Some(&mark) };
    let revocation = KeyRevocation {
        id: ids[0].into(),
        reason: None,
        preconditions: Preconditions::default(),
        is_by_holder: false,
        at: OffsetDateTime::now_utc(),
    };
    for time in ["the first", "the second"] {
        store.revoke(&revocation, by).await.expect("an answer").expect("it may be revoked");
        assert!(schema.told_until_the_mark(&mark).await.contains(&ids[0].to_string()), "{time} time");
    }
    let revoked = store.revoke_in_bulk(&KeyFilter::default(), None, 10, None, revocation.at, by).await;
    assert_eq!(revoked.expect("an answer"), 1);
    let told = schema.told_until_the_mark(&mark).await;
    assert!(told.contains(&ids[1].to_string()), "{told:?}");
}

#[tokio::test]
async fn a_truncation_announces_all_keys() {
    let mut schema = Schema::new().await;
    schema.add_keys(3).await;
    schema.run("TRUNCATE api_keys CASCADE").await;
    assert_eq!(schema.announced().await, ["*"]);
}

/// The ids in notifications, which name at most 200 each: a payload has room for 8000 bytes.
fn named(announced: &[String]) -> Vec<String> {
    let mut named = Vec::new();
    for ids in announced {
        let ids: Vec<String> = ids.split(',').map(str::to_owned).collect();
        assert!(ids.len() <= 200, "{} ids", ids.len());
        named.extend(ids);
    }
    named.sort_unstable();
    named
}

#[tokio::test]
async fn a_statement_that_changes_many_keys_names_them_two_hundred_at_a_time() {
    let mut schema = Schema::new().await;
    let mut ids = schema.add_keys(200).await;
    schema.run("UPDATE api_keys SET enabled = false").await;
    let announced = schema.announced().await;
    assert_eq!((announced.len(), named(&announced)), (1, ids.iter().map(Uuid::to_string).collect()));

    ids.extend(schema.add_keys(801).await);
    for statement in ["UPDATE api_keys SET enabled = NOT enabled", "DELETE FROM api_keys"] {
        schema.run(statement).await;
        let announced = schema.announced().await;
        assert_eq!((announced.len(), named(&announced)), (6, ids.iter().map(Uuid::to_string).collect()), "{statement}");
    }
    // Nobody can do that but by psql.
    schema.add_keys(10_001).await;
    schema.run("UPDATE api_keys SET enabled = false").await;
    assert_eq!(schema.announced().await, ["*"]);
}

#[tokio::test]
async fn an_owner_who_is_switched_has_the_living_keys_announced_and_no_others() {
    let mut schema = Schema::new().await;
    let living = schema.add_keys(450).await;
    for (end, count) in [("revoked_at = now()", 300), ("expires_at = now() - interval '2 hours'", 1_000)] {
        let ended = schema.add_keys(count).await;
        let list: Vec<String> = ended.iter().map(|id| format!("'{id}'")).collect();
        schema.run(&format!("UPDATE api_keys SET {end} WHERE id IN ({})", list.join(","))).await;
    }
    schema.announced().await;
    for statement in [
        "INSERT INTO disabled_owners (issuer, subject, disabled_at) VALUES ('', 'alice', now())",
        "UPDATE disabled_owners SET subject = 'bob'",
        "UPDATE disabled_owners SET subject = 'alice'",
        "DELETE FROM disabled_owners",
        "SELECT announce_keys_of('', 'alice')",
    ] {
        schema.run(statement).await;
        let announced = schema.announced().await;
        assert_eq!(
            (announced.len(), named(&announced)),
            (3, living.iter().map(Uuid::to_string).collect()),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn a_plans_limits_are_announced_to_everybody_on_it_by_name_as_long_as_they_are_ten_thousand() {
    let mut schema = Schema::new().await;
    let keys = schema.add_keys(450).await;
    schema.run("INSERT INTO plans (name, updated_at) VALUES ('pro', now()), ('free', now())").await;
    let assign = "INSERT INTO owner_plans (issuer, subject, plan, assigned_by, updated_at)";
    let all: Vec<String> = keys.iter().map(Uuid::to_string).collect();
    let other = r#"'[{"name": "a", "limit": 1, "window": "1s"}]'"#;
    for (statement, is_announced) in [
        (format!("{assign} VALUES ('', 'alice', 'pro', 'claim', now()), ('', 'bob', 'pro', 'claim', now())"), true),
        (format!("UPDATE plans SET limits = {other} WHERE name = 'pro'"), true),
        (format!("UPDATE plans SET limits = {other} WHERE name = 'free'"), false),
        ("UPDATE plans SET max_keys = 1, description = 'x', updated_at = now()".to_owned(), false),
        ("UPDATE owner_plans SET claim_issued_at = now(), updated_at = now()".to_owned(), false),
        ("UPDATE owner_plans SET plan = 'free' WHERE subject = 'alice'".to_owned(), true),
        ("DELETE FROM owner_plans WHERE subject = 'bob'".to_owned(), false),
        ("DELETE FROM owner_plans WHERE subject = 'alice'".to_owned(), true),
        (
            format!("{assign} SELECT '', 'o' || number, 'pro', 'claim', now() FROM generate_series(1, 9999) AS number"),
            false,
        ),
        (format!("{assign} VALUES ('', 'alice', 'pro', 'claim', now())"), true),
        ("UPDATE plans SET limits = '[]' WHERE name = 'pro'".to_owned(), true),
    ] {
        schema.run(&statement).await;
        let announced = schema.announced().await;
        let expected = if is_announced { &all[..] } else { &[] };
        assert_eq!(named(&announced), expected, "{statement}");
    }
    for statement in [
        format!(
            "{assign} VALUES ('', 'carol', 'pro', 'claim', now()); UPDATE plans SET limits = {other} WHERE name = 'pro'"
        ),
        "TRUNCATE owner_plans".to_owned(),
    ] {
        schema.run(&statement).await;
        assert_eq!(schema.announced().await, ["*"], "{statement}");
    }
}

#[tokio::test]
async fn ends_of_tokens_are_announced_by_the_names_that_checks_ask_for() {
    let mut schema = Schema::new().await;
    let name = |record: RecordId| Uuid::from_u128(record.0).to_string();
    let (issuer, other) = ("https://issuer.example/é", TokenRecords::of("", Some("☃"), "x"));
    let records = TokenRecords::of(issuer, Some("1"), "alice");
    let (token, subject) = (name(records.token.expect("it has an id")), name(records.subject));
    let renamed = [token.clone(), name(other.token.expect("it has an id"))];
    for (statement, announced) in [
        (format!("INSERT INTO revoked_tokens (issuer, token_id) VALUES ('{issuer}', '1')"), vec![token.clone()]),
        (
            format!("INSERT INTO tokens_not_before (issuer, subject) VALUES ('{issuer}', 'alice')"),
            vec![subject.clone()],
        ),
        ("UPDATE tokens_not_before SET not_before = '2026-01-01Z'".to_owned(), vec![subject.clone()]),
        ("UPDATE revoked_tokens SET issuer = '', token_id = '☃'".to_owned(), renamed.to_vec()),
        ("DELETE FROM revoked_tokens".to_owned(), vec![renamed[1].clone()]),
        ("DELETE FROM tokens_not_before".to_owned(), vec![subject]),
        ("TRUNCATE revoked_tokens".to_owned(), vec!["*".to_owned()]),
        ("TRUNCATE tokens_not_before".to_owned(), vec!["*".to_owned()]),
        ("DELETE FROM revoked_tokens".to_owned(), vec![]),
    ] {
        schema.run(&statement).await;
        let mut heard: Vec<String> =
            schema.announced().await.iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect();
        heard.sort_unstable();
        let mut announced = announced;
        announced.sort_unstable();
        assert_eq!(heard, announced, "{statement}");
    }
    for (count, notifications) in [(200, 1), (201, 2)] {
        let many = "INSERT INTO revoked_tokens (issuer, token_id) SELECT '', number::text FROM generate_series(1,";
        schema.run("TRUNCATE revoked_tokens").await;
        schema.announced().await;
        schema.run(&format!("{many} {count}) AS number")).await;
        let announced = schema.announced().await;
        assert_eq!((announced.len(), named(&announced).len()), (notifications, count), "{count}");
    }
}

#[tokio::test]
async fn ends_of_tokens_that_say_nothing_are_refused() {
    let schema = Schema::new().await;
    for statement in [
        "INSERT INTO revoked_tokens (issuer, token_id) VALUES ('', '')",
        "INSERT INTO tokens_not_before (issuer, subject) VALUES ('', '')",
        "INSERT INTO tokens_not_before (issuer, subject, not_before) VALUES ('', 'alice', 'infinity')",
        "INSERT INTO revoked_tokens (record_id, issuer, token_id) VALUES (gen_random_uuid(), '', '1')",
    ] {
        sqlx::query(statement).execute(&schema.rows).await.expect_err(statement);
    }
}

#[tokio::test]
async fn a_change_that_is_rolled_back_is_not_announced() {
    let mut schema = Schema::new().await;
    schema.add_keys(1).await;
    schema.run("BEGIN; UPDATE api_keys SET enabled = false; ROLLBACK").await;
    assert_eq!(schema.announced().await, [] as [String; 0]);
}

#[tokio::test]
async fn the_store_replaces_only_the_hash_it_was_told_of_and_tells_nobody() {
    let mut schema = Schema::new().await;
    let id = KeyId::from(schema.add_keys(1).await[0]);
    let store = schema.store().await;
    let hash = |text: &str| StoredHash::new(text.to_owned());
    store.replace_hash(id, &hash(HASH), &hash(STRONGER)).await.expect("an answer");
    assert_eq!(store.find(&[id]).await.expect("rows")[0].hash.expose(), STRONGER);
    store.replace_hash(id, &hash(HASH), &hash(HASH)).await.expect("an answer");
    assert_eq!(store.find(&[id]).await.expect("rows")[0].hash.expose(), STRONGER);
    assert_eq!(schema.announced().await, [] as [String; 0]);
}

#[tokio::test]
async fn one_statement_reads_many_rows_and_leaves_out_those_that_are_missing() {
    let schema = Schema::new().await;
    let present: Vec<KeyId> = schema.add_keys(300).await.into_iter().map(KeyId::from).collect();
    let missing = (0..10).map(|_| KeyId::from(Uuid::now_v7()));
    let asked: Vec<KeyId> = missing.chain(present.iter().copied()).collect();
    let mut found: Vec<KeyId> =
        schema.store().await.find(&asked).await.expect("rows").iter().map(|key| key.record.id).collect();
    found.sort_unstable();
    assert_eq!(found, present);
}
