//! `POST /v1/admin/keys/revoke`: many keys end at once.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_support::{
    actors::Person,
    asking::{MadeKey, Reply, pairs, replica, three_replicas},
    eventually,
    replica::Replica,
};

const REVOKE: &str = "/v1/admin/keys/revoke";

async fn state(replica: &Replica, key: &MadeKey) -> Value {
    Person::administrator().gets(replica, &key.admin_path()).await.is(200)["state"].clone()
}

#[tokio::test]
async fn by_each_condition_exactly_the_keys_that_it_names_are_revoked() {
    let (replica, root) = (replica().await, Person::administrator());
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    let later = "2090-01-01T00:00:00Z";
    let new_keys = [
        json!({ "name": "mine" }),
        json!({ "environment": "test" }),
        json!({ "metadata": { "team": "x" } }),
        json!({ "expiresAt": later }),
        json!({ "enabled": false }),
    ];
    let conditions = [
        (json!({ "name": "mine" }), vec![0]),
        (json!({ "environment": "test" }), vec![1]),
        (json!({ "tag": "team:x" }), vec![2]),
        (json!({ "expiringBefore": "2091-01-01T00:00:00Z" }), vec![3]),
        (json!({ "state": "disabled" }), vec![4]),
        (json!({ "state": "active" }), vec![0, 1, 2, 3]),
        (json!({ "state": "active", "environment": "live", "reason": "all of them" }), vec![0, 2, 3]),
        (json!({ "createdSince": "2001-01-01T00:00:00Z" }), vec![0, 1, 2, 3, 4]),
        (json!({ "createdSince": "2089-01-01T00:00:00Z" }), vec![]),
        (json!({ "expires": "never" }), vec![0, 1, 2, 4]),
        (json!({ "limited": "yes" }), vec![]),
        (json!({ "limited": "no", "environment": "test" }), vec![1]),
    ];
    let rows = replica.database().superuser_pool().await;
    let mut keys = Vec::new();
    for new_key in new_keys {
        keys.push(alice.creates(&replica, new_key).await);
    }
    for (condition, expected) in conditions {
        // Nobody does so but a test, which saves the hashes.
        sqlx::query("UPDATE api_keys SET revoked_at = NULL, revoked_reason = NULL").execute(&rows).await.expect("done");
        let mut body = condition.clone();
        body["owner"] = json!("AGFsaWNl");
        let answer = root.posts(&replica, REVOKE, body).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.is(200)["revoked"], expected.len(), "{condition}");
        for (position, key) in keys.iter().enumerate() {
            assert_eq!(state(&replica, key).await == "revoked", expected.contains(&position), "{condition} {position}");
        }
    }
    // By owner alone, and not those of others.
    let (of_alice, of_bob) = (alice.creates(&replica, json!({})).await, bob.creates(&replica, json!({})).await);
    let answer = root.posts(&replica, REVOKE, json!({ "owner": "AGFsaWNl", "reason": "left" })).await.is(200);
    assert!(answer["revoked"].as_u64() > Some(0) && answer["replicasConfirmed"] == 1, "{answer}");
    assert_eq!((of_alice.status(&replica).await, of_bob.status(&replica).await), (401, 200));
    let shown = alice.gets(&replica, &of_alice.path()).await.is(200);
    assert_eq!(shown["revokedReason"], "left");
    // Without an owner, those of all; the condition alone is enough.
    let answer = root.posts(&replica, REVOKE, json!({ "state": "active" })).await.is(200);
    assert_eq!((&answer["revoked"], of_bob.status(&replica).await), (&json!(1), 401));
}

#[tokio::test]
async fn no_condition_at_all_and_wrong_ones_are_refused() {
    let (replica, root) = (replica().await, Person::administrator());
    let key = root.creates(&replica, json!({})).await;
    for none in [json!({}), json!({ "reason": "all" })] {
        assert_eq!(root.posts(&replica, REVOKE, none).await.wrong_fields(), pairs(&[("/owner", "required")]));
    }
    let wrong = json!({
        "owner": "alice", "state": "revoked", "environment": "x", "name": "", "tag": "x", "expiringBefore": 1,
        "createdSince": "x", "expires": "soon", "leaked": "yes", "limited": true, "reason": "a\nb", "ids": [],
    });
    let names = [
        ("/createdSince", "invalid"),
        ("/environment", "invalid"),
        ("/expires", "invalid"),
        ("/expiringBefore", "wrong_type"),
        ("/ids", "unknown_field"),
        ("/leaked", "unknown_field"),
        ("/limited", "wrong_type"),
        ("/name", "invalid"),
        ("/owner", "invalid"),
        ("/reason", "invalid"),
        ("/state", "invalid"),
        ("/tag", "invalid"),
    ];
    assert_eq!(root.posts(&replica, REVOKE, wrong).await.wrong_fields(), pairs(&names));
    let no_state = root.posts(&replica, REVOKE, json!({ "name": "mine", "state": [] })).await;
    assert_eq!(no_state.wrong_fields(), pairs(&[("/state", "invalid")]));
    assert_eq!(key.status(&replica).await, 200);
}

#[tokio::test]
async fn more_than_500_keys_are_revoked_on_every_replica_when_it_returns() {
    let (database, replicas) = three_replicas(&[]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(alice.creates(&replicas[0], json!({})).await);
    }
    let rows = database.superuser_pool().await;
    let copy = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
                SELECT gen_random_uuid(), issuer, subject, environment, created_at, updated_at, secret_hash
                FROM api_keys, generate_series(1, 400)";
    sqlx::query(copy).execute(&rows).await.expect("copied");
    for key in &keys {
        key.is_everywhere(&replicas, 200).await;
    }
    let answer = root.posts(&replicas[2], REVOKE, json!({ "owner": "AGFsaWNl" })).await.is(200);
    assert_eq!((&answer["revoked"], &answer["replicasExpired"]), (&json!(1203), &json!(0)));
    for key in &keys {
        key.is_everywhere(&replicas, 401).await;
    }
    let events = "SELECT count(*) FROM audit_events WHERE action = 'key.revoked' AND details = '{\"together\": true}'";
    assert_eq!(sqlx::query_scalar::<_, i64>(events).fetch_one(&rows).await.expect("a number"), 1203);
    // A second time finds nothing, and waits until that is true everywhere all the same.
    let again = root.posts(&replicas[2], REVOKE, json!({ "owner": "AGFsaWNl" })).await.is(200);
    assert_eq!((&again["revoked"], &again["replicasConfirmed"]), (&json!(0), &json!(3)));
}

/// While it works, somebody else revokes some of the same keys: that must not look like the end of the list.
#[tokio::test]
async fn keys_that_others_revoke_meanwhile_do_not_keep_the_rest_alive() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let key = alice.creates(&replica, json!({})).await;
    let rows = replica.database().superuser_pool().await;
    let copy = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
                SELECT gen_random_uuid(), issuer, subject, environment, created_at, updated_at, secret_hash
                FROM api_keys, generate_series(1, 600)";
    sqlx::query(copy).execute(&rows).await.expect("copied");
    // One of the first 500 is held by somebody who is about to revoke it.
    let mut other = rows.begin().await.expect("a transaction");
    let revoke = "UPDATE api_keys SET revoked_at = now() WHERE id = (SELECT id FROM api_keys ORDER BY id DESC LIMIT 1)";
    sqlx::query(revoke).execute(&mut *other).await.expect("revoked");
    let (answer, ()) = tokio::join!(root.posts(&replica, REVOKE, json!({ "owner": "AGFsaWNl" })), async {
        waiting_for_a_lock(&rows, 1).await;
        other.commit().await.expect("committed");
    });
    assert_eq!(answer.is(200)["revoked"], 600);
    assert_eq!(key.status(&replica).await, 401);
}

/// Waits until so many of Keyward's statements wait for a lock.
async fn waiting_for_a_lock(rows: &PgPool, expected: i64) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("they wait for a lock", async || {
        sqlx::query_scalar::<_, i64>(waits).fetch_one(rows).await.expect("a count") == expected
    })
    .await;
}

/// The key that took the place of another, where one did, is not accepted.
async fn no_successor_is_accepted(replica: &Replica, rotated: &Reply) {
    match rotated.status {
        201 => assert_eq!(MadeKey::of(rotated.is(201)).status(replica).await, 401),
        _ => rotated.is_problem(409, "key_revoked"),
    }
}

/// Both want the owner's lock, whichever comes first.
#[tokio::test]
async fn a_key_that_is_rotated_while_the_keys_of_its_owner_are_revoked_leaves_no_successor() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let rows = replica.database().superuser_pool().await;
    for rotated_first in [true, false] {
        let key = alice.creates(&replica, json!({})).await;
        let path = format!("{}/rotate", key.path());
        let mut other = rows.begin().await.expect("a transaction");
        sqlx::query("SELECT lock_owner('', 'alice')").execute(&mut *other).await.expect("locked");
        let in_turn = async |mine: bool, request: RequestBuilder| {
            if !mine {
                waiting_for_a_lock(&rows, 1).await;
            }
            Reply::to(request).await
        };
        let (rotated, revoked, ()) = tokio::join!(
            in_turn(rotated_first, alice.request(&replica, Method::POST, &path).json(&json!({ "gracePeriod": 0 }))),
            in_turn(!rotated_first, root.request(&replica, Method::POST, REVOKE).json(&json!({ "owner": "AGFsaWNl" }))),
            async {
                waiting_for_a_lock(&rows, 2).await;
                other.commit().await.expect("committed");
            },
        );
        assert_eq!(revoked.is(200)["revoked"], 1);
        no_successor_is_accepted(&replica, &rotated).await;
        assert_eq!(key.status(&replica).await, 401);
    }
}

/// The rotation has written all but its audit event when the revoke begins, and cannot see the successor.
#[tokio::test]
async fn a_successor_that_is_made_while_keys_of_anybody_are_revoked_is_revoked_too() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let rows = replica.database().superuser_pool().await;
    for filter in [json!({ "state": "active" }), json!({ "owner": "AGFsaWNl" })] {
        for grace in [0, 60] {
            let key = alice.creates(&replica, json!({})).await;
            let path = format!("{}/rotate", key.path());
            let mut other = rows.begin().await.expect("a transaction");
            sqlx::query("LOCK TABLE audit_events IN SHARE MODE").execute(&mut *other).await.expect("locked");
            let (rotated, revoked, ()) = tokio::join!(
                alice.posts(&replica, &path, json!({ "gracePeriod": grace })),
                async {
                    waiting_for_a_lock(&rows, 1).await;
                    root.posts(&replica, REVOKE, filter.clone()).await
                },
                async {
                    waiting_for_a_lock(&rows, 2).await;
                    other.commit().await.expect("committed");
                },
            );
            revoked.is(200);
            assert_eq!(MadeKey::of(rotated.is(201)).status(&replica).await, 401, "{filter} {grace}");
            assert_eq!(key.status(&replica).await, 401);
        }
    }
}

#[tokio::test]
async fn the_conditions_are_those_of_lists_and_a_dry_run_counts_without_revoking() {
    let (replica, root, alice) = (replica().await, Person::administrator(), Person::named("alice"));
    let used = alice.creates(&replica, json!({ "name": "night shift", "scopes": ["orders:read"] })).await;
    let unused = alice.creates(&replica, json!({ "description": "for the Night" })).await;
    let disabled = alice.creates(&replica, json!({ "enabled": false })).await;
    assert_eq!(used.status(&replica).await, 200);
    let rows = replica.database().superuser_pool().await;
    let note = "INSERT INTO key_uses (key_id, last_used_at) SELECT id, now() + interval '1 hour' FROM api_keys WHERE name = 'night shift'
                ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at";
    sqlx::query(note).execute(&rows).await.expect("noted");
    let soon = time::OffsetDateTime::now_utc() + time::Duration::minutes(1);
    let soon = soon.format(&time::format_description::well_known::Rfc3339).expect("a time");
    for (conditions, expected) in [
        (json!({ "search": "NIGHT" }), 2),
        (json!({ "scope": "orders:read" }), 1),
        (json!({ "unusedSince": soon }), 2),
        (json!({ "usedSince": soon }), 1),
        (json!({ "state": "active,disabled" }), 3),
        (json!({ "state": ["disabled"] }), 1),
        (json!({ "owner": "AGFsaWNl" }), 3),
        (json!({ "owner": { "subject": "alice" }, "search": "night", "state": "active" }), 2),
    ] {
        let mut dry = conditions.clone();
        dry["dryRun"] = json!(true);
        let answer = root.posts(&replica, REVOKE, dry).await.is(200);
        assert_eq!(answer, json!({ "dryRun": true, "wouldBeRevoked": expected }), "{conditions}");
        for key in [&used, &unused, &disabled] {
            assert_ne!(state(&replica, key).await, "revoked", "{conditions}");
        }
    }
    let answer = root.posts(&replica, REVOKE, json!({ "search": "night", "unusedSince": soon, "dryRun": false })).await;
    assert_eq!(answer.is(200)["revoked"], 1);
    assert_eq!((state(&replica, &unused).await, state(&replica, &used).await), (json!("revoked"), json!("active")));
    let empty = root.posts(&replica, REVOKE, json!({ "dryRun": true })).await;
    assert_eq!(empty.wrong_fields(), pairs(&[("/owner", "required")]));
}
