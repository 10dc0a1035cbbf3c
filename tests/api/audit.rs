//! Who did what to which key, when, from where: in the transaction of the change, and final.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use test_support::{
    actors::{Person, claims, stranger},
    asking::{KEYS, MadeKey, Reply, pairs, replica, replica_with},
    program::{Ended, run_beside},
    replica::{Replica, command},
};

const AUDIT: &str = "/v1/audit";
const ALL: &str = "/v1/admin/audit";

async fn events(person: &Person, replica: &Replica, path: &str) -> Vec<Value> {
    person.gets(replica, path).await.is(200)["events"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn every_change_writes_who_did_what_to_which_key_from_where_and_in_which_request() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let with_id = async |person: &Person, method: Method, path: &str, id: &str, body: Value| {
        let request = person.request(&replica, method, path).header("x-request-id", id).json(&body);
        Reply::to(request).await
    };
    let made = MadeKey::of(with_id(&alice, Method::POST, KEYS, "r1", json!({})).await.is(201));
    let path = made.path();
    with_id(&alice, Method::PATCH, &path, "r2", json!({ "name": "x", "scopes": ["a"], "enabled": true })).await.is(200);
    with_id(&alice, Method::PATCH, &path, "r3", json!({ "enabled": false })).await.is(200);
    with_id(&root, Method::POST, &format!("{}/enable", made.admin_path()), "r4", json!({})).await.is(200);
    let rotation = with_id(&alice, Method::POST, &format!("{path}/rotate"), "r5", json!({ "gracePeriod": 60 })).await;
    let new = MadeKey::of(rotation.is(201));
    let owner = made.body["owner"]["id"].as_str().expect("an id");
    let switch = |action: &str| format!("/v1/admin/owners/{owner}/{action}");
    with_id(&root, Method::POST, &switch("disable"), "r6", json!({ "reason": "unpaid" })).await.is(200);
    with_id(&root, Method::POST, &switch("enable"), "r7", json!({})).await.is(200);
    let request = stranger(&replica, Method::DELETE, &format!("{KEYS}/self?reason=leaked"));
    Reply::to(request.header("x-api-key", &new.holder.key).header("x-request-id", "r8")).await.is(200);
    with_id(&root, Method::POST, "/v1/admin/keys/revoke", "r9", json!({ "owner": owner })).await.is(200);
    // What changes nothing and what is refused is no event.
    with_id(&alice, Method::DELETE, &path, "r10", json!({})).await.is(200);
    with_id(&alice, Method::PATCH, &path, "r11", json!({ "name": "y" })).await.is_problem(409, "key_revoked");

    let token = |subject: &str| json!({ "kind": "token", "issuer": "", "subject": subject, "keyId": null });
    let by_key = json!({ "kind": "key", "issuer": null, "subject": null, "keyId": new.id });
    let mut expected = [
        ("r1", "key.created", json!(made.id), token("alice"), json!({})),
        (
            "r2",
            "key.updated",
            json!(made.id),
            token("alice"),
            json!({ "changed": ["name", "scopes"], "changes": {
            "name": { "from": null, "to": "x" }, "scopes": { "from": [], "to": ["a"] } } }),
        ),
        (
            "r3",
            "key.disabled",
            json!(made.id),
            token("alice"),
            json!({ "changed": ["enabled"], "changes": {
            "enabled": { "from": true, "to": false } } }),
        ),
        (
            "r4",
            "key.enabled",
            json!(made.id),
            token("root"),
            json!({ "changes": {
            "enabled": { "from": false, "to": true } } }),
        ),
        ("r5", "key.rotated", json!(made.id), token("alice"), json!({ "successor": new.id, "gracePeriod": 60 })),
        ("r6", "owner.disabled", Value::Null, token("root"), json!({ "reason": "unpaid" })),
        ("r7", "owner.enabled", Value::Null, token("root"), json!({})),
        ("r8", "key.revoked", json!(new.id), by_key, json!({ "reason": "leaked" })),
        ("r9", "key.revoked", json!(made.id), token("root"), json!({ "together": true })),
    ];
    expected.reverse();
    let found = events(&alice, &replica, AUDIT).await;
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (event, (request, action, key, actor, details)) in found.iter().zip(expected) {
        let told = (&event["requestId"], &event["action"], &event["keyId"], &event["actor"], &event["details"]);
        assert_eq!(told, (&json!(request), &json!(action), &key, &actor, &details));
        assert_eq!((&event["owner"], &event["address"]), (&made.body["owner"], &json!("127.0.0.1")));
        assert!(event["at"].as_str().is_some_and(|at| at.ends_with('Z')));
    }
    assert_eq!(found.last().expect("one")["at"], made.body["createdAt"]);
    assert_eq!(events(&root, &replica, ALL).await, found);
    let of_new = events(&alice, &replica, &format!("{AUDIT}?keyId={}", new.id)).await;
    assert_eq!(of_new.iter().map(|event| &event["requestId"]).collect::<Vec<_>>(), ["r8"]);
}

#[tokio::test]
async fn an_owner_sees_only_events_about_the_owners_own_keys_and_an_administrator_all() {
    let (replica, root) = (replica().await, Person::administrator());
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    for person in [&alice, &bob, &bob] {
        person.creates(&replica, json!({})).await;
    }
    let owners = |events: Vec<Value>| -> Vec<String> {
        events.iter().map(|event| event["owner"]["subject"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(owners(events(&alice, &replica, AUDIT).await), ["alice"]);
    assert_eq!(owners(events(&bob, &replica, AUDIT).await), ["bob", "bob"]);
    assert_eq!(owners(events(&root, &replica, AUDIT).await), [""; 0]);
    assert_eq!(owners(events(&root, &replica, ALL).await), ["bob", "bob", "alice"]);
    assert_eq!(owners(events(&root, &replica, &format!("{ALL}?owner=AGFsaWNl")).await), ["alice"]);
    for bad in ["owner=alice", "keyId=x", "limit=0", "cursor=x", "action=key.made"] {
        root.gets(&replica, &format!("{ALL}?{bad}")).await.is_problem(400, "invalid_parameters");
    }
}

#[tokio::test]
async fn events_are_read_in_pages_newest_first_without_repetition_or_loss() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    for _ in 0..7 {
        alice.creates(&replica, json!({})).await;
    }
    let all = events(&alice, &replica, &format!("{AUDIT}?limit=100")).await;
    let mut walked = Vec::new();
    let mut path = format!("{AUDIT}?limit=2");
    loop {
        let page = alice.gets(&replica, &path).await.is(200);
        walked.extend(page["events"].as_array().expect("a list").clone());
        // What happens meanwhile stands before the beginning.
        alice.creates(&replica, json!({})).await;
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("{AUDIT}?limit=2&cursor={cursor}");
    }
    assert_eq!((walked.len(), walked), (7, all));
    let cursor_of_keys = alice.gets(&replica, &format!("{KEYS}?limit=1")).await.is(200)["nextCursor"].clone();
    let path = format!("{AUDIT}?cursor={}", cursor_of_keys.as_str().expect("a cursor"));
    assert_eq!(alice.gets(&replica, &path).await.wrong_parameters(), pairs(&[("cursor", "invalid")]));
}

#[tokio::test]
async fn nobody_changes_or_deletes_an_event_not_even_who_owns_the_table() {
    let replica = replica().await;
    Person::named("alice").makes_a_key(&replica).await;
    let rows = replica.database().superuser_pool().await;
    for statement in ["UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"] {
        let error = sqlx::query(statement).execute(&rows).await.expect_err(statement).to_string();
        assert!(error.contains("audit events are neither changed nor deleted"), "{statement}: {error}");
    }
    assert_eq!(count(&rows).await, 1);
}

async fn count(rows: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM audit_events").fetch_one(rows).await.expect("a number")
}

#[tokio::test]
async fn a_change_without_its_event_does_not_happen() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let made = alice.creates(&replica, json!({})).await;
    let rows = replica.database().superuser_pool().await;
    let full = "ALTER TABLE audit_events ADD CONSTRAINT full_up CHECK (false) NOT VALID";
    sqlx::query(full).execute(&rows).await.expect("altered");
    let path = made.path();
    for answer in [
        alice.posts(&replica, KEYS, json!({})).await,
        alice.patches(&replica, &path, json!({ "name": "x" })).await,
        alice.posts(&replica, &format!("{path}/rotate"), json!({})).await,
        alice.posts(&replica, &format!("{path}/disable"), json!({})).await,
        alice.deletes(&replica, &path).await,
        Person::administrator().posts(&replica, "/v1/admin/keys/revoke", json!({ "state": "active" })).await,
        Person::administrator().posts(&replica, "/v1/admin/owners/AGFsaWNl/disable", json!({})).await,
    ] {
        answer.is_problem(503, "unavailable");
    }
    let keys = alice.gets(&replica, KEYS).await.is(200);
    let mut same = made.body.clone();
    same.as_object_mut().expect("an object").remove("apiKey");
    assert_eq!(keys["keys"], json!([same]));
    assert_eq!(made.status(&replica).await, 200);
}

#[tokio::test]
async fn what_is_older_than_the_retention_goes_by_whole_months_when_the_schema_is_brought_up_to_date() {
    let replica = replica_with(&[("KEYWARD__AUDIT__RETENTION", "0s")]).await;
    let rows = replica.database().superuser_pool().await;
    let months = async || -> Vec<String> {
        let partitions = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_events'::regclass
                          ORDER BY 1 LIMIT 2";
        sqlx::query_scalar(partitions).fetch_all(&rows).await.expect("rows")
    };
    for (month, from, to) in [("2001_02", "2001-02-01", "2001-03-01"), ("2020_12", "2020-12-01", "2021-01-01")] {
        let table = format!(
            "CREATE TABLE audit_events_{month} PARTITION OF audit_events
             FOR VALUES FROM ('{from} 00:00:00+00') TO ('{to} 00:00:00+00')"
        );
        sqlx::query(AssertSqlSafe(table)).execute(&rows).await.expect("a month");
    }
    let migrate = async |retention: &str| -> Ended {
        let mut migrate = command();
        migrate.arg("migrate").env("DATABASE_URL", replica.database().url());
        run_beside({
            migrate.env("KEYWARD__AUDIT__RETENTION", retention);
            migrate
        })
        .await
    };
    migrate("0s").await.succeeded();
    assert_eq!(months().await, ["audit_events_2001_02", "audit_events_2020_12"]);
    migrate("7300d").await.succeeded();
    assert_eq!(months().await[0], "audit_events_2020_12");
    migrate("400d").await.succeeded();
    assert!(!months().await[0].contains("2020"));
    // The present stays, and the replica writes on.
    Person::with_claims(&claims("alice")).makes_a_key(&replica).await;
    assert_eq!(count(&rows).await, 1);
}
