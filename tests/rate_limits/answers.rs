//! What replicas answer when a limit is exhausted, at every entry point.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{KeyHolder, Person, stranger},
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, VERIFY, replica, three_replicas},
    eventually,
    replica::Replica,
};
use time::OffsetDateTime;

use crate::{limit, limit_key, limit_owner, uses};

const AUTHORIZE: &str = "/v1/authorize";
const INTROSPECT: &str = "/v1/introspect";

async fn authorizes(replica: &Replica, key: &KeyHolder) -> Reply {
    Reply::to(stranger(replica, Method::GET, AUTHORIZE).header("x-api-key", &key.key)).await
}

fn verifier() -> Person {
    Person::with_scopes("service", "keyward:verify")
}

async fn verifies(replica: &Replica, key: &KeyHolder, scopes: &[&str]) -> Value {
    verifier().posts(replica, VERIFY, json!({ "key": key.key, "scopes": scopes })).await.is(200)
}

async fn introspects(replica: &Replica, key: &KeyHolder) -> Value {
    let request = stranger(replica, Method::POST, INTROSPECT).bearer_auth(verifier().token);
    let request =
        request.header("content-type", "application/x-www-form-urlencoded").body(format!("token={}", key.key));
    Reply::to(request).await.is(200)
}

#[tokio::test]
async fn an_exhausted_limit_is_answered_429_with_the_time_to_wait() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    limit_key(&rows, &key, &limit("hour", 2, "1h")).await;
    for _ in 0..2 {
        assert_eq!(uses(&replica, &key).await.status, 200);
    }
    let refused = uses(&replica, &key).await;
    refused.is_json(429, &json!({ "message": "Quota exceeded" }));
    let problem = authorizes(&replica, &key).await;
    let body = problem.is(429);
    assert_eq!(body["code"], "quota_exceeded");
    assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    for answer in [refused, problem] {
        let seconds: u32 = answer.header("retry-after").expect("a header").parse().expect("a number");
        assert!((1..=3600).contains(&seconds), "{seconds}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[tokio::test]
async fn a_verification_says_that_the_key_is_limited_and_an_introspection_spends_nothing() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    limit_key(&rows, &key, &limit("hour", 1, "1h")).await;
    for _ in 0..5 {
        assert_eq!(introspects(&replica, &key).await["active"], true);
        assert_eq!(verifies(&replica, &key, &["orders:read"]).await["code"], "insufficient_scope");
    }
    assert_eq!(verifies(&replica, &key, &[]).await["code"], "valid");
    let verified = verifies(&replica, &key, &[]).await;
    assert_eq!((&verified["valid"], &verified["code"]), (&json!(false), &json!("rate_limited")));
    assert_eq!(verified["keyId"], key.id());
    assert_eq!(introspects(&replica, &key).await["active"], true);
}

#[tokio::test]
async fn a_gateway_request_that_is_refused_for_another_reason_spends_nothing() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    limit_key(&rows, &key, &limit("hour", 1, "1h")).await;
    for (query, status) in [("?scope=orders:read", 403), ("?scope=", 400), ("?scope=orders:read", 403)] {
        let path = format!("{AUTHORIZE}{query}");
        let answer = Reply::to(stranger(&replica, Method::GET, &path).header("x-api-key", &key.key)).await;
        assert_eq!(answer.status, status, "{query}");
    }
    assert_eq!(authorizes(&replica, &key).await.status, 200);
    assert_eq!(authorizes(&replica, &key).await.status, 429);
}

#[tokio::test]
async fn all_keys_of_an_owner_share_the_owners_limit_on_all_replicas_and_a_change_of_it_is_announced() {
    let (database, [one, two, three]) = three_replicas(&[]).await;
    let rows = database.superuser_pool().await;
    let alice = Person::named("alice");
    let (key, other) = (alice.makes_a_key(&one).await, alice.makes_a_key(&one).await);
    let stranger = Person::named("bob").makes_a_key(&one).await;
    for replica in [&one, &two, &three] {
        assert_eq!(uses(replica, &key).await.status, 200);
    }
    limit_owner(&rows, &key, &limit("day", 3, "day")).await;
    eventually("the limit applies", async || uses(&one, &key).await.status == 429).await;
    for replica in [&one, &two, &three] {
        eventually("the limit applies", async || uses(replica, &other).await.status == 429).await;
        assert_eq!(uses(replica, &stranger).await.status, 200);
    }
    limit_owner(&rows, &key, "[]").await;
    for replica in [&one, &two, &three] {
        eventually("the limit is gone", async || uses(replica, &other).await.status == 200).await;
    }
}

#[tokio::test]
async fn a_changed_or_rotated_key_keeps_its_limits() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let alice = Person::named("alice");
    let key = alice.makes_a_key(&replica).await;
    limit_key(&rows, &key, &limit("hour", 1, "1h")).await;
    let path = format!("{KEYS}/{}", key.id());
    alice.patches(&replica, &path, json!({ "name": "renamed" })).await.is(200);
    let rotated = alice.posts(&replica, &format!("{path}/rotate"), json!({})).await.is(201);
    let successor = MadeKey::of(rotated).holder;
    for key in [&key, &successor] {
        assert_eq!(uses(&replica, key).await.status, 200);
        assert_eq!(uses(&replica, key).await.status, 429);
    }
}

/// What a header says of the only limit: how much is left, and for how many seconds.
fn left(reply: &Reply) -> (u64, u64) {
    let header = reply.header("ratelimit").expect("a header");
    let parameter = |name: &str| {
        let value = header.split(';').find_map(|part| part.strip_prefix(name)).expect("a parameter");
        value.parse().expect("a number")
    };
    (parameter("r="), parameter("t="))
}

async fn limits_by_api(replica: &Replica, key: &KeyHolder, limits: Value) {
    let path = format!("{ALL_KEYS}/{}", key.id());
    Person::administrator().patches(replica, &path, json!({ "limits": limits })).await.is(200);
}

#[tokio::test]
async fn a_change_of_a_limit_loses_nothing_that_a_replica_has_in_hand() {
    let mut replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    let mut used = 0;
    for (amount, cost, on_outage) in [
        (12_800, 1, "refuse"),
        (12_801, 1, "refuse"),
        (12_801, 1, "admit"),
        (12_801, 2, "admit"),
        (12_900, 1, "refuse"),
    ] {
        let limit = json!([{ "name": "m", "limit": amount, "window": "month", "cost": cost, "onOutage": on_outage }]);
        limits_by_api(&replica, &key, limit).await;
        for _ in 0..20 {
            assert_eq!(uses(&replica, &key).await.status, 200);
            used += cost;
        }
    }
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
    let taken: i64 = sqlx::query_scalar("SELECT taken FROM limit_counts").fetch_one(&rows).await.expect("a counter");
    assert_eq!(taken, used);
}

#[tokio::test]
async fn of_a_lowered_limit_nothing_is_granted_that_was_taken_of_the_higher_one() {
    let replica = replica().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    for (amount, status) in [(12_800, 200), (20, 429), (12_800, 200)] {
        limits_by_api(&replica, &key, json!([{ "name": "m", "limit": amount, "window": "month" }])).await;
        for _ in 0..20 {
            assert_eq!(uses(&replica, &key).await.status, status);
        }
    }
}

#[tokio::test]
async fn whoever_looks_takes_nothing_and_is_told_within_seconds_what_others_have_used() {
    let (database, [one, two, _three]) = three_replicas(&[]).await;
    let rows = database.superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&one).await;
    limit_key(&rows, &key, &limit("month", 20_000, "month")).await;
    let look = async |replica: &Replica| {
        let looked = verifier().posts(replica, VERIFY, json!({ "key": key.key, "cost": 0 })).await.is(200);
        looked["limits"][0]["remaining"].as_u64().expect("a number")
    };
    assert_eq!((look(&one).await, look(&two).await), (20_000, 20_000));
    for _ in 0..300 {
        assert_eq!(uses(&one, &key).await.status, 200);
    }
    let mut last = 20_000;
    eventually("the other replica knows of it", async || {
        let remaining = look(&two).await;
        assert!(remaining <= last, "{remaining} after {last}");
        last = remaining;
        remaining <= 20_000 - 300
    })
    .await;
    let taken: i64 = sqlx::query_scalar("SELECT taken FROM limit_counts").fetch_one(&rows).await.expect("a counter");
    assert_eq!(last, 20_000 - taken.unsigned_abs(), "a look has taken something");
}

#[tokio::test]
async fn a_request_that_costs_more_than_its_limit_is_told_so_and_when_the_window_ends() {
    let replica = replica().await;
    let rows = replica.database().superuser_pool().await;
    let key = Person::named("alice").makes_a_key(&replica).await;
    limit_key(&rows, &key, &limit("hour", 3, "1h")).await;
    let asks = || stranger(&replica, Method::GET, &format!("{AUTHORIZE}?cost=4")).header("x-api-key", &key.key);
    let now = || OffsetDateTime::now_utc().unix_timestamp().unsigned_abs();
    let before = now();
    let refused = Reply::to(asks()).await;
    let detail = "The request costs more than a limit allows: make one that costs less, or ask for a higher limit.";
    assert_eq!(refused.is(429)["detail"], detail);
    assert_eq!(refused.header("retry-after"), None);
    let (remaining, seconds) = left(&refused);
    assert_eq!(remaining, 3);
    let ends = |at: u64| at - at % 3_600 + 3_600;
    assert!((ends(before).saturating_sub(now())..=ends(now()) - before).contains(&seconds), "{seconds}");
}
