//! What keys are recognised by, and how lists of them are narrowed and ordered.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_support::{
    actors::{Person, stranger},
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, pairs, replica},
    filling::fill_with_keys,
    program::run_beside,
    replica::{Replica, command},
};

fn ids(page: &Value) -> Vec<String> {
    let keys = page["keys"].as_array().expect("a list");
    keys.iter().map(|key| key["id"].as_str().expect("an id").to_owned()).collect()
}

async fn list(person: &Person, replica: &Replica, query: &str) -> Vec<String> {
    ids(&person.gets(replica, &format!("{KEYS}?limit=100&{query}")).await.is(200))
}

/// Every key of a list, by pages of `limit`.
async fn walk(person: &Person, replica: &Replica, path: &str, limit: u32) -> Vec<String> {
    let (mut walked, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let at = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = person.gets(replica, &format!("{path}&limit={limit}{at}")).await.is(200);
        walked.extend(ids(&page));
        let Some(next) = page["nextCursor"].as_str() else { return walked };
        cursor = Some(next.to_owned());
    }
}

async fn write_uses(rows: &PgPool, uses: &[(&MadeKey, &str)]) {
    for (key, at) in uses {
        let id: keyward::domain::api_key::KeyId = key.id.parse().expect("an id");
        let statement = "INSERT INTO key_uses (key_id, last_used_at) VALUES ($1, $2::timestamptz)
                         ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at";
        sqlx::query(statement).bind(id.as_uuid()).bind(*at).execute(rows).await.expect("written");
    }
}

#[tokio::test]
async fn a_key_is_recognised_by_its_start_its_maker_its_description_and_its_neighbours() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let new_key = json!({ "name": "ci", "description": "builds & deploys, é", "environment": "test" });
    let made = alice.creates(&replica, new_key).await;
    let start = made.body["start"].as_str().expect("a text");
    assert_eq!(start, format!("keyward_test_{}", made.id));
    assert!(made.holder.key.starts_with(start) && start.len() < made.holder.key.len() - 50);
    let by_alice = json!({ "kind": "token", "issuer": "", "subject": "alice", "keyId": null });
    assert_eq!((&made.body["createdBy"], &made.body["description"]), (&by_alice, &json!("builds & deploys, é")));
    assert_eq!((&made.body["predecessorId"], &made.body["successorId"]), (&Value::Null, &Value::Null));

    let path = made.path();
    let rotated = alice.posts(&replica, &format!("{path}/rotate"), json!({ "gracePeriod": 60 })).await.is(201);
    assert_eq!((&rotated["predecessorId"], &rotated["description"]), (&json!(made.id), &made.body["description"]));
    assert_eq!(rotated["predecessor"]["successorId"], rotated["id"]);
    let shown = alice.gets(&replica, &format!("{KEYS}/{}", rotated["id"].as_str().expect("an id"))).await.is(200);
    assert_eq!((&shown["predecessorId"], &shown["createdBy"]), (&json!(made.id), &by_alice));

    let by_root = root.posts(&replica, ALL_KEYS, json!({ "owner": { "subject": "alice" } })).await.is(201);
    assert_eq!((&by_root["createdBy"]["subject"], &by_root["description"]), (&json!("root"), &Value::Null));
    let mut program = command();
    program.env("DATABASE_URL", replica.database().url());
    program.args(["keys", "create", "--subject", "alice", "--description", "by hand", "--json"]);
    let by_hand: Value = serde_json::from_str(&run_beside(program).await.succeeded()).expect("JSON");
    assert_eq!((&by_hand["createdBy"]["kind"], &by_hand["description"]), (&json!("command_line"), &json!("by hand")));

    // Set, changed, taken back; and nothing that is read can be written.
    let patched = alice.patches(&replica, &path, json!({ "description": "another" })).await.is(200);
    assert_eq!(patched["description"], "another");
    assert_eq!(
        alice.patches(&replica, &path, json!({ "description": null })).await.is(200)["description"],
        Value::Null
    );
    let read_only = json!({ "start": "x", "createdBy": null, "predecessorId": "x" });
    let wrong = [("/createdBy", "immutable"), ("/predecessorId", "immutable"), ("/start", "immutable")];
    assert_eq!(alice.patches(&replica, &path, read_only).await.wrong_fields(), pairs(&wrong));
    let long = "x".repeat(1001);
    for bad in [json!(""), json!("a\nb"), json!(long)] {
        let answer = alice.posts(&replica, KEYS, json!({ "description": bad })).await;
        assert_eq!(answer.wrong_fields(), pairs(&[("/description", "invalid")]));
    }
}

/// A row that an earlier version has made says less, and is shown all the same.
#[tokio::test]
async fn a_key_of_an_earlier_version_is_shown_without_what_that_did_not_write() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let made = alice.creates(&replica, json!({})).await;
    let rows = replica.database().superuser_pool().await;
    sqlx::query("UPDATE api_keys SET creator_kind = NULL, creator_issuer = NULL, creator_subject = NULL")
        .execute(&rows)
        .await
        .expect("done");
    let shown = alice.gets(&replica, &made.path()).await.is(200);
    assert_eq!((&shown["createdBy"], &shown["start"]), (&Value::Null, &made.body["start"]));
}

#[tokio::test]
async fn lists_are_narrowed_by_several_states_a_part_of_the_name_a_scope_and_disuse() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let make = async |body: Value| alice.creates(&replica, body).await;
    let billing = make(json!({ "name": "Billing Worker", "scopes": ["orders:read", "orders:write"] })).await;
    let percent = make(json!({ "name": "50%_off", "description": "the SALE of the year" })).await;
    let off = make(json!({ "enabled": false, "scopes": ["orders:read"] })).await;
    let revoked = make(json!({ "name": "worker" })).await;
    alice.deletes(&replica, &revoked.path()).await.is(200);
    Person::named("bob").creates(&replica, json!({ "name": "worker of bob", "scopes": ["orders:read"] })).await;
    let rows = replica.database().superuser_pool().await;
    sqlx::query("UPDATE api_keys SET created_at = '2026-01-01T00:00:00Z'").execute(&rows).await.expect("done");
    write_uses(&rows, &[(&billing, "2026-03-01T00:00:00Z"), (&percent, "2026-02-01T00:00:00Z")]).await;

    let expected: [(&str, Vec<&MadeKey>); 16] = [
        ("state=active,disabled,expired", vec![&off, &percent, &billing]),
        ("state=revoked,disabled", vec![&revoked, &off]),
        ("state=disabled", vec![&off]),
        ("search=work", vec![&revoked, &billing]),
        ("search=WORKER", vec![&revoked, &billing]),
        ("search=sale", vec![&percent]),
        ("search=%25_", vec![&percent]),
        ("search=_ill", vec![]),
        ("search=work&state=active,disabled", vec![&billing]),
        ("scope=orders:read", vec![&off, &billing]),
        ("scope=orders", vec![]),
        ("unusedSince=2026-02-15T00:00:00Z", vec![&revoked, &off, &percent]),
        ("unusedSince=2026-02-01T00:00:00Z&state=active", vec![]),
        ("unusedSince=2025-01-01T00:00:00Z", vec![]),
        ("usedSince=2026-02-01T00:00:00Z", vec![&percent, &billing]),
        ("usedSince=2026-02-15T00:00:00Z", vec![&billing]),
    ];
    for (query, keys) in expected {
        let keys: Vec<_> = keys.iter().map(|key| key.id.clone()).collect();
        assert_eq!(list(&alice, &replica, query).await, keys, "{query}");
        let of_all = format!("{ALL_KEYS}?subject=alice&{query}");
        assert_eq!(ids(&root.gets(&replica, &of_all).await.is(200)), keys, "{of_all}");
        let backwards: Vec<_> = keys.into_iter().rev().collect();
        assert_eq!(list(&alice, &replica, &format!("{query}&sort=createdAt")).await, backwards, "{query} backwards");
    }
    let of_all = root.gets(&replica, &format!("{ALL_KEYS}?search=worker&scope=orders:read")).await.is(200);
    assert_eq!(ids(&of_all).len(), 2);
    for (query, name) in [
        ("state=active,gone", "state"),
        ("state=", "state"),
        ("search=", "search"),
        ("search=%00", "search"),
        ("scope=two+words", "scope"),
        ("unusedSince=monday", "unusedSince"),
        ("usedSince=monday", "usedSince"),
        ("sort=colour", "sort"),
        ("sort=--name", "sort"),
    ] {
        let answer = alice.gets(&replica, &format!("{KEYS}?{query}")).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[(name, "invalid")]), "{query}");
    }
}

#[tokio::test]
async fn keys_are_listed_in_the_order_that_is_asked_for_page_by_page() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let make = async |body: Value| alice.creates(&replica, body).await;
    let (b, none) = (make(json!({ "name": "b", "expiresAt": "2090-01-01T00:00:00Z" })).await, make(json!({})).await);
    let (a, upper) = (make(json!({ "name": "a" })).await, make(json!({ "name": "Z", "expiresIn": 3600 })).await);
    let also_b = make(json!({ "name": "b", "expiresAt": "2090-01-01T00:00:00Z" })).await;
    Person::named("bob").creates(&replica, json!({ "name": "aa" })).await;
    let rows = replica.database().superuser_pool().await;
    write_uses(&rows, &[(&a, "2026-02-01T00:00:00.000001Z"), (&b, "2026-02-01T00:00:00Z")]).await;
    let orders = [
        ("createdAt", [&b, &none, &a, &upper, &also_b]),
        ("name", [&none, &upper, &a, &b, &also_b]),
        ("expiresAt", [&upper, &b, &also_b, &none, &a]),
        ("lastUsedAt", [&none, &upper, &also_b, &b, &a]),
    ];
    for (sort, keys) in orders {
        let mut keys: Vec<String> = keys.iter().map(|key| key.id.clone()).collect();
        for sort in [sort.to_owned(), format!("-{sort}")] {
            for limit in [1, 2, 100] {
                let walked = walk(&alice, &replica, &format!("{KEYS}?sort={sort}"), limit).await;
                assert_eq!(walked, keys, "{sort} {limit}");
            }
            let walked = walk(&root, &replica, &format!("{ALL_KEYS}?owner=AGFsaWNl&sort={sort}"), 3).await;
            assert_eq!(walked, keys, "{sort} of an owner");
            keys.reverse();
        }
    }
    // A cursor is a place in one order.
    let page = alice.gets(&replica, &format!("{KEYS}?sort=name&limit=1")).await.is(200);
    let cursor = page["nextCursor"].as_str().expect("a cursor");
    for sort in ["", "&sort=-name", "&sort=createdAt"] {
        let answer = alice.gets(&replica, &format!("{KEYS}?cursor={cursor}{sort}")).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[("cursor", "invalid")]), "{sort}");
    }
    // Of all owners' keys, only their making has an index.
    for sort in ["name", "-expiresAt", "lastUsedAt"] {
        let answer = root.gets(&replica, &format!("{ALL_KEYS}?sort={sort}")).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[("sort", "conflict")]), "{sort}");
    }
    assert_eq!(walk(&root, &replica, &format!("{ALL_KEYS}?sort=createdAt"), 4).await.len(), 6);
}

/// One question looks at 12,000 keys of all owners at most, and a page ends there.
#[tokio::test]
async fn a_rare_key_among_very_many_is_found_by_following_the_pages() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let rare = alice.creates(&replica, json!({ "name": "needle" })).await;
    let copy = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
                SELECT overlay(id::text PLACING '7' || lpad(to_hex(number), 7, '0') FROM 1 FOR 8)::uuid, issuer,
                       'other-' || number, environment, created_at, updated_at, secret_hash
                FROM api_keys, generate_series(1, 45000) AS number";
    fill_with_keys(replica.database().url(), copy).await;
    for (sort, pages) in [("-createdAt", 4), ("createdAt", 1)] {
        let (mut found, mut asked, mut cursor) = (Vec::new(), 0, String::new());
        while found.is_empty() {
            let path = format!("{ALL_KEYS}?search=needle&sort={sort}{cursor}");
            let page = root.gets(&replica, &path).await.is(200);
            found.extend(ids(&page));
            asked += 1;
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!((found, asked), (vec![rare.id.clone()], pages), "{sort}");
    }
}

#[tokio::test]
async fn a_key_says_what_it_is_to_whoever_holds_it_and_never_its_secret() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let key = alice.creates(&replica, json!({ "name": "mine", "scopes": ["a"], "metadata": { "n": 1e2 } })).await;
    let path = format!("{KEYS}/self");
    let with_header = |key: &str| stranger(&replica, Method::GET, &path).header("x-api-key", key);
    let shown = Reply::to(with_header(&key.holder.key)).await;
    assert_eq!(shown.is(200), alice.gets(&replica, &key.path()).await.is(200));
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    assert!(!shown.text.contains(&key.holder.key) && shown.is(200).get("apiKey").is_none());
    let as_bearer = Reply::to(stranger(&replica, Method::GET, &path).bearer_auth(&key.holder.key)).await;
    assert_eq!(as_bearer.is(200), shown.is(200));
    let tag = shown.header("etag").expect("a tag").to_owned();
    assert_eq!(Reply::to(with_header(&key.holder.key).header("if-none-match", tag)).await.status, 304);

    Reply::to(stranger(&replica, Method::GET, &path)).await.is_problem(401, "missing_credential");
    alice.gets(&replica, &path).await.is_problem(401, "missing_credential");
    Reply::to(with_header(&format!("{}x", key.holder.key))).await.is_problem(401, "invalid_token");
    let elsewhere = alice.creates(&replica, json!({ "allowedIps": ["192.0.2.0/24"] })).await;
    Reply::to(with_header(&elsewhere.holder.key)).await.is_problem(401, "invalid_token");
    alice.deletes(&replica, &key.path()).await.is(200);
    Reply::to(with_header(&key.holder.key)).await.is_problem(401, "invalid_token");
}
