//! Keys that have ended: how long they stay, how many an owner can make of them, and that they are in nobody's way.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_support::{
    actors::{CREATE, KeyHolder, Person},
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, SHORT_LEASE, replica_with, three_replicas},
    database, eventually,
    filling::fill_with_keys,
    replica::Replica,
};

const THREE: (&str, &str) = ("KEYWARD__KEYS__MAX_NEW_PER_DAY", "3");
const ALICE: &str = "AGFsaWNl";

/// So many seconds from now on, according to the answer.
fn retry_after(answer: &Reply) -> u64 {
    answer.header("retry-after").and_then(|text| text.parse().ok()).expect("a number of seconds")
}

#[tokio::test]
async fn an_owner_makes_so_many_keys_in_a_day_whatever_becomes_of_them_and_however_many_are_asked_for_at_once() {
    let (database, replicas) = three_replicas(&[THREE]).await;
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    for _ in 0..2 {
        let key = alice.creates(&replicas[0], json!({})).await;
        alice.deletes(&replicas[0], &key.path()).await.is(200);
    }
    let asks = (0..6).map(|number| alice.posts(&replicas[number % 3], KEYS, json!({})));
    let (made, refused): (Vec<_>, Vec<_>) = join_all(asks).await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    for answer in &refused {
        answer.is_problem(429, "too_many_new_keys");
        // A day after the first of them.
        assert!((86_300..=86_401).contains(&retry_after(answer)), "{}", retry_after(answer));
    }
    let answer = Reply::to(alice.request(&replicas[0], Method::POST, CREATE)).await;
    assert_eq!(
        (answer.is(429), retry_after(&answer) > 86_000),
        (json!({ "message": "Too many new API keys in a day" }), true)
    );
    bob.creates(&replicas[1], json!({})).await;

    // A key that leaked can still be replaced, up to as often again.
    let mut key = MadeKey::of(made[0].is(201));
    for _ in 0..3 {
        key = MadeKey::of(alice.posts(&replicas[1], &format!("{}/rotate", key.path()), json!({})).await.is(201));
    }
    let answer = alice.posts(&replicas[2], &format!("{}/rotate", key.path()), json!({})).await;
    answer.is_problem(429, "too_many_new_keys");
    assert_eq!(key.status(&replicas[0]).await, 200);

    // The next day.
    let rows = database.superuser_pool().await;
    a_day_later(&rows).await;
    alice.creates(&replicas[0], json!({})).await;
}

/// Makes all keys a day older: what their ids say of their making, too.
async fn a_day_later(rows: &PgPool) {
    let older = "UPDATE api_keys SET created_at = created_at - interval '1 day 1 second',
                     id = overlay(id::text PLACING overlay(lpad(to_hex(
                         ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint - 86401000), 12, '0')
                         PLACING '-' FROM 9 FOR 0) FROM 1 FOR 13)::uuid";
    sqlx::query(older).execute(rows).await.expect("older keys");
}

#[tokio::test]
async fn the_command_line_tells_an_operator_of_the_limit() {
    let database = database().await;
    let create = || {
        let mut command = test_support::replica::command();
        command.args(["keys", "create", "--subject", "alice"]).env("DATABASE_URL", database.url());
        command.env("KEYWARD__KEYS__MAX_NEW_PER_DAY", "1");
        test_support::program::run_beside(command)
    };
    create().await.succeeded();
    let message = create().await.failed();
    assert!(message.contains("keys.max_new_per_day") && message.contains("another in "), "{message}");
}

/// Makes keys, long ago, of an `owner` that SQL names, with what `column` is to be. Copies of one of alice's, for a
/// hash is dear.
fn insertion(count: i32, ago: &str, owner: &str, (column, value): (&str, &str)) -> String {
    format!(
        "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash, {column})
         SELECT (lpad(to_hex((extract(epoch FROM past) * 1000)::bigint), 12, '0') || '7' || substr(random, 1, 3) || '8'
                 || substr(random, 4, 15))::uuid, issuer, {owner}, environment, past, updated_at, secret_hash, {value}
         FROM (SELECT * FROM api_keys WHERE subject = 'alice' LIMIT 1) AS one,
              (SELECT now() - interval '{ago}' AS past, md5(random()::text) AS random, number
               FROM generate_series(1, {count}) AS number) AS numbers"
    )
}

/// Keys of alice that ended so long ago.
async fn ended_keys(rows: &PgPool, count: i32, column: &str, ago: &str) {
    let insert = insertion(count, ago, "subject", (column, "past"));
    // Without the triggers, it takes a tenth of the time.
    let mut transaction = rows.begin().await.expect("a transaction");
    for statement in ["SET LOCAL session_replication_role = replica".to_owned(), insert] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await.expect("keys");
    }
    transaction.commit().await.expect("keys");
}

async fn count(rows: &PgPool, condition: &str) -> i64 {
    let query = format!("SELECT count(*) FROM api_keys WHERE {condition}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(rows).await.expect("a number")
}

#[tokio::test]
async fn keys_that_ended_long_ago_are_removed_by_whichever_replica_and_the_audit_keeps_their_story() {
    let replica = replica_with(&[]).await;
    let alice = Person::named("alice");
    let (kept, ended) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let once = alice.request(&replica, Method::POST, KEYS).header("idempotency-key", "a").json(&json!({}));
    let remembered = MadeKey::of(Reply::to(once.try_clone().expect("no stream")).await.is(201));
    for key in [&ended, &remembered] {
        alice.deletes(&replica, &key.path()).await.is(200);
    }
    let rows = replica.database().superuser_pool().await;
    for (column, ago) in [("revoked_at", "31 days"), ("expires_at", "31 days"), ("expires_at", "29 days")] {
        ended_keys(&rows, 350, column, ago).await;
    }
    sqlx::query("UPDATE api_keys SET revoked_at = now() - interval '40 days', expires_at = now() WHERE id = $1")
        .bind(uuid_of(&ended))
        .execute(&rows)
        .await
        .expect("ended long ago");

    let retention = [SHORT_LEASE, ("KEYWARD__KEYS__RETENTION", "30d")];
    let start = || Replica::start_on(replica.database().url(), &retention);
    let (_one, _two) = tokio::join!(start(), start());
    eventually("they are gone", async || {
        count(&rows, "LEAST(revoked_at, expires_at) < now() - interval '30 days'").await == 0
    })
    .await;
    assert_eq!(count(&rows, "TRUE").await, 350 + 2);
    // What is left of it is what was done with it.
    alice.gets(&replica, &ended.path()).await.is_problem(404, "not_found");
    assert_eq!((ended.status(&replica).await, kept.status(&replica).await), (401, 200));
    let events = alice.gets(&replica, &format!("/v1/audit?keyId={}", ended.id)).await.is(200);
    let actions: Vec<&Value> =
        events["events"].as_array().expect("a list").iter().map(|event| &event["action"]).collect();
    assert_eq!(actions, ["key.revoked", "key.created"]);
    // A request that is remembered has its key for as long.
    assert_eq!(Reply::to(once).await.is(200)["id"], remembered.id);
}

fn uuid_of(key: &MadeKey) -> uuid::Uuid {
    key.id.parse::<keyward::domain::api_key::KeyId>().expect("an id").as_uuid()
}

#[tokio::test]
async fn a_key_is_kept_for_a_day_at_least_and_for_ever_where_that_is_wanted() {
    let mut serve = test_support::replica::command();
    serve.arg("serve").env("DATABASE_URL", "postgres://u@127.0.0.1:1/d").env("KEYWARD__KEYS__RETENTION", "23h");
    let message = test_support::program::run_beside(serve).await.failed();
    assert!(message.contains("keys.retention") && message.contains("1d or more"), "{message}");

    let replica = replica_with(&[("KEYWARD__KEYS__RETENTION", "0s")]).await;
    let alice = Person::named("alice");
    alice.creates(&replica, json!({})).await;
    let rows = replica.database().superuser_pool().await;
    ended_keys(&rows, 5, "revoked_at", "9000 days").await;
    let other = Replica::start_on(replica.database().url(), &[SHORT_LEASE, ("KEYWARD__KEYS__RETENTION", "0s")]).await;
    alice.creates(&other, json!({})).await;
    assert_eq!(count(&rows, "TRUE").await, 7);
    // Nor sooner by whoever calls it.
    ended_keys(&rows, 5, "revoked_at", "23 hours").await;
    let forgotten: Option<i32> =
        sqlx::query_scalar("SELECT forget_ended_keys(interval '0', 1000)").fetch_one(&rows).await.expect("a number");
    assert_eq!((forgotten, count(&rows, "TRUE").await), (Some(5), 7));
}

/// One who has 150 thousand keys that have ended, and asks for the others as fast as they are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_with_any_number_of_ended_keys_is_in_nobodys_way_and_can_be_stopped() {
    let replica = replica_with(&[("KEYWARD__KEYS__RETENTION", "0s")]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let mut living = Vec::new();
    for _ in 0..3 {
        living.push(alice.creates(&replica, json!({})).await);
    }
    let many = [("expires_at", 150_000), ("revoked_at", 50_000)];
    let many = many.map(|(column, count)| insertion(count, "2 days", "subject", (column, "past")));
    fill_with_keys(replica.database().url(), &many.join("; ")).await;
    let list = format!("{KEYS}?state=active&limit=100");
    assert_eq!(alice.gets(&replica, &list).await.is(200)["keys"].as_array().map(Vec::len), Some(3));

    let flood = async {
        let lists = [
            "state=active",
            "state=disabled",
            "name=none",
            "state=active&tag=a%3Ab",
            "expiringBefore=2000-01-01T00:00:00Z",
        ];
        let ask = async |number: usize| {
            let path = format!("{KEYS}?limit=100&{}", lists[number % lists.len()]);
            loop {
                // Of its own requests it may be told that there are too many, or on a busy machine that one took too long.
                let status = alice.gets(&replica, &path).await.status;
                assert!(matches!(status, 200 | 429 | 503), "{status}");
            }
        };
        join_all((0..24).map(ask)).await;
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for number in 0..4 {
            let bob = Person::named(&format!("bob{number}"));
            let key = bob.creates(&replica, json!({})).await;
            assert_eq!(key.status(&replica).await, 200);
            assert_eq!(bob.gets(&replica, KEYS).await.is(200)["keys"].as_array().map(Vec::len), Some(1));
            for (action, status) in [("disable", 401), ("enable", 200)] {
                root.posts(&replica, &format!("/v1/admin/owners/{ALICE}/{action}"), json!({})).await.is(200);
                for key in &living {
                    assert_eq!(key.status(&replica).await, status, "after {action}");
                }
            }
        }
        root.deletes(&replica, &living[0].admin_path()).await.is(200);
        assert_eq!(living[0].status(&replica).await, 401);
    };
    tokio::select! {
        () = flood => unreachable!("it never ends"),
        () = others => {}
    }
}

/// How often a table was read from one end to the other.
async fn sequential_scans(rows: &PgPool) -> Vec<(String, i64)> {
    let query = "SELECT relname::text, sum(seq_scan)::bigint FROM pg_stat_user_tables
                 WHERE relname = 'api_keys' OR relname LIKE 'audit_events%' GROUP BY relname ORDER BY relname";
    sqlx::query_as(query).fetch_all(rows).await.expect("statistics")
}

/// Each often enough that Postgres has taken a plan for any parameters, if it wants to.
#[tokio::test]
async fn among_a_hundred_thousand_keys_no_list_and_no_limit_reads_the_whole_table() {
    let mut replica = replica_with(&[("KEYWARD__KEYS__RETENTION", "0s")]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let key = alice.creates(&replica, json!({ "name": "x", "metadata": { "a": "b" } })).await;
    let database = replica.take_database();
    let rows = database.superuser_pool().await;
    // A third of those of others have not ended.
    let most_ended = ("expires_at", "CASE WHEN number % 3 > 0 THEN past END");
    let others = insertion(60_000, "2 days", "'owner' || number % 500", most_ended);
    let hers = insertion(40_000, "2 days", "subject", ("expires_at", "past"));
    fill_with_keys(database.url(), &format!("{others}; {hers}")).await;

    let mut replica = Replica::start_on(database.url(), &[SHORT_LEASE, ("KEYWARD__KEYS__RETENTION", "5d")]).await;
    let before = sequential_scans(&rows).await;
    let filters = [
        "",
        "state=active",
        "state=expired",
        "state=disabled",
        "state=revoked",
        "name=x",
        "tag=a%3Ab",
        "environment=live",
        "expiringBefore=2030-01-01T00:00:00Z",
        "createdSince=2020-01-01T00:00:00Z",
        "state=active&name=y",
        "state=active,expired&sort=createdAt",
        "search=x",
        "scope=a",
        "unusedSince=2030-01-01T00:00:00Z",
        "sort=name",
        "sort=-lastUsedAt&search=x",
        "sort=expiresAt&state=active",
    ];
    for _ in 0..8 {
        for filter in filters {
            alice.gets(&replica, &format!("{KEYS}?{filter}")).await.is(200);
            root.gets(&replica, &format!("{ALL_KEYS}?owner={ALICE}&{filter}")).await.is(200);
        }
        root.gets(&replica, ALL_KEYS).await.is(200);
        for of_all in
            ["state=active", "sort=createdAt", "search=none", "scope=none", "unusedSince=2020-01-01T00:00:00Z"]
        {
            root.gets(&replica, &format!("{ALL_KEYS}?{of_all}")).await.is(200);
        }
        for owners in ["", "?search=none", "?state=disabled", "?state=active", &format!("/{ALICE}")] {
            root.gets(&replica, &format!("/v1/admin/owners{owners}")).await.is(200);
        }
        for of_events in
            ["actor=command_line", "action=key.revoked", "from=2020-01-01T00:00:00Z", "to=2020-01-01T00:00:00Z"]
        {
            root.gets(&replica, &format!("/v1/admin/audit?{of_events}")).await.is(200);
            alice.gets(&replica, &format!("/v1/audit?{of_events}")).await.is(200);
        }
        for audit in ["/v1/audit", "/v1/admin/audit", &format!("/v1/audit?keyId={}", key.id)] {
            let person = if audit.contains("admin") { &root } else { &alice };
            person.gets(&replica, audit).await.is(200);
        }
        let made = alice.creates(&replica, json!({})).await;
        alice.patches(&replica, &made.path(), json!({ "expiresIn": 600 })).await.is(200);
        alice.posts(&replica, &format!("{}/rotate", made.path()), json!({})).await.is(201);
        alice.deletes(&replica, &made.path()).await.is(200);
        for action in ["disable", "enable"] {
            root.posts(&replica, &format!("/v1/admin/owners/{ALICE}/{action}"), json!({})).await.is(200);
        }
        root.posts(&replica, "/v1/admin/keys/revoke", json!({ "owner": ALICE, "name": "none" })).await.is(200);
        assert_eq!(KeyHolder::of(&key.holder.key).asks_for_the_resource(&replica).await.status(), 200);
    }
    // A session tells what it has done when it ends, at the latest.
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0));
    eventually("all sessions have ended", async || {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'keyward%'";
        sqlx::query_scalar::<_, i64>(query).fetch_one(&rows).await.expect("a number") == 0
    })
    .await;
    let after = sequential_scans(&rows).await;
    assert_eq!(before, after);
}
