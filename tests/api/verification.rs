//! `POST /v1/keys/verify`: services ask whether a key is good for something.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    PrivateCluster,
    actors::{Person, stranger},
    asking::{MadeKey, Reply, SHORT_LEASE, VERIFY, pairs, replica, shared_replica},
    eventually,
    replica::Replica,
};

fn service() -> Person {
    Person::with_scopes("service", "keyward:verify")
}

async fn asks_with_key(replica: &Replica, verifier: &MadeKey, question: Value) -> Reply {
    let request = stranger(replica, Method::POST, VERIFY).header("x-api-key", &verifier.holder.key);
    Reply::to(request.json(&question)).await
}

#[tokio::test]
async fn a_service_learns_what_a_good_key_is_and_asks_with_a_token_or_a_key() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let new_key = json!({
        "scopes": ["read", "write"], "metadata": { "plan": "gold" }, "environment": "test",
        "expiresAt": "2030-01-01T00:00:00Z", "name": "for services, too",
    });
    let key = alice.creates(&replica, new_key).await;
    let verifier = service().creates(&replica, json!({ "scopes": ["keyward:verify"] })).await;
    let question = json!({ "key": key.holder.key, "scopes": ["write"] });
    let expected = json!({
        "valid": true, "code": "valid", "keyId": key.id, "name": "for services, too", "owner": key.body["owner"],
        "environment": "test", "scopes": ["read", "write"], "metadata": { "plan": "gold" },
        "expiresAt": "2030-01-01T00:00:00.000Z",
    });
    let answer = service().posts(&replica, VERIFY, question.clone()).await;
    answer.is_json(200, &expected);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    asks_with_key(&replica, &verifier, question).await.is_json(200, &expected);
    let explained = service().posts(&replica, VERIFY, json!({ "key": key.holder.key, "explain": true })).await;
    assert_eq!(explained.is(200)["failures"], json!([]));
}

#[tokio::test]
async fn a_service_can_demand_an_environment_and_is_told_the_name_of_today() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let live = alice.creates(&replica, json!({})).await;
    let test = alice.creates(&replica, json!({ "environment": "test", "name": "old" })).await;
    let asks = async |question: Value| service().posts(&replica, VERIFY, question).await.is(200);
    for (key, environment, valid, code) in [
        (&live, json!("live"), true, "valid"),
        (&test, json!("test"), true, "valid"),
        (&test, json!("live"), false, "wrong_environment"),
        (&live, json!("test"), false, "wrong_environment"),
        (&test, Value::Null, true, "valid"),
    ] {
        let answer = asks(json!({ "key": key.holder.key, "environment": environment })).await;
        assert_eq!((&answer["valid"], &answer["code"]), (&json!(valid), &json!(code)), "{environment}");
        assert_eq!(answer["environment"], key.body["environment"]);
    }
    let demands = json!({ "key": test.holder.key, "environment": "live", "scopes": ["a"], "explain": true });
    let codes = asks(demands).await["failures"].clone();
    let expected = json!([{ "code": "wrong_environment" }, { "code": "insufficient_scope", "missingScopes": ["a"] }]);
    assert_eq!(codes, expected);
    let many = json!({ "checks": [{ "key": live.holder.key, "environment": "test" }, { "key": test.holder.key }] });
    let results = asks(many).await["results"].clone();
    assert_eq!((&results[0]["valid"], &results[1]["name"]), (&json!(false), &json!("old")));
    alice.patches(&replica, &test.path(), json!({ "name": "new" })).await.is(200);
    assert_eq!(asks(json!({ "key": test.holder.key })).await["name"], "new");
    assert_eq!(asks(json!({ "key": live.holder.key })).await["name"], Value::Null);
    let wrong = service().posts(&replica, VERIFY, json!({ "key": "x", "environment": "production" })).await;
    assert_eq!(wrong.wrong_fields(), pairs(&[("/environment", "invalid")]));
}

#[tokio::test]
async fn who_may_not_verify_is_refused_and_two_credentials_at_once_are_no_request() {
    let (replica, alice) = (shared_replica().await, Person::with_scopes("alice", "read verify keyward:admin"));
    let key = alice.creates(&replica, json!({ "scopes": ["verify"] })).await;
    let verifier = service().creates(&replica, json!({ "scopes": ["keyward:verify"] })).await;
    let question = json!({ "key": key.holder.key });
    let scope =
        |scheme: &str| format!(r#"{scheme} realm="keyward", error="insufficient_scope", scope="keyward:verify""#);
    let by_token = alice.posts(&replica, VERIFY, question.clone()).await;
    by_token.is_problem(403, "insufficient_scope");
    assert_eq!(by_token.header("www-authenticate"), Some(scope("Bearer").as_str()));
    let by_key = asks_with_key(&replica, &key, question.clone()).await;
    by_key.is_problem(403, "insufficient_scope");
    assert_eq!(by_key.header("www-authenticate"), Some(scope("ApiKey").as_str()));
    let both = service().request(&replica, Method::POST, VERIFY).header("x-api-key", &verifier.holder.key);
    Reply::to(both.json(&question)).await.is_problem(400, "invalid_request");
    Reply::to(stranger(&replica, Method::POST, VERIFY).json(&question)).await.is_problem(401, "missing_credential");
    // The right ends with the key.
    asks_with_key(&replica, &verifier, question.clone()).await.is(200);
    service().patches(&replica, &verifier.path(), json!({ "scopes": [] })).await.is(200);
    asks_with_key(&replica, &verifier, question).await.is_problem(403, "insufficient_scope");
}

#[tokio::test]
async fn explain_lists_every_check_that_fails_and_the_code_is_the_first() {
    let (replica, alice, root) = (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    let new_key = json!({ "scopes": ["read"], "allowedIps": ["192.0.2.0/24", "2001:db8::/32"], "expiresIn": 1 });
    let key = alice.creates(&replica, new_key).await;
    let asked = async |address: Value, scopes: Value| {
        let question = json!({ "key": key.holder.key, "scopes": scopes, "clientAddress": address, "explain": true });
        let answer = service().posts(&replica, VERIFY, question).await.is(200);
        let failures = answer["failures"].as_array().expect("a list").clone();
        assert_eq!(answer["valid"], failures.is_empty());
        assert_eq!(answer["keyId"], key.id);
        let first = failures.first().map_or(json!("valid"), |first| first["code"].clone());
        assert_eq!(answer["code"], first);
        json!(failures)
    };
    eventually("the key expires", async || {
        asked(json!("192.0.2.1"), json!([])).await == json!([{ "code": "expired" }])
    })
    .await;
    let later = json!({ "expiresAt": null });
    alice.patches(&replica, &key.path(), later).await.is(200);
    for good in ["192.0.2.255", "2001:db8:ffff::1", "::ffff:192.0.2.9"] {
        assert_eq!(asked(json!(good), json!(["read"])).await, json!([]), "{good}");
    }
    for elsewhere in [json!("192.0.3.1"), json!("2001:db9::1"), Value::Null] {
        assert_eq!(asked(elsewhere, json!([])).await, json!([{ "code": "address_not_allowed" }]));
    }
    let scopes = json!(["write", "read", "admin"]);
    let missing = json!({ "code": "insufficient_scope", "missingScopes": ["admin", "write"] });
    assert_eq!(asked(json!("192.0.2.1"), scopes.clone()).await, json!([missing]));

    alice.patches(&replica, &key.path(), json!({ "expiresIn": 1, "enabled": false })).await.is(200);
    let owner = key.body["owner"]["id"].as_str().expect("an id");
    root.posts(&replica, &format!("/v1/admin/owners/{owner}/disable"), json!({})).await.is(200);
    root.deletes(&replica, &key.admin_path()).await.is(200);
    let all = ["revoked", "disabled", "owner_disabled", "expired", "address_not_allowed"];
    let mut all: Vec<Value> = all.iter().map(|code| json!({ "code": code })).collect();
    all.push(missing);
    eventually("everything fails", async || asked(Value::Null, scopes.clone()).await == json!(all)).await;
}

#[tokio::test]
async fn a_strangers_text_is_not_found_whatever_is_wrong_with_it() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let key = alice.creates(&replica, json!({})).await.holder.key;
    let of_another = replica_with_another_pepper(&alice).await;
    let forged = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
    let long = "a".repeat(60_000);
    for text in ["", " ", "x", "keyward_live_", "\u{0}", "🔑", &forged, &of_another, &long, &key.to_uppercase()] {
        let question = json!({ "key": text, "explain": true, "scopes": ["a"] });
        let answer = service().posts(&replica, VERIFY, question).await.is(200);
        let expected = json!({ "valid": false, "code": "not_found", "failures": [{ "code": "not_found" }] });
        assert_eq!(answer, expected, "{text:.100}");
    }
    // The same for a key of ours whose row is gone.
    let rows = replica.database().superuser_pool().await;
    sqlx::query("DELETE FROM api_keys").execute(&rows).await.expect("deleted");
    let answer = service().posts(&replica, VERIFY, json!({ "key": key })).await.is(200);
    assert_eq!(answer, json!({ "valid": false, "code": "not_found" }));
}

async fn replica_with_another_pepper(alice: &Person) -> String {
    let pepper = ("KEYWARD__KEYS__PEPPERS", "another-pepper-0f3c1e9b7a5d2468ace13579bdf02468");
    alice.makes_a_key(&Replica::start_with(&[pepper]).await).await.key
}

#[tokio::test]
async fn up_to_a_hundred_questions_are_answered_in_their_order() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let mut keys = Vec::new();
    for number in 0..3 {
        keys.push(alice.creates(&replica, json!({ "metadata": { "number": number } })).await);
    }
    let ask = async |count: usize| {
        let key = |number: usize| keys.get(number % 4).map_or("nothing", |key| &key.holder.key);
        let checks: Vec<Value> = (0..count).map(|number| json!({ "key": key(number) })).collect();
        service().posts(&replica, VERIFY, json!({ "checks": checks })).await
    };
    for count in [1, 100] {
        let answer = ask(count).await.is(200);
        let results = answer["results"].as_array().expect("a list");
        assert_eq!(results.len(), count);
        for (number, result) in results.iter().enumerate() {
            let code = if number % 4 == 3 { "not_found" } else { "valid" };
            assert_eq!(result["code"], code);
            assert_eq!(result["keyId"], keys.get(number % 4).map_or(Value::Null, |key| json!(key.id)), "{number}");
        }
    }
    assert_eq!(ask(101).await.wrong_fields(), pairs(&[("/checks", "too_many")]));
    assert_eq!(ask(0).await.wrong_fields(), pairs(&[("/checks", "invalid")]));
    let wrong = json!({ "checks": [{ "key": 1 }, {}, { "key": "x", "name": "x", "clientAddress": "x" }], "key": "x" });
    let answer = service().posts(&replica, VERIFY, wrong).await;
    let expected = [
        ("/checks/0/key", "wrong_type"),
        ("/checks/1/key", "required"),
        ("/checks/2/clientAddress", "invalid"),
        ("/checks/2/name", "unknown_field"),
        ("/key", "unknown_field"),
    ];
    assert_eq!(answer.wrong_fields(), pairs(&expected));
    assert_eq!(service().posts(&replica, VERIFY, json!({})).await.wrong_fields(), pairs(&[("/key", "required")]));
}

#[tokio::test]
async fn without_the_database_what_is_not_known_is_503_and_never_valid() {
    let mut cluster = PrivateCluster::start().await;
    let replica = Replica::start_on(&cluster.url("postgres"), &[SHORT_LEASE]).await;
    let alice = Person::named("alice");
    let (known, unknown) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let ask = async |key: &MadeKey| service().posts(&replica, VERIFY, json!({ "key": key.holder.key })).await;
    ask(&known).await.is(200);
    cluster.stop().await;
    let answer = ask(&unknown).await;
    answer.is_problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    // What was known is believed for as long as the lease, and no longer.
    eventually("the lease ends", async || ask(&known).await.status == 503).await;
    let both = json!({ "checks": [{ "key": "x" }, { "key": known.holder.key }] });
    service().posts(&replica, VERIFY, both).await.is_problem(503, "unavailable");
    cluster.restart().await;
    eventually("the database is back", async || ask(&unknown).await.status == 200).await;
}
