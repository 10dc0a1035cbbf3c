//! `Idempotency-Key`: a retry makes no second key.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims},
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, pairs, replica, replica_with, shared_replica, three_replicas},
    replica::Replica,
    unique,
};

async fn creates_once(person: &Person, replica: &Replica, key: &str, body: &Value) -> Reply {
    Reply::to(person.request(replica, Method::POST, KEYS).header("idempotency-key", key).json(body)).await
}

async fn count(person: &Person, replica: &Replica) -> usize {
    person.gets(replica, KEYS).await.is(200)["keys"].as_array().expect("a list").len()
}

#[tokio::test]
async fn a_retry_gives_the_same_key_without_its_secret() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let new_key = json!({ "name": "one" });
    let made = MadeKey::of(creates_once(&alice, &replica, "a", &new_key).await.is(201));
    let again = creates_once(&alice, &replica, "a", &new_key).await;
    assert_eq!(again.header("cache-control"), Some("no-store"));
    let again = again.is(200);
    assert_eq!((&again["id"], &again["apiKey"]), (&json!(made.id), &Value::Null));
    assert!(again["notice"].as_str().is_some_and(|notice| notice.contains("can't be shown again")), "{again}");
    assert_eq!(made.status(&replica).await, 200);
    // Also after the key has ended, and whatever the policy has become.
    alice.deletes(&replica, &made.path()).await.is(200);
    let named = Replica::start_on(replica.database().url(), &[("KEYWARD__KEYS__MAX_LIFETIME", "1h")]).await;
    assert_eq!(creates_once(&alice, &named, "a", &new_key).await.is(200)["state"], "revoked");
    creates_once(&alice, &replica, "b", &new_key).await.is(201);
    assert_eq!(count(&alice, &replica).await, 2);
}

#[tokio::test]
async fn the_same_key_with_another_request_is_a_mistake() {
    let root = format!("root-{}", unique());
    let (replica, root) = (shared_replica().await, Person::with_scopes(&root, "keyward:admin"));
    creates_once(&root, &replica, "a", &json!({ "name": "one" })).await.is(201);
    creates_once(&root, &replica, "a", &json!({ "name": "two" })).await.is_problem(422, "idempotency_key_reused");
    let bob = Person::of_this_test("bob");
    let new_key = json!({ "owner": { "subject": bob.subject() } });
    let request = root.request(&replica, Method::POST, ALL_KEYS).header("idempotency-key", "a").json(&new_key);
    Reply::to(request).await.is_problem(422, "idempotency_key_reused");
    assert_eq!((count(&root, &replica).await, count(&bob, &replica).await), (1, 0));
}

#[tokio::test]
async fn of_retries_at_once_one_makes_the_key() {
    let (_database, replicas) = three_replicas(&[]).await;
    let alice = Person::named("alice");
    let new_key = json!({});
    let asks = (0..9).map(|number| creates_once(&alice, &replicas[number % 3], "a", &new_key));
    let answers = futures_util::future::join_all(asks).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.is(201)).collect();
    assert_eq!(made.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let known = answer.is(200);
        assert_eq!((&known["id"], &known["apiKey"]), (&made[0]["id"], &Value::Null));
    }
    assert_eq!(count(&alice, &replicas[0]).await, 1);
}

/// What was right when it came first is not wrong because time has passed.
#[tokio::test]
async fn a_retry_after_the_keys_own_end_is_answered_as_any_other() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let end = time::OffsetDateTime::now_utc() + time::Duration::seconds(3);
    let end = end.format(&time::format_description::well_known::Rfc3339).expect("a time");
    let new_key = json!({ "expiresAt": end });
    let made = MadeKey::of(creates_once(&alice, &replica, "a", &new_key).await.is(201));
    let successor = json!({ "expiresAt": end, "gracePeriod": 0 });
    let new = MadeKey::of(rotates_once(&alice, &replica, "b", &made, &successor).await.is(201));
    new.holder.is_refused(&replica).await;
    let again = creates_once(&alice, &replica, "a", &new_key).await.is(200);
    assert_eq!(
        (&again["id"], &again["apiKey"], &again["successorId"]),
        (&json!(made.id), &Value::Null, &json!(new.id))
    );
    let again = rotates_once(&alice, &replica, "b", &made, &successor).await.is(200);
    assert_eq!((&again["id"], &again["state"]), (&json!(new.id), &json!("expired")));
    creates_once(&alice, &replica, "c", &new_key).await.is_problem(422, "invalid_fields");
}

async fn rotates_once(person: &Person, replica: &Replica, key: &str, old: &MadeKey, body: &Value) -> Reply {
    let path = format!("{}/rotate", old.path());
    Reply::to(person.request(replica, Method::POST, &path).header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn a_retry_of_a_rotation_names_the_successor_and_makes_no_other() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let old = alice.creates(&replica, json!({ "name": "one" })).await;
    let body = json!({ "gracePeriod": 60 });
    let new = MadeKey::of(rotates_once(&alice, &replica, "a", &old, &body).await.is(201));
    // Also once the key is of another version than the first request has met.
    let path = format!("{}/rotate", old.path());
    let conditional = alice.request(&replica, Method::POST, &path).header("if-match", "\"1\"");
    let conditional = Reply::to(conditional.header("idempotency-key", "a").json(&body)).await;
    for again in [rotates_once(&alice, &replica, "a", &old, &body).await, conditional] {
        assert_eq!(again.header("cache-control"), Some("no-store"));
        let again = again.is(200);
        assert_eq!((&again["id"], &again["apiKey"]), (&json!(new.id), &Value::Null));
        assert!(again["notice"].as_str().is_some_and(|notice| notice.contains("Rotate this key")), "{again}");
        assert_eq!(
            (&again["predecessor"]["id"], &again["predecessor"]["successorId"]),
            (&json!(old.id), &json!(new.id))
        );
    }
    assert_eq!((old.status(&replica).await, new.status(&replica).await, count(&alice, &replica).await), (200, 200, 2));
    // The way on: the successor gets one of its own.
    let third = MadeKey::of(rotates_once(&alice, &replica, "b", &new, &json!({})).await.is(201));
    assert_eq!(third.status(&replica).await, 200);
    assert_eq!(rotates_once(&alice, &replica, "a", &old, &body).await.is(200)["successorId"], third.id);
    // Another body, key or route with the same text is a mistake.
    for answer in [
        rotates_once(&alice, &replica, "a", &old, &json!({})).await,
        rotates_once(&alice, &replica, "a", &third, &body).await,
        creates_once(&alice, &replica, "a", &body).await,
    ] {
        answer.is_problem(422, "idempotency_key_reused");
    }
    let answer = rotates_once(&alice, &replica, "", &third, &json!({})).await;
    assert_eq!(answer.wrong_parameters(), pairs(&[("Idempotency-Key", "invalid")]));
}

#[tokio::test]
async fn of_equal_rotations_at_once_one_is_done_and_all_name_its_successor() {
    let (_database, replicas) = three_replicas(&[]).await;
    let alice = Person::named("alice");
    for grace_period in [0, 60] {
        let old = alice.creates(&replicas[0], json!({})).await;
        let (key, body) = (format!("at once {grace_period}"), json!({ "gracePeriod": grace_period }));
        let asks = (0..6).map(|number| rotates_once(&alice, &replicas[number % 3], &key, &old, &body));
        let answers = futures_util::future::join_all(asks).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(made.len(), 1);
        let new = MadeKey::of(made[0].is(201));
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!((&answer.is(200)["id"], &answer.is(200)["apiKey"]), (&json!(new.id), &Value::Null));
        }
        new.is_everywhere(&replicas, 200).await;
        old.is_everywhere(&replicas, if grace_period == 0 { 401 } else { 200 }).await;
    }
    assert_eq!(count(&alice, &replicas[0]).await, 4);
}

/// Whose keys are concerned makes no difference: the text is the administrator's.
#[tokio::test]
async fn an_administrators_requests_are_made_once_too() {
    let (replica, root) = (replica().await, Person::administrator());
    let post = async |path: &str, key: &str, body: &Value| {
        Reply::to(root.request(&replica, Method::POST, path).header("idempotency-key", key).json(body)).await
    };
    let new_key = json!({ "owner": { "subject": "robot" } });
    let made = MadeKey::of(post(ALL_KEYS, "a", &new_key).await.is(201));
    assert_eq!(post(ALL_KEYS, "a", &new_key).await.is(200)["id"], made.id);
    let rotate = format!("{}/rotate", made.admin_path());
    let new = MadeKey::of(post(&rotate, "b", &json!({})).await.is(201));
    assert_eq!(post(&rotate, "b", &json!({})).await.is(200)["id"], new.id);
    // At once, and for two owners: one of them is a mistake, and leaves nothing behind.
    for turn in 0..5 {
        let new_keys = ["one", "two"].map(|subject| json!({ "owner": { "subject": format!("{subject} {turn}") } }));
        let key = format!("turn {turn}");
        let (one, two) = tokio::join!(post(ALL_KEYS, &key, &new_keys[0]), post(ALL_KEYS, &key, &new_keys[1]));
        let (good, bad) = if one.status == 201 { (one, two) } else { (two, one) };
        good.is(201);
        bad.is_problem(422, "idempotency_key_reused");
    }
    let keys = root.gets(&replica, &format!("{ALL_KEYS}?limit=100")).await.is(200)["keys"].as_array().map(Vec::len);
    assert_eq!(keys, Some(2 + 5));
}

#[tokio::test]
async fn the_compatibility_route_makes_one_key_for_a_request_too() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let asks = async |key: &str, body: &'static str| {
        let request = alice.request(&replica, Method::POST, test_support::actors::CREATE).body(body);
        Reply::to(request.header("idempotency-key", key)).await
    };
    let made = asks("a", "").await.is(201);
    assert_eq!(made.as_object().map(|members| members.len()), Some(2), "{made}");
    let again = asks("a", "").await;
    assert_eq!(again.header("cache-control"), Some("no-store"));
    let again = again.is(200);
    assert_eq!((&again["id"], &again["apiKey"]), (&made["id"], &Value::Null));
    assert!(again["message"].as_str().is_some_and(|message| message.contains("can't be shown again")), "{again}");
    assert_eq!(count(&alice, &replica).await, 1);
    for (key, body, status, message) in [
        ("a", "x", 422, "The Idempotency-Key came with another request before"),
        ("", "", 400, "Parameters are not valid"),
    ] {
        let answer = asks(key, body).await;
        assert_eq!((answer.status, answer.text.as_str()), (status, format!(r#"{{"message":"{message}"}}"#).as_str()));
    }
    asks("b", "").await.is(201);
    creates_once(&alice, &replica, "a", &json!({})).await.is_problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn two_people_may_choose_the_same_text() {
    let replica = shared_replica().await;
    for name in ["alice", "bob"] {
        creates_once(&Person::of_this_test(name), &replica, "a", &json!({})).await.is(201);
    }
}

/// Somebody may be a member of two organisations.
#[tokio::test]
async fn one_person_makes_a_key_for_each_organisation_and_sees_no_key_of_the_other() {
    let replica = replica_with(&[("KEYWARD__JWT__TENANT_CLAIM", "org")]).await;
    let of = |organisation: &str| {
        let mut claims = claims("alice");
        claims["org"] = json!(organisation);
        Person::with_claims(&claims)
    };
    creates_once(&of("one"), &replica, "a", &json!({})).await.is(201);
    let answer = creates_once(&of("two"), &replica, "a", &json!({})).await;
    answer.is_problem(422, "idempotency_key_reused");
    creates_once(&of("two"), &replica, "b", &json!({})).await.is(201);
}

#[tokio::test]
async fn what_is_no_idempotency_key_is_refused() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    for bad in ["", "é", &"x".repeat(256)] {
        let answer = creates_once(&alice, &replica, bad, &json!({})).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[("Idempotency-Key", "invalid")]), "{bad}");
    }
    let twice =
        alice.request(&replica, Method::POST, KEYS).header("idempotency-key", "a").header("idempotency-key", "a");
    assert_eq!(Reply::to(twice).await.wrong_parameters(), pairs(&[("Idempotency-Key", "invalid")]));
    assert_eq!(count(&alice, &replica).await, 0);
    creates_once(&alice, &replica, &"x".repeat(255), &json!({})).await.is(201);
}

#[tokio::test]
async fn a_request_that_was_refused_is_not_remembered() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    creates_once(&alice, &replica, "a", &json!({ "name": "" })).await.is_problem(422, "invalid_fields");
    creates_once(&alice, &replica, "a", &json!({ "name": "x" })).await.is(201);
}
