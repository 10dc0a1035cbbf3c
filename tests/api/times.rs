//! Instants in bodies, queries and filters: RFC 3339, and nothing that merely looks like it.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, Reply, pairs, replica, shared_replica},
    replica::Replica,
};

/// None of these is a `date-time` of RFC 3339 §5.6.
const BAD: [&str; 34] = [
    "2100-01-01\n00:00:00Z",
    "2100-01-01 00:00:00Z",
    "2100-01-01x00:00:00Z",
    "2100-01-01_00:00:00Z",
    "2100-01-01\u{0}00:00:00Z",
    "2100-01-01100:00:00Z",
    "2100-01-01-00:00:00Z",
    "2100-01-01:00:00:00Z",
    "2100-01-01\u{7f}00:00:00Z",
    "2100-01-01é00:00:00Z",
    "2100-01-0100:00:00Z",
    "2100-01-01TT00:00:00Z",
    "2100-01-01T00:00:00",
    "2100-01-01T00:00Z",
    "2100-01-01T00:00:00+0100",
    "2100-01-01T00:00:00+01",
    "2100-01-01T00:00:00+24:00",
    "2100-01-01T00:00:00+00:60",
    "2100-01-01T00:00:00 +01:00",
    "2100-01-01T00:00:00\u{2212}01:00",
    "2100-01-01T00:00:00.Z",
    "2100-01-01T00:00:00,5Z",
    "2100-01-01T00:00:00.5",
    "2100-01-01T00:00:00ZZ",
    "2100-01-01T00:00:00Z ",
    " 2100-01-01T00:00:00Z",
    "2100-01-01T00:00:00Z\n",
    "2100-01-01T12:30:60Z",
    "2100-01-01T00:60:00Z",
    "2100-02-29T00:00:00Z",
    "2100-00-01T00:00:00Z",
    "2100-01-00T00:00:00Z",
    "2100-1-1T0:0:0Z",
    "+2100-01-01T00:00:00Z",
];

/// These are, and what they mean in UTC, to the millisecond.
const GOOD: [(&str, &str); 9] = [
    ("2100-01-01T00:00:00Z", "2100-01-01T00:00:00.000Z"),
    ("2100-01-01t00:00:00z", "2100-01-01T00:00:00.000Z"),
    ("2100-01-01T00:00:00-00:00", "2100-01-01T00:00:00.000Z"),
    ("2100-01-01T00:00:00+23:59", "2099-12-31T00:01:00.000Z"),
    ("2100-01-01T00:00:00.1Z", "2100-01-01T00:00:00.100Z"),
    ("2100-01-01T00:00:00.12345678901234567890Z", "2100-01-01T00:00:00.123Z"),
    ("2100-01-01T00:00:00.99999999999999999999z", "2100-01-01T00:00:00.999Z"),
    // A leap second is the end of the second before it (RFC 3339 §5.7).
    ("2100-12-31T23:59:60Z", "2100-12-31T23:59:59.999Z"),
    ("2100-12-31T15:59:60.5-08:00", "2100-12-31T23:59:59.999Z"),
];

fn in_query(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

async fn wrong_in_body(replica: &Replica, path: &str, member: &str, mut body: Value) {
    for bad in BAD {
        body[member] = json!(bad);
        let answer = Person::administrator().posts(replica, path, body.clone()).await;
        assert_eq!(answer.wrong_fields(), pairs(&[(&format!("/{member}"), "invalid")]), "{path} {bad:?}");
    }
}

#[tokio::test]
async fn what_is_no_time_of_rfc_3339_is_refused_in_every_body() {
    let replica = shared_replica().await;
    let alice = Person::of_this_test("alice");
    let key = alice.creates(&replica, json!({})).await;
    wrong_in_body(&replica, KEYS, "expiresAt", json!({})).await;
    wrong_in_body(&replica, ALL_KEYS, "expiresAt", json!({ "owner": { "subject": "bob" } })).await;
    wrong_in_body(&replica, &format!("{}/rotate", key.admin_path()), "expiresAt", json!({})).await;
    wrong_in_body(&replica, "/v1/admin/keys/revoke", "expiringBefore", json!({})).await;
    wrong_in_body(&replica, "/v1/admin/keys/revoke", "createdSince", json!({})).await;
    let token = json!({ "issuer": "", "tokenId": "1" });
    wrong_in_body(&replica, "/v1/admin/tokens/revoke", "expiresAt", token).await;
    let subject = json!({ "issuer": "", "subject": "alice" });
    wrong_in_body(&replica, "/v1/admin/tokens/revoke", "notBefore", subject).await;
    for bad in BAD {
        let answer = alice.patches(&replica, &key.path(), json!({ "expiresAt": bad })).await;
        assert_eq!(answer.wrong_fields(), pairs(&[("/expiresAt", "invalid")]), "{bad:?}");
    }
    assert_eq!(alice.gets(&replica, &key.path()).await.header("etag"), Some("\"1\""));
    assert_eq!(key.status(&replica).await, 200);
}

#[tokio::test]
async fn what_is_no_time_of_rfc_3339_is_refused_in_every_filter() {
    let (replica, root) = (shared_replica().await, Person::administrator());
    for bad in BAD {
        for (path, name) in [(KEYS, "expiringBefore"), (KEYS, "createdSince"), (ALL_KEYS, "createdSince")] {
            let answer = root.gets(&replica, &format!("{path}?{name}={}", in_query(bad))).await;
            assert_eq!(answer.wrong_parameters(), pairs(&[(name, "invalid")]), "{path} {bad:?}");
        }
    }
}

#[tokio::test]
async fn what_is_one_is_taken_in_any_zone_and_kept_to_the_millisecond() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    for (end, utc) in GOOD {
        let key = alice.creates(&replica, json!({ "expiresAt": end })).await;
        assert_eq!(key.body["expiresAt"], utc, "{end}");
        let path = format!("{KEYS}?limit=1&expiringBefore={}", in_query(end));
        let found = Reply::to(alice.request(&replica, Method::GET, &path)).await.is(200);
        assert!(!found["keys"].as_array().expect("a list").iter().any(|found| found["id"] == key.id), "{end}");
    }
}

/// Whether a text looks like an instant, and whether it is one as all answers write it.
fn is_instant(text: &str) -> Option<bool> {
    let digits_become_zeros = |letter: char| if letter.is_ascii_digit() { '0' } else { letter };
    let form: String = text.chars().map(digits_become_zeros).collect();
    form.starts_with("0000-00-00").then(|| form == "0000-00-00T00:00:00.000Z")
}

/// Every instant within an answer, as it stands there.
fn instants(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|value| instants(value, found)),
        Value::Array(items) => items.iter().for_each(|value| instants(value, found)),
        Value::String(text) if is_instant(text).is_some() => found.push(text.clone()),
        _ => {}
    }
}

/// Whatever the database keeps: rows of earlier versions have microseconds.
#[tokio::test]
async fn every_time_in_every_answer_has_exactly_three_digits_of_a_fraction() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let service = Person::with_scopes("service", "keyward:verify");
    let whole = alice.creates(&replica, json!({ "expiresAt": "2100-01-01T00:00:00Z" })).await;
    let fine = alice.creates(&replica, json!({ "expiresIn": 3600 })).await;
    assert_eq!(fine.status(&replica).await, 200);
    let rows = replica.database().superuser_pool().await;
    for statement in [
        "UPDATE api_keys SET created_at = '2026-01-01 00:00:00.123456Z', updated_at = '2026-01-01 00:00:00.1Z'",
        "INSERT INTO key_uses SELECT id, '2026-01-01 00:00:00.000001Z' FROM api_keys
         ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at",
    ] {
        sqlx::query(statement).execute(&rows).await.expect("done");
    }
    let rotate = format!("{}/rotate", fine.path());
    let mut answers = vec![
        fine.body.clone(),
        service.posts(&replica, "/v1/keys/verify", json!({ "key": fine.holder.key })).await.is(200),
        alice.gets(&replica, KEYS).await.is(200),
        alice.gets(&replica, &whole.path()).await.is(200),
        root.gets(&replica, ALL_KEYS).await.is(200),
        alice.posts(&replica, &rotate, json!({ "gracePeriod": 60 })).await.is(201),
        alice.patches(&replica, &whole.path(), json!({ "expiresAt": "2100-01-01T00:00:00.5Z" })).await.is(200),
        alice.deletes(&replica, &whole.path()).await.is(200),
    ];
    let subject = json!({ "issuer": "", "subject": "bob", "notBefore": "2026-01-01T00:00:00Z" });
    answers.push(root.posts(&replica, "/v1/admin/tokens/revoke", subject).await.is(200));
    answers.push(root.gets(&replica, "/v1/admin/audit").await.is(200));
    for answer in answers {
        let mut found = Vec::new();
        instants(&answer, &mut found);
        assert!(!found.is_empty(), "{answer}");
        let wrong: Vec<_> = found.iter().filter(|text| is_instant(text) != Some(true)).collect();
        assert!(wrong.is_empty(), "{wrong:?} in {answer}");
    }
    let shown = alice.gets(&replica, &whole.path()).await.is(200);
    assert_eq!(
        (&shown["createdAt"], &shown["lastUsedAt"]),
        (&json!("2026-01-01T00:00:00.123Z"), &json!("2026-01-01T00:00:00.000Z"))
    );
}
