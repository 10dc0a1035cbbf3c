//! What is shown can be sent back: a client that reads, changes one member and writes need not know which members
//! nobody can change, nor which have moved meanwhile.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{Reply, pairs, replica, shared_replica},
    database::execute,
    replica::Replica,
};

const PLAN: &str = "/v1/admin/plans/pro";
const LIMITS: &str = "/v1/admin/owners/AGFsaWNl/limits";

async fn puts(replica: &Replica, path: &str, body: &Value) -> Reply {
    Reply::to(Person::administrator().request(replica, Method::PUT, path).json(body)).await
}

/// The same with another value of one member, which is named by a JSON Pointer and may not be there yet.
fn with(shown: &Value, place: &str, value: Value) -> Value {
    let (within, name) = place.rsplit_once('/').expect("a pointer");
    let mut changed = shown.clone();
    changed.pointer_mut(within).expect("a place")[name] = value;
    changed
}

#[tokio::test]
async fn a_key_is_changed_by_sending_back_what_was_shown_with_one_other_member() {
    let (replica, alice, root) = (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    let limits = json!([{ "name": "hour", "limit": 100, "window": "1h" }]);
    let key = alice.creates(&replica, json!({ "limits": limits, "metadata": { "a": 1.50 }, "expiresIn": 3600 })).await;
    let path = key.admin_path();
    let refill = json!({ "amount": 5, "interval": "monthly", "day": 31 });
    root.patches(&replica, &path, json!({ "credits": { "remaining": 20, "refill": refill } })).await.is(200);
    assert_eq!(key.status(&replica).await, 200);
    let (first, shown) = {
        let reply = alice.gets(&replica, &key.path()).await;
        (reply.header("etag").map(str::to_owned), reply.is(200))
    };
    for _ in 0..2 {
        assert_eq!(key.status(&replica).await, 200, "and the balance is another one");
    }
    // The owner can't change these credits, and doesn't.
    let same = alice.patches(&replica, &key.path(), shown.clone()).await;
    assert_eq!((same.is(200)["credits"]["granted"].clone(), same.header("etag")), (json!(20), first.as_deref()));
    let renamed = alice.patches(&replica, &key.path(), with(&shown, "/name", json!("worker"))).await.is(200);
    assert_eq!((&renamed["name"], &renamed["credits"]["setBy"]), (&json!("worker"), &json!("administrator")));
    assert!(renamed["credits"]["remaining"].as_u64() < Some(18), "nothing has come back: {renamed}");
    // A client may write times in another form.
    let created = shown["createdAt"].as_str().and_then(|text| text.strip_suffix('Z')).expect("a time");
    let other_form = with(&shown, "/createdAt", json!(format!("{created}000+00:00")));
    alice.patches(&replica, &key.path(), other_form).await.is(200);
    // A balance that is not the one that was shown is set.
    let fewer = root.patches(&replica, &path, with(&shown, "/credits/remaining", json!(3))).await.is(200);
    assert_eq!((&fewer["credits"]["remaining"], &fewer["name"]), (&json!(3), &Value::Null));

    let bob = json!({ "id": "AGJvYg", "issuer": "", "subject": "bob" });
    for (place, value, code) in [
        ("/state", json!("revoked"), "immutable"),
        ("/owner", bob, "immutable"),
        ("/createdAt", json!("2026-01-01T00:00:00.000Z"), "immutable"),
        ("/revokedAt", json!("2026-01-01T00:00:00.000Z"), "immutable"),
        ("/expireAt", Value::Null, "unknown_field"),
        ("/credits/left", json!(1), "unknown_field"),
        ("/limits/0/windows", json!("1h"), "unknown_field"),
    ] {
        let reply = alice.patches(&replica, &key.path(), with(&shown, place, value)).await;
        assert_eq!(reply.wrong_fields(), pairs(&[(place, code)]));
    }
    let stranger = Person::of_this_test("bob").patches(&replica, &key.path(), shown).await;
    stranger.is_problem(404, "not_found");
}

#[tokio::test]
async fn the_end_of_a_key_that_has_expired_can_be_sent_back_too() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let key = alice.creates(&replica, json!({ "expiresIn": 3600 })).await;
    let earlier = "UPDATE api_keys SET created_at = created_at - interval '2 hours', expires_at = expires_at - interval '2 hours'";
    execute(replica.database().url(), earlier).await.expect("an earlier key");
    let shown = alice.gets(&replica, &key.path()).await.is(200);
    assert_eq!(shown["state"], "expired");
    let renamed = alice.patches(&replica, &key.path(), with(&shown, "/name", json!("old"))).await.is(200);
    assert_eq!((&renamed["name"], &renamed["expiresAt"]), (&json!("old"), &shown["expiresAt"]));
}

#[tokio::test]
async fn a_plan_is_replaced_by_what_was_shown_of_it() {
    let (replica, root) = (replica().await, Person::administrator());
    let credits = json!({ "amount": 10, "refill": { "amount": 5, "interval": "daily" } });
    let limits = json!([{ "name": "month", "limit": 10, "window": "month" }]);
    let body = json!({ "limits": limits, "credits": credits, "maxKeys": 3, "environments": ["test"], "scopes": ["a"] });
    puts(&replica, PLAN, &body).await.is(201);
    let shown = root.gets(&replica, PLAN).await.is(200);
    assert_eq!(puts(&replica, PLAN, &shown).await.is(200)["changed"], false);
    let wider = puts(&replica, PLAN, &with(&shown, "/maxKeys", json!(4))).await.is(200);
    assert_eq!((&wider["changed"], &wider["maxKeys"], &wider["limits"]), (&json!(true), &json!(4), &shown["limits"]));
    // What was shown before that change is no longer as it was.
    assert_eq!(puts(&replica, PLAN, &shown).await.is(200)["changed"], true);
    for (place, value, code) in [
        ("/name", json!("free"), "immutable"),
        ("/maxKey", json!(1), "unknown_field"),
        ("/credits/remaining", json!(1), "unknown_field"),
    ] {
        let reply = puts(&replica, PLAN, &with(&shown, place, value)).await;
        assert_eq!(reply.wrong_fields(), pairs(&[(place, code)]));
    }
}

#[tokio::test]
async fn the_limits_of_an_owner_are_replaced_by_what_was_shown_of_them() {
    let (replica, root) = (replica().await, Person::administrator());
    let nothing = root.gets(&replica, LIMITS).await.is(200);
    assert_eq!(puts(&replica, LIMITS, &nothing).await.is(200)["changed"], false);
    let limits = json!([{ "name": "month", "limit": 100, "window": "month" }]);
    puts(&replica, LIMITS, &json!({ "limits": limits, "credits": { "remaining": 20, "max": 50 } })).await.is(200);
    let key = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(key.status(&replica).await, 200);
    let shown = root.gets(&replica, LIMITS).await.is(200);
    let credits = &shown["credits"];
    let number = |name: &str| credits[name].as_u64().expect("a number");
    assert_eq!(number("spent") + number("remaining") + number("unsettled"), number("granted"), "{credits}");
    assert_eq!(number("granted"), 20);
    assert_eq!(key.status(&replica).await, 200);
    assert_eq!(puts(&replica, LIMITS, &shown).await.is(200)["changed"], false, "and nothing has come back");
    let more = puts(&replica, LIMITS, &with(&shown, "/credits/max", json!(60))).await.is(200);
    assert_eq!((&more["credits"]["max"], &more["credits"]["granted"]), (&json!(60), &json!(20)));
    for (place, value, code) in
        [("/owner/id", json!("AGJvYg"), "immutable"), ("/credits/maximum", json!(1), "unknown_field")]
    {
        let reply = puts(&replica, LIMITS, &with(&shown, place, value)).await;
        let at = if place == "/owner/id" { "/owner" } else { place };
        assert_eq!(reply.wrong_fields(), pairs(&[(at, code)]));
    }
}
