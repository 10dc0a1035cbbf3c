//! What the operator allows: `keys.max_lifetime`, `keys.max_per_owner`, `keys.require_name`.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{CREATE, Person},
    asking::{KEYS, MadeKey, Reply, pairs, replica_with, three_replicas},
    replica::Replica,
};

const DAY: (&str, &str) = ("KEYWARD__KEYS__MAX_LIFETIME", "1d");
const NAMED: (&str, &str) = ("KEYWARD__KEYS__REQUIRE_NAME", "true");
const TWO: (&str, &str) = ("KEYWARD__KEYS__MAX_PER_OWNER", "2");
const SECONDS_OF_DAY: u64 = 86_400;

/// A second replica on the same database, for which other policies hold.
async fn beside(replica: &Replica, env: &[(&str, &str)]) -> Replica {
    Replica::start_on(replica.database().url(), &[&[test_support::asking::SHORT_LEASE], env].concat()).await
}

#[tokio::test]
async fn a_key_lives_for_at_most_the_longest_lifetime_from_its_making_on() {
    let (replica, alice) = (replica_with(&[DAY]).await, Person::named("alice"));
    // The member that was sent is named.
    let refused = |body: &Value| {
        let member = if body["expiresIn"].is_null() { "/expiresAt" } else { "/expiresIn" };
        pairs(&[(member, "lifetime_too_long")])
    };
    for new_key in [
        json!({}),
        json!({ "expiresIn": SECONDS_OF_DAY + 1 }),
        json!({ "expiresAt": "2990-01-01T00:00:00Z" }),
        json!({ "expiresAt": "2990-01-01T00:00:00Z", "expiresIn": null }),
    ] {
        assert_eq!(alice.posts(&replica, KEYS, new_key.clone()).await.wrong_fields(), refused(&new_key));
    }
    let longest = alice.creates(&replica, json!({ "expiresIn": SECONDS_OF_DAY })).await;
    let key = alice.creates(&replica, json!({ "expiresIn": 60 })).await;
    for patch in [json!({ "expiresAt": null }), json!({ "expiresIn": SECONDS_OF_DAY + 1 })] {
        assert_eq!(alice.patches(&replica, &key.path(), patch.clone()).await.wrong_fields(), refused(&patch));
    }
    // A little later the same span would end a little later than a day after the key was made.
    let patch = json!({ "expiresIn": SECONDS_OF_DAY });
    assert_eq!(alice.patches(&replica, &longest.path(), patch.clone()).await.wrong_fields(), refused(&patch));
    alice.patches(&replica, &key.path(), json!({ "expiresIn": SECONDS_OF_DAY - 600 })).await.is(200);
    // A successor is a new key.
    let rotation = format!("{}/rotate", longest.path());
    for body in [json!({ "expiresAt": null }), json!({ "expiresIn": SECONDS_OF_DAY + 1 })] {
        assert_eq!(alice.posts(&replica, &rotation, body.clone()).await.wrong_fields(), refused(&body));
    }
    alice.posts(&replica, &rotation, json!({ "expiresIn": SECONDS_OF_DAY })).await.is(201);
}

#[tokio::test]
async fn a_policy_is_for_what_is_changed_from_then_on() {
    let old = replica_with(&[]).await;
    let (new, alice) = (beside(&old, &[DAY, NAMED]).await, Person::named("alice"));
    let key = alice.creates(&old, json!({ "scopes": ["a"] })).await;
    // No name, and no end: neither is what is changed here.
    for patch in [json!({ "scopes": ["b"] }), json!({ "enabled": true }), json!({ "metadata": { "a": 1 } })] {
        alice.patches(&new, &key.path(), patch).await.is(200);
    }
    alice.patches(&new, &key.path(), json!({ "expiresIn": 60 })).await.is(200);
    alice.patches(&new, &key.path(), json!({ "name": "x" })).await.is(200);
    let answer = alice.patches(&new, &key.path(), json!({ "name": null, "expiresAt": null })).await;
    assert_eq!(answer.wrong_fields(), pairs(&[("/expiresAt", "lifetime_too_long"), ("/name", "required")]));
    // A successor gets the longest life that there is now, where the old key's was longer.
    let endless = alice.creates(&old, json!({})).await;
    let successor = MadeKey::of(alice.posts(&new, &format!("{}/rotate", endless.path()), json!({})).await.is(201));
    assert!(successor.body["expiresAt"].is_string(), "{}", successor.body);
}

#[tokio::test]
async fn a_name_may_be_required() {
    let (replica, alice) = (replica_with(&[NAMED]).await, Person::named("alice"));
    let required = pairs(&[("/name", "required")]);
    assert_eq!(alice.posts(&replica, KEYS, json!({})).await.wrong_fields(), required);
    let key = alice.creates(&replica, json!({ "name": "x" })).await;
    assert_eq!(alice.patches(&replica, &key.path(), json!({ "name": null })).await.wrong_fields(), required);
    alice.patches(&replica, &key.path(), json!({ "name": "y" })).await.is(200);
    alice.posts(&replica, &format!("{}/rotate", key.path()), json!({})).await.is(201);
}

#[tokio::test]
async fn an_owner_has_at_most_so_many_keys_however_many_are_asked_for_at_once() {
    let (_database, replicas) = three_replicas(&[TWO]).await;
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    let asks = (0..9).map(|number| alice.posts(&replicas[number % 3], KEYS, json!({})));
    let (made, refused): (Vec<_>, Vec<_>) =
        futures_util::future::join_all(asks).await.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 2);
    refused.iter().for_each(|answer| answer.is_problem(409, "too_many_keys"));
    bob.creates(&replicas[0], json!({})).await;

    // What was revoked or has expired does not count; what is switched off does.
    let keys: Vec<MadeKey> = made.iter().map(|answer| MadeKey::of(answer.is(201))).collect();
    alice.patches(&replicas[0], &keys[0].path(), json!({ "enabled": false })).await.is(200);
    alice.posts(&replicas[0], KEYS, json!({})).await.is_problem(409, "too_many_keys");
    alice.deletes(&replicas[0], &keys[0].path()).await.is(200);
    let short = alice.creates(&replicas[1], json!({ "expiresIn": 1 })).await;
    alice.posts(&replicas[2], KEYS, json!({})).await.is_problem(409, "too_many_keys");
    short.holder.is_refused(&replicas[0]).await;
    alice.creates(&replicas[2], json!({})).await;
    // Nor does it come back beyond the limit.
    alice.patches(&replicas[0], &short.path(), json!({ "expiresAt": null })).await.is_problem(409, "too_many_keys");
    assert_eq!(live_keys(&alice, &replicas[0]).await, 2);
}

#[tokio::test]
async fn rotations_do_not_pile_up_keys_beyond_the_limit() {
    let (replica, alice) = (replica_with(&[TWO]).await, Person::named("alice"));
    let (one, two) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let rotate = async |key: &MadeKey, grace: u64| {
        alice.posts(&replica, &format!("{}/rotate", key.path()), json!({ "gracePeriod": grace })).await
    };
    // Each key may be there together with its successor for a while…
    let one = MadeKey::of(rotate(&one, 3600).await.is(201));
    let two = MadeKey::of(rotate(&two, 3600).await.is(201));
    // … but no chain of them.
    rotate(&one, 3600).await.is_problem(409, "too_many_keys");
    assert_eq!((one.status(&replica).await, live_keys(&alice, &replica).await), (200, 4));
    rotate(&two, 0).await.is(201);
    assert_eq!(live_keys(&alice, &replica).await, 4);
}

async fn live_keys(owner: &Person, replica: &Replica) -> usize {
    let list = owner.gets(replica, "/v1/keys?state=active").await.is(200);
    list["keys"].as_array().expect("a list").len()
}

#[tokio::test]
async fn the_guides_route_stays_as_it_is_under_all_policies() {
    let env = [DAY, NAMED, TWO, ("KEYWARD__JWT__SCOPE_BEARING", "true")];
    let (replica, alice) = (replica_with(&env).await, Person::with_scopes("alice", "read"));
    for number in 0..2 {
        let answer = Reply::to(alice.request(&replica, Method::POST, CREATE)).await;
        let body = answer.is(201);
        let names: Vec<_> = body.as_object().expect("an object").keys().collect();
        assert_eq!(names, ["apiKey", "id"]);
        let key = test_support::actors::KeyHolder::of(body["apiKey"].as_str().expect("a key"));
        assert_eq!(key.asks_for_the_resource(&replica).await.status(), 200);
        let list = alice.gets(&replica, KEYS).await.is(200);
        assert_eq!((&list["keys"][0]["name"], &list["keys"][0]["scopes"]), (&Value::Null, &json!([])), "{number}");
        assert!(list["keys"][0]["expiresAt"].is_string());
    }
    let answer = Reply::to(alice.request(&replica, Method::POST, CREATE)).await;
    assert_eq!(answer.is(409), json!({ "message": "Too many API keys" }));
}
