//! A key gets a successor.

use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, SHORT_LEASE, pairs, replica_with, shared_replica, three_replicas},
    replica::Replica,
    shown::same_json,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

async fn rotate(person: &Person, replica: &Replica, key: &MadeKey, body: Value) -> Reply {
    person.posts(replica, &format!("{}/rotate", key.path()), body).await
}

fn time_of(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().expect("a text"), &Rfc3339).expect("a time")
}

#[tokio::test]
async fn a_rotation_without_grace_ends_the_old_key_on_every_replica_at_once() {
    let (_database, replicas) = three_replicas(&[]).await;
    let alice = Person::named("alice");
    for _ in 0..5 {
        let old = alice.creates(&replicas[0], json!({})).await;
        old.is_everywhere(&replicas, 200).await;
        let new = MadeKey::of(rotate(&alice, &replicas[1], &old, json!({ "gracePeriod": 0 })).await.is(201));
        old.is_everywhere(&replicas, 401).await;
        new.is_everywhere(&replicas, 200).await;
        let old = alice.gets(&replicas[2], &old.path()).await.is(200);
        assert_eq!((&old["state"], &old["revokedReason"]), (&json!("revoked"), &json!("rotated")));
        assert_eq!(old["successorId"], new.id);
        assert_eq!(new.body["predecessor"], old);
    }
}

/// Who rotates without a word does not mean an outage.
#[tokio::test]
async fn a_rotation_that_does_not_say_how_long_leaves_the_configured_grace_period() {
    for (env, grace) in [(&[][..], Duration::DAY), (&[("KEYWARD__KEYS__ROTATION_GRACE", "90s")], Duration::seconds(90))]
    {
        let replica = test_support::asking::replica_with(env).await;
        let alice = Person::named("alice");
        let silent = alice.creates(&replica, json!({})).await;
        let path = format!("{}/rotate", silent.path());
        Reply::to(alice.request(&replica, reqwest::Method::POST, &path)).await.is(201);
        let empty = alice.creates(&replica, json!({})).await;
        rotate(&alice, &replica, &empty, json!({})).await.is(201);
        let null = alice.creates(&replica, json!({})).await;
        let new = rotate(&alice, &replica, &null, json!({ "gracePeriod": null })).await.is(201);
        for old in [&silent, &empty, &null] {
            assert_eq!(old.status(&replica).await, 200);
        }
        let old = &new["predecessor"];
        assert_eq!(time_of(&old["expiresAt"]) - time_of(&new["createdAt"]), grace);
        // The body's own word counts, and so does an earlier end.
        let now = alice.creates(&replica, json!({})).await;
        rotate(&alice, &replica, &now, json!({ "gracePeriod": 0 })).await.is(201);
        assert_eq!(now.status(&replica).await, 401);
        let short = alice.creates(&replica, json!({ "expiresIn": 60 })).await;
        let new = rotate(&alice, &replica, &short, json!({})).await.is(201);
        assert_eq!(new["predecessor"]["expiresAt"], short.body["expiresAt"]);
    }
    let replica = test_support::asking::replica_with(&[("KEYWARD__KEYS__ROTATION_GRACE", "0s")]).await;
    let alice = Person::named("alice");
    let old = alice.creates(&replica, json!({})).await;
    rotate(&alice, &replica, &old, json!({})).await.is(201);
    assert_eq!(old.status(&replica).await, 401);
}

/// Whoever has lost the answer learns where to go on.
#[tokio::test]
async fn who_rotates_again_is_told_which_successor_there_is() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let root = Person::administrator();
    let old = alice.creates(&replica, json!({})).await;
    let new = MadeKey::of(rotate(&alice, &replica, &old, json!({ "gracePeriod": 0 })).await.is(201));
    for person in [(&alice, old.path()), (&root, format!("/v1/admin/keys/{}", old.id))] {
        let answer = person.0.posts(&replica, &format!("{}/rotate", person.1), json!({})).await;
        answer.is_problem(409, "already_rotated");
        let problem = answer.is(409);
        assert_eq!(problem["successor"], new.id, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(&new.id)), "{problem}");
    }
    MadeKey::of(rotate(&alice, &replica, &new, json!({})).await.is(201));
}

#[tokio::test]
async fn in_the_grace_period_both_keys_work_and_the_old_one_says_when_it_ends() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let old = alice.creates(&replica, json!({})).await;
    let answer = rotate(&alice, &replica, &old, json!({ "gracePeriod": 3600 })).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let new = MadeKey::of(answer.is(201));
    assert_eq!((old.status(&replica).await, new.status(&replica).await), (200, 200));
    let before = alice.gets(&replica, &old.path()).await.is(200);
    assert_eq!((&before["state"], &before["successorId"]), (&json!("active"), &json!(new.id)));
    assert_eq!(time_of(&before["expiresAt"]) - time_of(&new.body["createdAt"]), Duration::HOUR);
    rotate(&alice, &replica, &old, json!({})).await.is_problem(409, "already_rotated");
    // The successor has a successor of its own.
    let third = MadeKey::of(rotate(&alice, &replica, &new, json!({ "gracePeriod": 1 })).await.is(201));
    assert_eq!(third.status(&replica).await, 200);
}

/// For so long, an owner has two keys that count as one.
#[tokio::test]
async fn no_rotation_leaves_the_old_key_for_longer_than_is_allowed() {
    let short = [("KEYWARD__KEYS__ROTATION_GRACE", "1h"), ("KEYWARD__KEYS__MAX_ROTATION_GRACE", "2h")];
    for (env, longest, named) in [(&[][..], 30 * 86_400, "30d"), (&short, 7_200, "2h")] {
        let replica = replica_with(env).await;
        let (alice, root) = (Person::named("alice"), Person::administrator());
        let old = alice.creates(&replica, json!({})).await;
        let longer = json!({ "gracePeriod": longest + 1 });
        for refused in [
            rotate(&alice, &replica, &old, longer.clone()).await,
            root.posts(&replica, &format!("{ALL_KEYS}/{}/rotate", old.id), longer).await,
        ] {
            assert_eq!(refused.wrong_fields(), pairs(&[("/gracePeriod", "grace_period_too_long")]));
            assert!(refused.text.contains(&format!("at most {named}")), "{}", refused.text);
        }
        assert_eq!(alice.gets(&replica, &old.path()).await.is(200)["successorId"], Value::Null);
        let new = rotate(&alice, &replica, &old, json!({ "gracePeriod": longest })).await.is(201);
        let end = time_of(&new["predecessor"]["expiresAt"]);
        assert_eq!(end - time_of(&new["createdAt"]), Duration::seconds(longest));
    }
}

#[tokio::test]
async fn keys_that_were_rotated_before_keep_their_end_and_are_told_of_again() {
    let replica = replica_with(&[]).await;
    let alice = Person::named("alice");
    let old = alice.creates(&replica, json!({})).await;
    let rotates = async |replica: &Replica| {
        let request = alice.request(replica, reqwest::Method::POST, &format!("{}/rotate", old.path()));
        let body = json!({ "gracePeriod": 20 * 86_400 });
        Reply::to(request.header("idempotency-key", "once").json(&body)).await
    };
    let before = rotates(&replica).await.is(201);
    let day = [SHORT_LEASE, ("KEYWARD__KEYS__MAX_ROTATION_GRACE", "1d")];
    let stricter = Replica::start_on(replica.database().url(), &day).await;
    let again = rotates(&stricter).await.is(200);
    assert_eq!(again["predecessor"], before["predecessor"]);
    assert_eq!((again["id"].as_str(), old.status(&stricter).await), (before["id"].as_str(), 200));
}

#[tokio::test]
async fn a_grace_period_makes_no_life_longer() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let old = alice.creates(&replica, json!({ "expiresIn": 60 })).await;
    rotate(&alice, &replica, &old, json!({ "gracePeriod": 3600 })).await.is(201);
    assert_eq!(alice.gets(&replica, &old.path()).await.is(200)["expiresAt"], old.body["expiresAt"]);
}

#[tokio::test]
async fn the_successor_has_the_same_rights() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let new_key = json!({
        "name": "one", "environment": "test", "scopes": ["a", "b"], "metadata": { "team": "x" },
        "allowedIps": ["127.0.0.0/8"], "enabled": false,
    });
    let old = alice.creates(&replica, new_key).await;
    let new = MadeKey::of(rotate(&alice, &replica, &old, json!({})).await.is(201));
    assert!(new.holder.key.starts_with("keyward_test_"));
    for name in ["name", "environment", "scopes", "metadata", "allowedIps", "enabled", "owner", "expiresAt", "state"] {
        assert_eq!(new.body[name], old.body[name], "{name}");
    }
    for name in ["revokedAt", "successorId", "lastUsedAt"] {
        assert_eq!(new.body[name], Value::Null, "{name}");
    }
}

/// What the answer says of a successor is what is kept of it.
#[tokio::test]
async fn the_successor_lives_as_long_as_the_old_key_was_made_to_unless_told_otherwise() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let never = json!({ "expiresAt": null });
    for (new_key, rotation, life) in [
        (json!({}), json!({}), None),
        (json!({}), json!({ "gracePeriod": 60 }), None),
        (json!({ "expiresIn": 7200 }), json!({}), Some(Duration::seconds(7200))),
        (json!({ "expiresIn": 7200 }), json!({ "gracePeriod": 60 }), Some(Duration::seconds(7200))),
        (json!({ "expiresIn": 7200 }), json!({ "expiresIn": 5, "gracePeriod": 1 }), Some(Duration::seconds(5))),
        (json!({ "expiresIn": 7200 }), never, None),
    ] {
        let old = alice.creates(&replica, new_key.clone()).await;
        let mut new = rotate(&alice, &replica, &old, rotation.clone()).await.is(201);
        let made = MadeKey::of(new.clone());
        let told = new["expiresAt"].as_str().map(|_| time_of(&new["expiresAt"]) - time_of(&new["createdAt"]));
        assert_eq!(told, life, "{new_key} {rotation}");
        let new = new.as_object_mut().expect("an object");
        new.retain(|name, _| name != "apiKey" && name != "predecessor");
        let shown = alice.gets(&replica, &made.path()).await.is(200);
        same_json(&shown, &json!(new), &format!("{new_key} {rotation}"));
    }
}

#[tokio::test]
async fn a_life_to_the_end_of_time_has_a_successor_of_which_the_truth_is_told() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let old = alice.creates(&replica, json!({ "expiresAt": "9999-12-31T23:59:59.999999Z" })).await;
    let new = MadeKey::of(rotate(&alice, &replica, &old, json!({})).await.is(201));
    assert_eq!(alice.gets(&replica, &new.path()).await.is(200)["expiresAt"], new.body["expiresAt"]);
}

#[tokio::test]
async fn of_two_rotations_at_once_one_wins() {
    let (_database, replicas) = three_replicas(&[]).await;
    let alice = Person::named("alice");
    for grace_period in [0, 60] {
        let old = alice.creates(&replicas[0], json!({})).await;
        let body = || json!({ "gracePeriod": grace_period });
        let (one, two, three) = tokio::join!(
            rotate(&alice, &replicas[0], &old, body()),
            rotate(&alice, &replicas[1], &old, body()),
            rotate(&alice, &replicas[2], &old, body()),
        );
        let (won, lost): (Vec<_>, Vec<_>) = [one, two, three].into_iter().partition(|reply| reply.status == 201);
        assert_eq!((won.len(), lost.len()), (1, 2));
        lost.iter().for_each(|reply| reply.is_problem(409, "already_rotated"));
        let successor = MadeKey::of(won[0].is(201));
        successor.is_everywhere(&replicas, 200).await;
        assert_eq!(alice.gets(&replicas[0], &old.path()).await.is(200)["successorId"], successor.id);
    }
    // The losers have left nothing behind.
    assert_eq!(alice.gets(&replicas[0], KEYS).await.is(200)["keys"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn a_key_that_has_ended_gets_no_successor() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let revoked = alice.creates(&replica, json!({})).await;
    alice.deletes(&replica, &revoked.path()).await.is(200);
    rotate(&alice, &replica, &revoked, json!({})).await.is_problem(409, "key_revoked");
    let expired = alice.creates(&replica, json!({ "expiresIn": 1 })).await;
    expired.holder.is_refused(&replica).await;
    rotate(&alice, &replica, &expired, json!({})).await.is_problem(409, "key_expired");
    // With more time it does.
    alice.patches(&replica, &expired.path(), json!({ "expiresAt": null })).await.is(200);
    rotate(&alice, &replica, &expired, json!({})).await.is(201);
}

#[tokio::test]
async fn a_rotation_says_what_is_wrong_with_it() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let old = alice.creates(&replica, json!({})).await;
    for bad in [json!(-1), json!(1.5), json!("60"), json!(4_000_000_000_u64), json!(1e30), json!([])] {
        let answer = rotate(&alice, &replica, &old, json!({ "gracePeriod": bad, "name": "x" })).await;
        assert_eq!(answer.wrong_fields(), pairs(&[("/gracePeriod", "invalid"), ("/name", "unknown_field")]));
    }
    assert_eq!(old.status(&replica).await, 200);
}
