//! What real replicas count, on a real Postgres, and what of it survives.

use futures_util::future::join_all;
use serde_json::json;
use test_support::{
    actors::Person,
    asking::{SHORT_LEASE, VERIFY, replica_with, three_replicas},
    eventually,
    replica::Replica,
};

use crate::{OF_ALL, OF_KEYS, OFTEN, SELDOM, stop, usage_of, wire::Wire, written};

#[tokio::test]
async fn the_uses_of_three_replicas_that_stop_add_up_exactly() {
    let (database, mut replicas) = three_replicas(&[SELDOM]).await;
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    let (key, other) = (alice.creates(&replicas[0], json!({})).await, bob.creates(&replicas[0], json!({})).await);
    let disabled = alice.creates(&replicas[0], json!({ "enabled": false })).await;
    for _ in 0..20 {
        let uses = replicas.iter().flat_map(|replica| [key.status(replica), other.status(replica)]);
        assert!(join_all(uses).await.into_iter().all(|status| status == 200));
        assert!(join_all(replicas.iter().map(|replica| disabled.status(replica))).await.iter().all(|one| *one == 401));
    }
    let rows = database.superuser_pool().await;
    assert_eq!(written(&rows, OF_KEYS).await, (0, 0));
    for replica in &mut replicas {
        stop(replica).await;
    }
    assert_eq!(written(&rows, OF_KEYS).await, (180, 180));
    assert_eq!(written(&rows, OF_ALL).await, (180, 180));

    let replica = Replica::start_on(database.url(), &[SHORT_LEASE]).await;
    let totals = async |person: &Person, key| usage_of(&replica, person, key, "").await["totals"].clone();
    assert_eq!(totals(&alice, &key).await, json!({ "granted": 60, "refused": {} }));
    assert_eq!(totals(&bob, &other).await, json!({ "granted": 60, "refused": {} }));
    assert_eq!(totals(&alice, &disabled).await, json!({ "granted": 0, "refused": { "disabled": 60 } }));
    let all = alice.gets(&replica, "/v1/usage?granularity=hour").await.is(200);
    assert_eq!(all["totals"], json!({ "granted": 60, "refused": { "disabled": 60 } }));
}

#[tokio::test]
async fn uses_are_counted_by_what_came_of_them() {
    let replica = replica_with(&[OFTEN]).await;
    let (alice, service) = (Person::named("alice"), Person::with_scopes("service", "keyward:verify"));
    let limits = json!([{ "name": "month", "limit": 3, "window": "month" }]);
    let body = json!({ "limits": limits, "allowedIps": ["192.0.2.1", "127.0.0.1"] });
    let key = alice.creates(&replica, body).await;
    let asks = async |more: serde_json::Value| {
        let mut question = json!({ "key": key.holder.key, "clientAddress": "192.0.2.1" });
        question.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        service.posts(&replica, VERIFY, question).await.is(200)["code"].clone()
    };
    assert_eq!(key.status(&replica).await, 200);
    assert_eq!(asks(json!({})).await, "valid");
    assert_eq!(asks(json!({ "clientAddress": "192.0.2.2" })).await, "address_not_allowed");
    assert_eq!(asks(json!({ "scopes": ["a"] })).await, "insufficient_scope");
    assert_eq!(asks(json!({ "environment": "test" })).await, "wrong_environment");
    // What is asked without spending is a use, too.
    assert_eq!(asks(json!({ "cost": 0 })).await, "valid");
    assert_eq!(asks(json!({})).await, "valid");
    for _ in 0..4 {
        assert_eq!(asks(json!({})).await, "rate_limited");
    }
    // Texts that are not this key count for no key.
    assert_eq!(asks(json!({ "key": format!("{}x", key.holder.key) })).await, "not_found");
    let expected = json!({ "granted": 4, "refused": {
        "address_not_allowed": 1, "insufficient_scope": 1, "wrong_environment": 1, "rate_limited": 4 } });
    eventually("all uses are written", async || usage_of(&replica, &alice, &key, "").await["totals"] == expected).await;
    alice.deletes(&replica, &key.path()).await.is(200);
    assert_eq!(key.status(&replica).await, 401);
    let refused = async || usage_of(&replica, &alice, &key, "?outcome=revoked").await["totals"]["refused"].clone();
    eventually("the last is written", async || refused().await == json!({ "revoked": 1 })).await;
}

#[tokio::test]
async fn a_replica_that_is_killed_loses_no_more_than_what_was_not_written() {
    let (database, mut replicas) = three_replicas(&[OFTEN]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replicas[0], json!({})).await;
    let rows = database.superuser_pool().await;
    for _ in 0..10 {
        key.is_everywhere(&replicas, 200).await;
    }
    eventually("all are written", async || written(&rows, OF_KEYS).await == (30, 30)).await;
    for _ in 0..5 {
        key.is_everywhere(&replicas, 200).await;
    }
    replicas[0].signal("KILL");
    assert_eq!(replicas[0].exit_code().await, None);
    for replica in &mut replicas[1..] {
        stop(replica).await;
    }
    let (hours, days) = written(&rows, OF_KEYS).await;
    // All of the others, and of the killed one nothing or all that it had written since.
    assert!(hours == days && (40..=45).contains(&hours), "{hours} {days}");
    assert_eq!(written(&rows, OF_ALL).await, (hours, days));
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_not_counted_twice_and_nothing_is_lost() {
    let database = test_support::database().await;
    let (wire, url) = Wire::to(database.url(), 3).await;
    let mut replica = Replica::start_on(&url, &[SHORT_LEASE, OFTEN]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    let rows = database.superuser_pool().await;
    let mut uses = 0;
    eventually("three answers are lost", async || {
        assert_eq!(key.status(&replica).await, 200);
        uses += 1;
        wire.lost() == 3
    })
    .await;
    replica.prints("could not write the uses of keys").await;
    assert_eq!(key.status(&replica).await, 200);
    stop(&mut replica).await;
    assert_eq!(written(&rows, OF_KEYS).await, (uses + 1, uses + 1));
}

#[tokio::test]
async fn uses_wait_for_a_database_that_does_not_take_them() {
    let mut replica = replica_with(&[OFTEN]).await;
    let rows = replica.database().superuser_pool().await;
    let refusing = "CREATE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$";
    sqlx::query(refusing).execute(&rows).await.expect("a function");
    let trigger = "CREATE TRIGGER refuses BEFORE INSERT ON usage_writers EXECUTE FUNCTION refuses()";
    sqlx::query(trigger).execute(&rows).await.expect("a trigger");
    let key = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    replica.prints("could not write the uses of keys").await;
    for _ in 0..5 {
        assert_eq!(key.status(&replica).await, 200);
    }
    sqlx::query("DROP TRIGGER refuses ON usage_writers").execute(&rows).await.expect("no trigger");
    replica.prints("the uses of keys are written again").await;
    stop(&mut replica).await;
    assert_eq!(written(&rows, OF_KEYS).await, (6, 6));
}

#[tokio::test]
async fn what_cannot_be_written_at_the_end_is_told() {
    let mut replica = replica_with(&[SELDOM]).await;
    let rows = replica.database().superuser_pool().await;
    let key = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    sqlx::query("ALTER TABLE usage_hours RENAME TO elsewhere").execute(&rows).await.expect("renamed");
    stop(&mut replica).await;
    assert!(replica.output().contains("could not be written before the end"), "{}", replica.last_output());
}
