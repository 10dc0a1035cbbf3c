//! How often an owner changes keys in a day.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, MadeKey, Reply, replica_with, three_replicas},
    replica::Replica,
};

use crate::commands::keyward;

const THREE: (&str, &str) = ("KEYWARD__KEYS__MAX_CHANGES_PER_DAY", "3");

/// Asks for another name of a key.
async fn renames(person: &Person, replica: &Replica, key: &MadeKey, name: &str) -> Reply {
    person.patches(replica, &key.path(), json!({ "name": name })).await
}

/// That it is refused, for so many hours and what is left of this one.
#[track_caller]
fn is_too_many(answer: &Reply, hours: u64) {
    answer.is_problem(429, "too_many_changes");
    let retry_after = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    let retry_after = retry_after.expect("a number of seconds");
    // The hour may have ended meanwhile.
    let (least, most) = ((hours * 3_600).saturating_sub(120), (hours + 1) * 3_600 + 1);
    assert!((least..=most).contains(&retry_after), "{retry_after} is not in {least} to {most}");
}

/// The actions of the events of alice's keys, oldest first.
async fn actions(alice: &Person, replica: &Replica) -> Vec<String> {
    let events = alice.gets(replica, "/v1/audit?limit=100").await.is(200);
    let events = events["events"].as_array().expect("a list").iter().rev();
    events.map(|event| event["action"].as_str().expect("a word").to_owned()).collect()
}

async fn rows(pool: &PgPool) -> Vec<(String, i32)> {
    let query =
        "SELECT subject, (SELECT sum(number)::integer FROM unnest(changes) AS number) FROM owner_changes ORDER BY 1";
    sqlx::query_as(query).fetch_all(pool).await.expect("rows")
}

/// Makes all counts older by so many hours.
async fn older_by(pool: &PgPool, hours: i32) {
    let older = "UPDATE owner_changes SET hour = hour - $1";
    sqlx::query(older).bind(hours).execute(pool).await.expect("older counts");
}

#[tokio::test]
async fn an_owner_changes_keys_so_often_in_a_day_on_whichever_replica_and_can_always_stop_them() {
    let (database, replicas) = three_replicas(&[THREE]).await;
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(alice.creates(&replicas[0], json!({ "credits": { "remaining": 5 } })).await);
    }
    // Twelve changes at once, of all her keys, by all replicas.
    let names: Vec<String> = (0..12).map(|number| format!("key {number}")).collect();
    let asks = (0..12).map(|number| renames(&alice, &replicas[number % 3], &keys[number % 4], &names[number]));
    let (done, refused): (Vec<_>, Vec<_>) = join_all(asks).await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(done.len(), 3, "{refused:#?}");
    refused.iter().for_each(|answer| is_too_many(answer, 24));
    let pool = database.superuser_pool().await;
    assert_eq!(rows(&pool).await, [("alice".to_owned(), 3)]);

    // Nor in any other way that adds to the audit, by whichever route.
    let key = &keys[0];
    let credits = json!({ "operation": "add", "amount": 1 });
    is_too_many(&alice.posts(&replicas[0], &format!("{}/credits", key.path()), credits).await, 24);
    is_too_many(&alice.patches(&replicas[1], &key.path(), json!({ "enabled": false, "description": "x" })).await, 24);
    let his = bob.creates(&replicas[1], json!({})).await;
    renames(&bob, &replicas[1], &his, "his").await.is(200);

    // What changes nothing is answered as ever, and what stops a key is done.
    let shown = alice.gets(&replicas[2], &key.path()).await.is(200);
    assert_eq!(shown["credits"]["remaining"], 5);
    alice.patches(&replicas[2], &key.path(), json!({ "name": shown["name"] })).await.is(200);
    alice.posts(&replicas[0], &format!("{}/disable", key.path()), json!({ "reason": "a leak" })).await.is(200);
    key.is_everywhere(&replicas, 401).await;
    is_too_many(&Reply::to(alice.request(&replicas[1], Method::POST, &format!("{}/enable", key.path()))).await, 24);
    is_too_many(&alice.patches(&replicas[1], &key.path(), json!({ "enabled": true })).await, 24);
    alice.patches(&replicas[0], &keys[1].path(), json!({ "enabled": false })).await.is(200);
    let rotate = format!("{}/rotate", keys[2].path());
    let successor = MadeKey::of(alice.posts(&replicas[1], &rotate, json!({ "gracePeriod": 0 })).await.is(201));
    alice.deletes(&replicas[2], &successor.path()).await.is(200);
    alice.deletes(&replicas[2], &keys[3].path()).await.is(200);
    keys[3].is_everywhere(&replicas, 401).await;
    let mut actions = actions(&alice, &replicas[0]).await;
    actions.retain(|action| action != "key.created");
    let stopped = ["key.disabled", "key.disabled", "key.rotated", "key.revoked", "key.revoked"];
    assert_eq!(actions, [&["key.updated"; 3][..], &stopped].concat());

    // The next day, and what was counted of the day before is gone.
    older_by(&pool, 25).await;
    Reply::to(alice.request(&replicas[1], Method::POST, &format!("{}/enable", key.path()))).await.is(200);
    assert_eq!(rows(&pool).await, [("alice".to_owned(), 1)]);
}

#[tokio::test]
async fn changes_of_an_hour_count_until_a_day_after_it_and_no_longer() {
    let replica = replica_with(&[THREE]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    let pool = replica.database().superuser_pool().await;
    let mut number = 0;
    let mut changes = async || {
        number += 1;
        renames(&alice, &replica, &key, &number.to_string()).await
    };
    changes().await.is(200);
    changes().await.is(200);
    older_by(&pool, 10).await;
    changes().await.is(200);
    is_too_many(&changes().await, 24 - 10);
    older_by(&pool, 14).await;
    // The first two were 24 hours ago: the end of their hour may have been less.
    is_too_many(&changes().await, 0);
    older_by(&pool, 1).await;
    changes().await.is(200);
    changes().await.is(200);
    is_too_many(&changes().await, 24 - 15);
    // Whatever was before, there are no more numbers than hours that count.
    let length = sqlx::query_scalar::<_, i32>("SELECT array_length(changes, 1) FROM owner_changes").fetch_one(&pool);
    assert_eq!(length.await.ok(), Some(25));
    // Who has begun just before the hour counts for the one that has begun meanwhile.
    older_by(&pool, -1).await;
    is_too_many(&changes().await, 24 - 15 + 1);
}

/// What a wrong clock has left, or one that was set back: nobody waits for a date that is a year away.
#[tokio::test]
async fn changes_of_the_future_count_for_nothing_and_lock_nobody_out() {
    let replica = replica_with(&[THREE]).await;
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    let key = alice.creates(&replica, json!({})).await;
    let his = bob.creates(&replica, json!({})).await;
    let pool = replica.database().superuser_pool().await;
    for name in ["a", "b", "c"] {
        renames(&alice, &replica, &key, name).await.is(200);
    }
    is_too_many(&renames(&alice, &replica, &key, "d").await, 24);
    older_by(&pool, -8760).await;
    // What is deleted goes by the same clock.
    renames(&bob, &replica, &his, "his").await.is(200);
    for name in ["e", "f", "g"] {
        renames(&alice, &replica, &key, name).await.is(200);
    }
    is_too_many(&renames(&alice, &replica, &key, "h").await, 24);
    assert_eq!(rows(&pool).await, [("alice".to_owned(), 3), ("bob".to_owned(), 1)]);
}

#[tokio::test]
async fn a_change_that_leaves_much_in_the_audit_counts_as_several() {
    let replica = replica_with(&[("KEYWARD__KEYS__MAX_CHANGES_PER_DAY", "20")]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    let pool = replica.database().superuser_pool().await;
    let counted = async || rows(&pool).await[0].1;
    let ordinary = json!({ "description": "x".repeat(1_000), "metadata": { "team": "x".repeat(1_000) } });
    alice.patches(&replica, &key.path(), ordinary).await.is(200);
    assert_eq!(counted().await, 1);
    // Almost 4 KB each in the old and the new value.
    for (letter, expected) in [("y", 1 + 2), ("z", 1 + 2 + 2)] {
        let body = json!({ "metadata": { "team": letter.repeat(3_900) } });
        alice.patches(&replica, &key.path(), body).await.is(200);
        assert_eq!(counted().await, expected);
    }
    // Short as text, and three times as long as it is stored.
    let digits = |digit: usize| json!({ "metadata": { "team": null, "digits": vec![digit; 2_000] } });
    alice.patches(&replica, &key.path(), digits(1)).await.is(200);
    let (before, _) = (counted().await, renames(&alice, &replica, &key, "short").await.is(200));
    assert!(before >= 10 && counted().await == before + 1, "{before}");
    // The last one may go beyond the limit: a large change is never impossible.
    alice.patches(&replica, &key.path(), digits(2)).await.is(200);
    is_too_many(&renames(&alice, &replica, &key, "again").await, 24);
}

#[tokio::test]
async fn administrators_and_the_command_line_change_keys_as_often_as_they_like() {
    let replica = replica_with(&[("KEYWARD__KEYS__MAX_CHANGES_PER_DAY", "1")]).await;
    let (alice, root) = (Person::named("alice"), Person::administrator());
    let key = alice.creates(&replica, json!({})).await;
    let path = format!("{ALL_KEYS}/{}", key.id);
    let change = async |number: usize| {
        root.patches(&replica, &path, json!({ "name": number.to_string() })).await.is(200);
        let described = number.to_string();
        let command = ["keys", "update", &key.id, "--description", &described];
        keyward(replica.database(), &command).await.succeeded();
    };
    for number in 0..3 {
        change(number).await;
    }
    // Theirs take nothing of hers.
    renames(&alice, &replica, &key, "hers").await.is(200);
    is_too_many(&renames(&alice, &replica, &key, "again").await, 24);
    change(4).await;
    for action in ["disable", "enable"] {
        Reply::to(root.request(&replica, Method::POST, &format!("{path}/{action}"))).await.is(200);
    }
}

#[tokio::test]
async fn where_there_is_no_limit_nothing_is_counted() {
    let replica = replica_with(&[("KEYWARD__KEYS__MAX_CHANGES_PER_DAY", "0")]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    for name in ["a", "b", "c"] {
        renames(&alice, &replica, &key, name).await.is(200);
    }
    let pool = replica.database().superuser_pool().await;
    assert!(rows(&pool).await.is_empty());
}
