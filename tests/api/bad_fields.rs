//! Fields, bodies and media types of Keyward's own API that are no good.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{KEYS, Reply, VERIFY, pairs, replica, shared_replica},
    replica::Replica,
};

async fn refused(replica: &Replica, body: Value) -> Vec<(String, String)> {
    Person::named("alice").posts(replica, KEYS, body).await.wrong_fields()
}

#[tokio::test]
async fn all_fields_that_are_wrong_are_named_at_once_with_pointers() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    let wrong = json!({
        "name": 1, "environment": "production", "scopes": ["a", "b c", 3], "expiresAt": "tomorrow", "metadata": [],
        "allowedIps": ["192.0.2.1", "192.0.2.1/33", "x", null], "enabled": "yes", "id": "x", "a/b~c": 1,
    });
    let expected = [
        ("/allowedIps/1", "invalid"),
        ("/allowedIps/2", "invalid"),
        ("/allowedIps/3", "wrong_type"),
        ("/a~1b~0c", "unknown_field"),
        ("/enabled", "wrong_type"),
        ("/environment", "invalid"),
        ("/expiresAt", "invalid"),
        ("/id", "unknown_field"),
        ("/metadata", "wrong_type"),
        ("/name", "wrong_type"),
        ("/scopes/1", "invalid"),
        ("/scopes/2", "wrong_type"),
    ];
    assert_eq!(refused(&replica, wrong).await, pairs(&expected));
    let key = alice.creates(&replica, json!({})).await;
    let patch = json!({
        "id": "x", "owner": null, "environment": "test", "createdAt": 1, "revokedAt": 1, "state": "disabled",
        "updatedAt": 1, "lastUsedAt": 1, "successorId": "x", "apiKey": "x", "name": "", "scopes": {},
    });
    let expected = [
        ("/apiKey", "unknown_field"),
        ("/createdAt", "immutable"),
        ("/environment", "immutable"),
        ("/id", "immutable"),
        ("/name", "invalid"),
        ("/owner", "immutable"),
        ("/revokedAt", "immutable"),
        ("/scopes", "wrong_type"),
        ("/state", "immutable"),
        ("/successorId", "immutable"),
    ];
    // Those that are not named change by themselves, and are ignored.
    assert_eq!(alice.patches(&replica, &key.path(), patch).await.wrong_fields(), pairs(&expected));
    assert_eq!(alice.gets(&replica, &key.path()).await.header("etag"), Some("\"1\""));
}

#[tokio::test]
async fn ten_thousand_of_anything_are_too_many() {
    let replica = shared_replica().await;
    let many = |item: fn(usize) -> String| (0..10_000).map(item).collect::<Vec<_>>();
    let scopes = many(|number| (number % 10).to_string());
    assert_eq!(refused(&replica, json!({ "scopes": scopes })).await, pairs(&[("/scopes", "too_many")]));
    let networks = vec!["::1"; 10_000];
    assert_eq!(refused(&replica, json!({ "allowedIps": networks })).await, pairs(&[("/allowedIps", "too_many")]));
    let unknown: serde_json::Map<_, _> = (0..5_000).map(|number| (format!("f{number}"), json!(0))).collect();
    // As many as help somebody to mend them.
    assert_eq!(refused(&replica, unknown.into()).await.len(), 50);
    let all: Vec<String> = (0..100).map(|number| format!("{number:0>128}")).collect();
    Person::named("alice").creates(&replica, json!({ "scopes": all, "allowedIps": vec!["::1"; 50] })).await;
    for (number, code) in [(101, "too_many"), (51, "too_many")] {
        let (name, item) = if number == 101 { ("scopes", "a") } else { ("allowedIps", "::1") };
        assert_eq!(refused(&replica, json!({ name: vec![item; number] })).await, pairs(&[(&format!("/{name}"), code)]));
    }
}

#[tokio::test]
async fn an_end_of_life_is_a_time_to_come_in_any_time_zone_before_the_year_10000() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    for (end, code) in [
        (json!("2001-01-01T00:00:00Z"), "in_the_past"),
        (json!("0000-01-01T00:00:00Z"), "in_the_past"),
        (json!("0000-01-01T00:00:00+00:01"), "invalid"),
        (json!("10000-01-01T00:00:00Z"), "invalid"),
        (json!("+10000-01-01T00:00:00Z"), "invalid"),
        (json!("9999-12-31T23:59:59-00:01"), "invalid"),
        (json!("2030-01-01"), "invalid"),
        (json!("2030-01-01T00:00:00"), "invalid"),
        (json!("2030-02-30T00:00:00Z"), "invalid"),
        (json!("2030-01-01T24:00:00Z"), "invalid"),
        (json!("2030-01-01T00:00:00+25:00"), "invalid"),
        (json!("Tue, 01 Jan 2030 00:00:00 GMT"), "invalid"),
        (json!(""), "invalid"),
        (json!(1_900_000_000), "wrong_type"),
        (json!(["2030-01-01T00:00:00Z"]), "wrong_type"),
    ] {
        assert_eq!(refused(&replica, json!({ "expiresAt": end })).await, pairs(&[("/expiresAt", code)]), "{end}");
    }
    for (end, utc) in [
        ("2030-01-01T00:00:00+14:00", "2029-12-31T10:00:00.000Z"),
        ("2030-01-01T00:00:00-23:59", "2030-01-01T23:59:00.000Z"),
        ("2030-01-01t00:00:00z", "2030-01-01T00:00:00.000Z"),
        ("2030-01-01T00:00:00.123456789Z", "2030-01-01T00:00:00.123Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"),
    ] {
        let key = alice.creates(&replica, json!({ "expiresAt": end })).await;
        assert_eq!(key.body["expiresAt"], utc);
        assert_eq!(alice.gets(&replica, &key.path()).await.is(200)["expiresAt"], utc);
    }
    for bad in [json!(0), json!(-1), json!(1.5), json!("60"), json!(1e300), json!(u64::MAX), json!(true)] {
        assert_eq!(refused(&replica, json!({ "expiresIn": bad })).await, pairs(&[("/expiresIn", "invalid")]), "{bad}");
    }
    let both = json!({ "expiresIn": 60, "expiresAt": "2030-01-01T00:00:00Z" });
    assert_eq!(refused(&replica, both.clone()).await, pairs(&[("/expiresIn", "conflict")]));
    let key = alice.creates(&replica, json!({})).await;
    let answer = alice.patches(&replica, &key.path(), both).await;
    assert_eq!(answer.wrong_fields(), pairs(&[("/expiresIn", "conflict")]));
}

#[tokio::test]
async fn names_and_metadata_have_limits_and_come_back_as_they_were() {
    let (replica, alice) = (shared_replica().await, Person::named("alice"));
    for bad in ["", "\u{0}", "a\nb", "\u{7f}", "\u{85}", &"é".repeat(201)] {
        assert_eq!(refused(&replica, json!({ "name": bad })).await, pairs(&[("/name", "invalid")]), "{bad:?}");
    }
    let long = "x".repeat(4096);
    for bad in [
        json!({ "a": long }),
        json!({ "a": [[[[[1]]]]] }),
        json!({ "a": { "b": { "c": { "d": { "e": {} } } } } }),
        json!({ "a": "\u{0}" }),
        json!({ "a\u{0}": 1 }),
        json!({ "a": [{ "b": ["\u{0}"] }] }),
    ] {
        let wrong = refused(&replica, json!({ "metadata": bad })).await;
        assert_eq!(wrong, pairs(&[("/metadata", "invalid")]), "{bad}");
    }
    let largest = json!({ "a": "x".repeat(4096 - r#"{"a":""}"#.len()) });
    let key = alice.creates(&replica, json!({ "metadata": largest, "name": "é".repeat(200) })).await;
    // A patch makes them no larger, and no deeper.
    for more in [json!({ "b": 1 }), json!({ "a": { "b": { "c": { "d": { "e": {} } } } } }), json!({ "b": "\u{0}" })] {
        let answer = alice.patches(&replica, &key.path(), json!({ "metadata": more })).await;
        assert_eq!(answer.wrong_fields(), pairs(&[("/metadata", "invalid")]), "{more}");
    }
    let numbers = r#"{"metadata":{"n":[0,-1,9007199254740993,18446744073709551615,-9223372036854775808,1.0,0.1,1e21,1e-7,5e-324,1.7976931348623157e308,123456789012345678901234567890]}}"#;
    let request = alice.request(&replica, Method::POST, KEYS).header("content-type", "application/json").body(numbers);
    let made = Reply::to(request).await.is(201);
    let sent: Value = serde_json::from_str(numbers).expect("JSON");
    assert_eq!(made["metadata"], sent["metadata"]);
    let path = format!("{KEYS}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(alice.gets(&replica, &path).await.is(200)["metadata"], sent["metadata"]);
}

const BROKEN: [&[u8]; 24] = [
    b" ",
    b"{",
    b"{\"name\":\"x\"",
    b"{\"name\":\"x",
    b"{\"name\":",
    b"{}{}",
    b"{}\0",
    b"{'name':'x'}",
    b"{\"name\":\"x\",}",
    b"{name:\"x\"}",
    b"{\"name\":\"x\",\"name\":\"x\"}",
    b"{\"metadata\":{\"a\":1,\"\\u0061\":2}}",
    b"{\"name\":\"\\ud800\"}",
    b"{\"name\":\"\\udc00\\ud800\"}",
    b"{\"name\":\"\xed\xa0\x80\"}",
    b"{\"name\":\"\xff\"}",
    b"{\"name\":\"\xc0\x80\"}",
    b"{\"name\":\"\x01\"}",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\0}\0",
    b"\xfe\xff\0{\0}",
    b"{\"metadata\":{\"a\":1e999}}",
    b"{\"metadata\":{\"a\":NaN}}",
    b"{\"metadata\":{\"a\":01}}",
];

#[tokio::test]
async fn broken_json_of_every_kind_is_invalid_json_on_every_route_that_reads_a_body() {
    let (replica, root) = (replica().await, Person::with_scopes("root", "keyward:admin keyward:verify"));
    let id = root.creates(&replica, json!({})).await.id;
    let deep = format!("{{\"metadata\":{}", "{\"a\":".repeat(10_000)).into_bytes();
    let deep_list = "[".repeat(60_000).into_bytes();
    let no_objects: [(&[u8], &str); 7] = [
        (b"[]", "an array"),
        (b"1", "a number"),
        (b"null", "null"),
        (b"\"x\"", "a string"),
        (b"true", "a boolean"),
        (b"[{\"op\":\"add\"}]", "an array"),
        (b" [{}]\n", "an array"),
    ];
    let all = BROKEN.iter().copied().chain([deep.as_slice(), deep_list.as_slice()]);
    let all: Vec<&[u8]> = all.collect();
    for (method, path) in [
        (Method::POST, KEYS.to_owned()),
        (Method::POST, "/v1/admin/keys".to_owned()),
        (Method::PATCH, format!("{KEYS}/{id}")),
        (Method::DELETE, format!("{KEYS}/{id}")),
        (Method::PATCH, format!("/v1/admin/keys/{id}")),
        (Method::POST, format!("{KEYS}/{id}/rotate")),
        (Method::POST, format!("{KEYS}/{id}/disable")),
        (Method::POST, format!("{KEYS}/{id}/enable")),
        (Method::POST, VERIFY.to_owned()),
        (Method::POST, "/v1/admin/keys/revoke".to_owned()),
        (Method::POST, "/v1/admin/owners/AGFsaWNl/disable".to_owned()),
        (Method::POST, "/v1/admin/owners/AGFsaWNl/enable".to_owned()),
    ] {
        let send = async |media_type: Option<&str>, body: &[u8]| {
            let mut request = root.request(&replica, method.clone(), &path).body(body.to_vec());
            if let Some(media_type) = media_type {
                request = request.header("content-type", media_type);
            }
            Reply::to(request).await
        };
        for body in &all {
            let answer = send(Some("application/json"), body).await;
            assert_eq!(answer.status, 400, "{method} {path} {:.60?}: {}", String::from_utf8_lossy(body), answer.text);
            answer.is_problem(400, "invalid_json");
        }
        for (body, kind) in no_objects {
            let answer = send(Some("application/json"), body).await;
            answer.is_problem(400, "not_an_object");
            let detail = answer.is(400)["detail"].as_str().expect("a detail").to_owned();
            assert!(detail.contains(kind) && !detail.contains("not valid"), "{method} {path}: {detail}");
        }
        for other in [
            "text/plain",
            "application/xml",
            "application/json-patch+json",
            "application/x-www-form-urlencoded",
            "x",
            "",
        ] {
            send(Some(other), b"{\"name\":\"x\"}").await.is_problem(415, "unsupported_media_type");
        }
        send(None, b"{}").await.is_problem(415, "unsupported_media_type");
    }
    assert_eq!(root.gets(&replica, KEYS).await.is(200)["keys"].as_array().map(Vec::len), Some(1));
}
