//! What a request uses of limits: verifications and gateways may say how much, and introspections use nothing.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{MadeKey, VERIFY, pairs, shared_replica, three_replicas},
    replica::Replica,
};

fn service() -> Person {
    Person::with_scopes("service", "keyward:verify")
}

async fn limited(replica: &Replica, limits: Value) -> MadeKey {
    Person::named("alice").creates(replica, json!({ "limits": limits })).await
}

/// The result of a check, which has to be an answer.
async fn verifies(replica: &Replica, key: &MadeKey, more: Value) -> Value {
    let mut question = json!({ "key": key.holder.key });
    question.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    service().posts(replica, VERIFY, question).await.is(200)
}

/// The code, and what is left of the first limit.
fn told(verification: &Value) -> (&str, u64) {
    let code = verification["code"].as_str().expect("a code");
    assert_eq!(verification["valid"], json!(code == "valid"));
    (code, verification["limits"][0]["remaining"].as_u64().expect("a number"))
}

#[tokio::test]
async fn a_verification_says_what_it_costs_and_is_told_what_is_left() {
    let replica = shared_replica().await;
    let limits = json!([{ "name": "all", "limit": 10, "window": "month", "cost": 2 }]);
    let key = limited(&replica, limits).await;
    for (more, code, left) in [
        (json!({ "cost": 0 }), "valid", 10),
        (json!({ "cost": 3 }), "valid", 7),
        (json!({}), "valid", 5),
        (json!({ "cost": 0 }), "valid", 5),
        (json!({ "cost": 6 }), "rate_limited", 5),
        (json!({ "cost": 11 }), "rate_limited", 5),
        (json!({ "scopes": ["none"], "cost": 1 }), "insufficient_scope", 5),
        (json!({ "cost": 4.0 }), "valid", 1),
        (json!({ "cost": null }), "rate_limited", 1),
        (json!({ "cost": 1 }), "valid", 0),
        (json!({ "cost": 1 }), "rate_limited", 0),
        (json!({ "cost": 0 }), "valid", 0),
    ] {
        let verification = verifies(&replica, &key, more.clone()).await;
        assert_eq!(told(&verification), (code, left), "{more}");
        let limit = &verification["limits"][0];
        assert_eq!((&limit["name"], &limit["limit"], &limit["of"]), (&json!("all"), &json!(10), &json!("key")));
        let reset = limit["resetAt"].as_str().expect("an instant");
        assert!(reset.ends_with("-01T00:00:00.000Z"), "the next month begins at {reset}");
        // What costs more than the limit is refused in every window.
        let is_worth_a_retry = code == "rate_limited" && more["cost"] != 11;
        assert_eq!(verification["retryAfter"].as_u64().is_some(), is_worth_a_retry, "{verification}");
    }
    let unlimited = limited(&replica, json!([])).await;
    assert_eq!(verifies(&replica, &unlimited, json!({ "cost": 5 })).await.get("limits"), None);
    let unknown = service().posts(&replica, VERIFY, json!({ "key": "x", "cost": 5 })).await.is(200);
    assert_eq!((&unknown["code"], unknown.get("limits")), (&json!("not_found"), None));
    let checks = json!({ "checks": [{ "key": key.holder.key, "cost": 0 }, { "key": key.holder.key }] });
    let results = service().posts(&replica, VERIFY, checks).await.is(200);
    assert_eq!(
        (&results["results"][0]["code"], &results["results"][1]["code"]),
        (&json!("valid"), &json!("rate_limited"))
    );
    for wrong in [json!(-1), json!(1.5), json!("1"), json!(1_000_000_000_001_u64), json!(true)] {
        let reply = service().posts(&replica, VERIFY, json!({ "key": "x", "cost": wrong })).await;
        assert_eq!(reply.wrong_fields(), pairs(&[("/cost", "invalid")]), "{wrong}");
    }
}

#[tokio::test]
async fn an_introspection_uses_nothing() {
    let replica = shared_replica().await;
    let key = limited(&replica, json!([{ "name": "all", "limit": 1, "window": "month" }])).await;
    for _ in 0..3 {
        let request = service().request(&replica, Method::POST, "/v1/introspect");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let reply = test_support::asking::Reply::to(request.body(format!("token={}", key.holder.key))).await;
        assert_eq!(reply.is(200)["active"], true);
    }
    assert_eq!(told(&verifies(&replica, &key, json!({})).await), ("valid", 0));
}

/// Requests of any cost race for a limit on three replicas.
#[tokio::test]
async fn requests_of_different_costs_never_use_more_than_there_is() {
    let (_database, replicas) = three_replicas(&[]).await;
    let key = limited(&replicas[0], json!([{ "name": "all", "limit": 200, "window": "month" }])).await;
    let used = futures_util::future::join_all(replicas.iter().enumerate().map(async |(at, replica)| {
        let costs = (0..40_u64).map(|number| 1 + (number * 7 + at as u64) % 9);
        let asked = costs.map(async |cost| {
            let verification = verifies(replica, &key, json!({ "cost": cost })).await;
            if verification["valid"] == true { cost } else { 0 }
        });
        futures_util::future::join_all(asked).await.into_iter().sum::<u64>()
    }))
    .await;
    let used: u64 = used.into_iter().sum();
    assert!(used <= 200, "{used}");
    // What is left is less than the costliest request of each replica needs.
    assert!(used > 200 - 3 * 9, "{used}");
}
