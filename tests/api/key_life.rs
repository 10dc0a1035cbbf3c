//! A key is made, shown, changed, switched, revoked.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, stranger},
    asking::{KEYS, MadeKey, Reply, replica, shared_replica},
};

#[tokio::test]
async fn a_key_is_made_as_it_was_ordered_and_its_secret_is_shown_only_then() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let new_key = json!({
        "name": "Zoë’s deploy 🔑",
        "environment": "test",
        "scopes": ["orders:write", "orders:read", "orders:read"],
        "expiresAt": "2030-01-31T12:00:00.123456+02:00",
        "metadata": { "team": "payments", "deep": { "list": [1, 2.5, null, true, "☃"] } },
        "allowedIps": ["127.0.0.1", "192.0.2.77/24", "2001:db8::1/32"],
        "enabled": true,
    });
    let answer = alice.posts(&replica, KEYS, new_key.clone()).await;
    let made = MadeKey::of(answer.is(201));
    assert!(made.holder.key.starts_with(&format!("keyward_test_{}", made.id)), "{}", made.holder.key);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("location"), Some(made.path().as_str()));
    assert_eq!(answer.header("etag"), Some("\"1\""));

    let mut expected = made.body.clone();
    expected.as_object_mut().expect("an object").remove("apiKey");
    assert_eq!(expected["name"], new_key["name"]);
    assert_eq!(expected["environment"], "test");
    assert_eq!(expected["scopes"], json!(["orders:read", "orders:write"]));
    assert_eq!(expected["expiresAt"], "2030-01-31T10:00:00.123Z");
    assert_eq!(expected["metadata"], new_key["metadata"]);
    assert_eq!(expected["allowedIps"], json!(["127.0.0.1/32", "192.0.2.0/24", "2001:db8::/32"]));
    assert_eq!((&expected["enabled"], &expected["state"]), (&json!(true), &json!("active")));
    assert_eq!((&expected["owner"]["issuer"], &expected["owner"]["subject"]), (&json!(""), &json!("alice")));
    assert_eq!(expected["createdAt"], expected["updatedAt"]);
    for name in ["revokedAt", "revokedReason", "successorId", "lastUsedAt", "lastUsedFrom"] {
        assert_eq!(expected.get(name), Some(&Value::Null), "{name}");
    }

    let shown = alice.gets(&replica, &made.path()).await;
    shown.is_json(200, &expected);
    assert_eq!((shown.header("etag"), shown.header("cache-control")), (Some("\"1\""), Some("no-store")));
    let list = alice.gets(&replica, KEYS).await;
    list.is_json(200, &json!({ "keys": [expected], "nextCursor": null }));
    assert_eq!(list.header("cache-control"), Some("no-store"));
    let secret = &made.holder.key["keyward_test_".len() + 22..];
    assert!(!shown.text.contains(secret) && !list.text.contains(secret));
    made.is_everywhere(&[replica], 200).await;
}

#[tokio::test]
async fn a_key_that_is_ordered_without_a_word_has_the_defaults() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    let without_body = MadeKey::of(Reply::to(alice.request(&replica, Method::POST, KEYS)).await.is(201));
    let with_nulls = json!({
        "name": null, "environment": null, "scopes": null, "expiresAt": null, "expiresIn": null,
        "metadata": null, "allowedIps": null, "enabled": null,
    });
    for made in [without_body, alice.creates(&replica, json!({})).await, alice.creates(&replica, with_nulls).await] {
        let defaults = json!([null, "live", "active", true, [], {}, [], null]);
        let names = ["name", "environment", "state", "enabled", "scopes", "metadata", "allowedIps", "expiresAt"];
        assert_eq!(json!(names.map(|name| &made.body[name])), defaults);
        assert_eq!(made.status(&replica).await, 200);
    }
}

#[tokio::test]
async fn a_key_may_be_made_switched_off_and_expires_in_seconds_from_now() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let off = alice.creates(&replica, json!({ "enabled": false, "expiresIn": 3600, "expiresAt": null })).await;
    assert_eq!((&off.body["state"], &off.body["enabled"]), (&json!("disabled"), &json!(false)));
    let time = |name: &str| instant(&off.body[name]);
    assert_eq!(time("expiresAt") - time("createdAt"), time::Duration::HOUR);
    assert_eq!(off.status(&replica).await, 401);
}

fn instant(value: &Value) -> time::OffsetDateTime {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(value.as_str().expect("a text"), format).expect("a time")
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_and_null_takes_a_field_back_rfc_7396() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let made = alice
        .creates(
            &replica,
            json!({
                "name": "one", "scopes": ["a", "b"], "metadata": { "a": { "b": 1, "c": 2 }, "d": [1] },
                "allowedIps": ["192.0.2.1"], "expiresIn": 60, "enabled": false,
            }),
        )
        .await;
    let patch = async |body: Value| alice.patches(&replica, &made.path(), body).await.is(200);

    let changed =
        patch(json!({ "name": "two", "metadata": { "a": { "c": null, "e": { "f": null } }, "d": "x" } })).await;
    assert_eq!(changed["name"], "two");
    assert_eq!(changed["metadata"], json!({ "a": { "b": 1, "e": {} }, "d": "x" }));
    for same in ["scopes", "allowedIps", "expiresAt", "enabled", "createdAt", "owner", "id"] {
        assert_eq!(changed[same], made.body[same], "{same}");
    }
    assert_ne!(changed["updatedAt"], made.body["updatedAt"]);

    for (name, default) in [
        ("name", Value::Null),
        ("scopes", json!([])),
        ("metadata", json!({})),
        ("allowedIps", json!([])),
        ("expiresAt", Value::Null),
        ("enabled", json!(true)),
    ] {
        assert_eq!(patch(json!({ name: null })).await[name], default, "{name}");
    }
    let replaced = patch(json!({ "scopes": ["c"], "allowedIps": ["::1"], "expiresAt": "2040-01-01T00:00:00Z" })).await;
    assert_eq!(replaced["scopes"], json!(["c"]));
    assert_eq!(replaced["allowedIps"], json!(["::1/128"]));
    assert_eq!(replaced["expiresAt"], "2040-01-01T00:00:00.000Z");
    alice.gets(&replica, &made.path()).await.is_json(200, &replaced);
}

#[tokio::test]
async fn a_patch_takes_both_media_types_of_json_and_one_that_changes_nothing_makes_no_version() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let made = alice.creates(&replica, json!({ "name": "one", "metadata": { "n": [1, 2.5, 1e300, -0.5] } })).await;
    for media_type in ["application/json", "application/merge-patch+json", "application/json; charset=utf-8"] {
        for body in ["{}", r#"{"name":"one"}"#, r#"{"metadata":{"n":[1,2.5,1e300,-0.5]}}"#] {
            let request = alice.request(&replica, Method::PATCH, &made.path()).header("content-type", media_type);
            let answer = Reply::to(request.body(body)).await;
            assert_eq!(answer.is(200)["updatedAt"], made.body["updatedAt"], "{body}");
            assert_eq!(answer.header("etag"), Some("\"1\""), "{body}");
        }
    }
}

#[tokio::test]
async fn of_two_editors_the_second_is_told_by_if_match_rfc_9110_section_13_1_1() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let made = alice.creates(&replica, json!({})).await;
    let patch = async |if_match: &str, name: &str| {
        let request = alice.request(&replica, Method::PATCH, &made.path()).header("if-match", if_match);
        Reply::to(request.json(&json!({ "name": name }))).await
    };
    let first = patch("\"1\"", "first").await;
    assert_eq!(first.is(200)["name"], "first");
    assert_eq!(first.header("etag"), Some("\"2\""));
    // "01" and "+2" are other tags than "1" and "2"; a weak one matches nothing.
    for stale in ["\"1\"", "\"1\",,", "\"3\", \"1\"", "W/\"2\"", "\"\"", "\"x\"", "\"02\"", "\"+2\""] {
        patch(stale, "second").await.is_problem(412, "version_mismatch");
    }
    for malformed in ["2", "\"2", "2\"", "", "W/2", "é"] {
        let answer = patch(malformed, "second").await;
        assert_eq!(answer.wrong_parameters(), [("If-Match".to_owned(), "invalid".to_owned())], "{malformed}");
    }
    assert_eq!(alice.gets(&replica, &made.path()).await.is(200)["name"], "first");
    assert_eq!(patch("\"7\", \"2\"", "third").await.is(200)["name"], "third");
    assert_eq!(patch("*", "fourth").await.is(200)["name"], "fourth");
}

#[tokio::test]
async fn a_key_is_switched_off_and_on_again() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let made = alice.creates(&replica, json!({})).await;
    for _ in 0..2 {
        for (path, state, status) in [("disable", "disabled", 401), ("enable", "active", 200)] {
            for _ in 0..2 {
                let answer = Reply::to(alice.request(&replica, Method::POST, &format!("{}/{path}", made.path()))).await;
                assert_eq!(answer.is(200)["state"], state);
                assert_eq!(made.status(&replica).await, status);
            }
        }
    }
    assert_eq!(alice.gets(&replica, &made.path()).await.header("etag"), Some("\"5\""));
}

#[tokio::test]
async fn a_revoke_keeps_its_reason_and_is_final() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let made = alice.creates(&replica, json!({})).await;
    let path = made.path();
    alice.deletes(&replica, &format!("{path}?reason=in%20a%20log%20%F0%9F%94%A5")).await.is(200);
    alice.deletes(&replica, &format!("{path}?reason=later")).await.is(200);
    let shown = alice.gets(&replica, &path).await.is(200);
    assert_eq!((&shown["state"], &shown["revokedReason"]), (&json!("revoked"), &json!("in a log 🔥")));
    alice.patches(&replica, &path, json!({ "name": "x" })).await.is_problem(409, "key_revoked");
    alice.patches(&replica, &path, json!({})).await.is_problem(409, "key_revoked");
    for action in ["disable", "enable", "rotate"] {
        alice.posts(&replica, &format!("{path}/{action}"), json!({})).await.is_problem(409, "key_revoked");
    }
    alice.gets(&replica, &path).await.is_json(200, &shown);
    for bad in ["reason=", "reason=%00", "reason=a&reason=b", "why=x"] {
        alice.deletes(&replica, &format!("{path}?{bad}")).await.is_problem(400, "invalid_parameters");
    }
}

#[tokio::test]
async fn whoever_holds_a_key_can_end_it() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let (made, other) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let path = format!("{KEYS}/self");
    let ends = async |key: &str, query: &str| {
        Reply::to(stranger(&replica, Method::DELETE, &format!("{path}{query}")).header("x-api-key", key)).await
    };
    let revoked = ends(&made.holder.key, "?reason=found%20in%20a%20repository").await.is(200);
    assert_eq!((&revoked["id"], &revoked["replicasConfirmed"]), (&json!(made.id), &json!(1)));
    assert_eq!((made.status(&replica).await, other.status(&replica).await), (401, 200));
    let shown = alice.gets(&replica, &made.path()).await.is(200);
    assert_eq!(shown["revokedReason"], "found in a repository");
    assert_eq!(ends(&made.holder.key, "").await.is(200)["revokedAt"], revoked["revokedAt"]);
    let elsewhere = json!({ "enabled": false, "allowedIps": ["192.0.2.0/24"] });
    let unusable = alice.creates(&replica, elsewhere).await;
    assert_eq!(unusable.status(&replica).await, 401);
    ends(&unusable.holder.key, "").await.is(200);
    ends(&format!("{}x", other.holder.key), "").await.is_problem(401, "invalid_token");
    alice.deletes(&replica, &path).await.is_problem(401, "missing_credential");
}
