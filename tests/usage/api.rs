//! What is reported, to whom.

use keyward::domain::{
    api_key::KeyId,
    ports::usage::{HourlyUses, UsageStore},
    usage::UseOutcome,
};
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{MadeKey, Reply, pairs, replica, replica_with},
    replica::Replica,
};
use time::{OffsetDateTime, macros::datetime};

use crate::{
    store::{batch, store, uses},
    usage_of,
};

pub(crate) fn id(key: &MadeKey) -> KeyId {
    key.id.parse().expect("an id")
}

fn refused(key: KeyId, hour: OffsetDateTime, outcome: UseOutcome, tag: &str, count: u32) -> HourlyUses {
    HourlyUses { key, hour, outcome, tag: tag.to_owned(), count }
}

/// Two keys of alice and one of bob, with uses at the turn of a year.
pub(crate) async fn used_keys(replica: &Replica) -> [MadeKey; 3] {
    let (alice, bob) = (Person::named("alice"), Person::named("bob"));
    let keys = [
        alice.creates(replica, json!({})).await,
        alice.creates(replica, json!({})).await,
        bob.creates(replica, json!({})).await,
    ];
    let (eve, new_year) = (datetime!(2025-12-31 22:00 UTC), datetime!(2026-01-01 0:00 UTC));
    let [one, two, three] = [&keys[0], &keys[1], &keys[2]].map(id);
    let counts = vec![
        uses(one, eve, 10),
        refused(one, eve, UseOutcome::RateLimited, "", 2),
        uses(one, new_year, 1),
        refused(two, new_year, UseOutcome::Granted, "search", 5),
        refused(two, new_year, UseOutcome::Expired, "search", 1),
        uses(three, new_year, 100),
    ];
    store(replica.database()).await.write_usage(&batch(1, counts)).await.expect("written");
    keys
}

const NIGHT: &str = "?granularity=hour&from=2025-12-31T22:30:00Z&to=2026-01-01T00:00:01Z";

fn point(start: &str, granted: u64, refused: Value) -> Value {
    json!({ "start": start, "granted": granted, "refused": refused })
}

#[tokio::test]
async fn a_report_has_every_interval_and_its_sums() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let [key, ..] = used_keys(&replica).await;
    let hours = usage_of(&replica, &alice, &key, NIGHT).await;
    assert_eq!(
        hours["series"],
        json!([
            point("2025-12-31T22:00:00.000Z", 10, json!({ "rate_limited": 2 })),
            point("2025-12-31T23:00:00.000Z", 0, json!({})),
            point("2026-01-01T00:00:00.000Z", 1, json!({})),
        ])
    );
    assert_eq!(hours["totals"], json!({ "granted": 11, "refused": { "rate_limited": 2 } }));
    assert_eq!(
        (&hours["from"], &hours["to"]),
        (&json!("2025-12-31T22:00:00.000Z"), &json!("2026-01-01T01:00:00.000Z"))
    );
    assert_eq!(hours["granularity"], "hour");
    assert!(hours["asOf"].as_str() > Some("2026") && hours.get("groups").is_none(), "{hours}");

    let days = usage_of(&replica, &alice, &key, "?from=2025-12-31T00:00:00Z&to=2026-01-02T00:00:00%2B00:00").await;
    assert_eq!(
        days["series"],
        json!([
            point("2025-12-31T00:00:00.000Z", 10, json!({ "rate_limited": 2 })),
            point("2026-01-01T00:00:00.000Z", 1, json!({})),
        ])
    );
    let months = "?granularity=month&from=2025-12-24T00:00:00Z&to=2026-02-01T00:00:00Z";
    let months = usage_of(&replica, &alice, &key, months).await;
    assert_eq!(
        months["series"],
        json!([
            point("2025-12-01T00:00:00.000Z", 10, json!({ "rate_limited": 2 })),
            point("2026-01-01T00:00:00.000Z", 1, json!({})),
        ])
    );
    for (granularity, points) in [("hour", 24), ("day", 30), ("month", 12)] {
        let report = usage_of(&replica, &alice, &key, &format!("?granularity={granularity}")).await;
        assert_eq!(report["series"].as_array().map(Vec::len), Some(points), "{granularity}");
    }
}

#[tokio::test]
async fn owners_see_their_own_uses_and_administrators_all() {
    let (replica, alice, bob) = (replica().await, Person::named("alice"), Person::named("bob"));
    let root = Person::administrator();
    let [one, two, three] = used_keys(&replica).await;
    for path in [three.path(), format!("/v1/keys/{}", "0".repeat(22)), "/v1/keys/x".to_owned()] {
        alice.gets(&replica, &format!("{path}/usage")).await.is_problem(404, "not_found");
    }
    let granted = async |person: &Person, path: &str| {
        person.gets(&replica, path).await.is(200)["totals"]["granted"].as_u64().expect("a number")
    };
    let time = "from=2025-12-01T00:00:00Z&to=2026-02-01T00:00:00Z";
    for (person, path, sum) in [
        (&alice, format!("/v1/usage?{time}"), 16),
        (&bob, format!("/v1/usage?{time}"), 100),
        (&alice, format!("/v1/usage?{time}&keyId={}", two.id), 5),
        (&alice, format!("/v1/usage?{time}&keyId={}", three.id), 0),
        (&root, format!("/v1/admin/usage?{time}"), 116),
        (&root, format!("/v1/admin/usage?{time}&subject=alice"), 16),
        (&root, format!("/v1/admin/usage?{time}&owner=AGFsaWNl&keyId={}", one.id), 11),
        (&root, format!("/v1/admin/usage?{time}&keyId={}", three.id), 100),
        (&root, format!("/v1/admin/usage?{time}&subject=nobody"), 0),
        (&root, format!("/v1/admin/usage?{time}&tag=search"), 5),
        (&root, format!("/v1/admin/usage?{time}&tag="), 111),
        (&root, format!("/v1/admin/usage?{time}&outcome=granted"), 116),
        (&root, format!("/v1/admin/usage?{time}&outcome=expired"), 0),
        (&root, format!("/v1/admin/keys/{}/usage?{time}", three.id), 100),
        (&alice, format!("{}/usage?{time}&tag=other", two.path()), 0),
    ] {
        assert_eq!(granted(person, &path).await, sum, "{path}");
    }
    alice.gets(&replica, "/v1/admin/usage").await.is_problem(403, "insufficient_scope");
    // Nobody but an administrator names an owner.
    let reply = alice.gets(&replica, "/v1/usage?subject=bob&groupBy=owner").await;
    assert_eq!(reply.wrong_parameters(), pairs(&[("groupBy", "invalid"), ("subject", "unknown_parameter")]));
}

#[tokio::test]
async fn the_groups_with_the_most_uses_are_told() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let [one, two, three] = used_keys(&replica).await;
    let groups = async |person: &Person, path: &str| {
        let time = "from=2025-12-31T00:00:00Z&to=2026-01-02T00:00:00Z";
        person.gets(&replica, &format!("{path}&{time}")).await.is(200)["groups"].clone()
    };
    let owner = |subject: &str, id: &str| json!({ "id": id, "issuer": "", "subject": subject });
    let (alices, bobs) = (owner("alice", "AGFsaWNl"), owner("bob", "AGJvYg"));
    let of_key = |key: &MadeKey, owner: &Value, granted: u64, refused: Value| json!({ "keyId": key.id, "owner": owner, "granted": granted, "refused": refused });
    let first = of_key(&one, &alices, 11, json!({ "rate_limited": 2 }));
    let second = of_key(&two, &alices, 5, json!({ "expired": 1 }));
    assert_eq!(groups(&alice, "/v1/usage?groupBy=key").await, json!([first, second]));
    assert_eq!(groups(&alice, "/v1/usage?groupBy=key&top=1").await, json!([first]));
    let third = of_key(&three, &bobs, 100, json!({}));
    assert_eq!(groups(&root, "/v1/admin/usage?groupBy=key&top=2").await, json!([third, first]));
    assert_eq!(
        groups(&root, "/v1/admin/usage?groupBy=owner").await,
        json!([
            { "owner": bobs, "granted": 100, "refused": {} },
            { "owner": alices, "granted": 16, "refused": { "rate_limited": 2, "expired": 1 } },
        ])
    );
    assert_eq!(
        groups(&root, "/v1/admin/usage?groupBy=tag").await,
        json!([
            { "tag": "", "granted": 111, "refused": { "rate_limited": 2 } },
            { "tag": "search", "granted": 5, "refused": { "expired": 1 } },
        ])
    );
    assert_eq!(
        groups(&root, "/v1/admin/usage?groupBy=outcome&subject=alice").await,
        json!([
            { "outcome": "granted", "granted": 16, "refused": {} },
            { "outcome": "rate_limited", "granted": 0, "refused": { "rate_limited": 2 } },
            { "outcome": "expired", "granted": 0, "refused": { "expired": 1 } },
        ])
    );
    // All keys one by one are too many to be looked at for long.
    let long_ago = "from=2026-01-01T00:00:00Z";
    for (query, wrong) in [
        (format!("groupBy=key&granularity=hour&to=2026-01-01T08:00:00Z&{long_ago}"), "groupBy"),
        (format!("groupBy=owner&{long_ago}"), "groupBy"),
        ("groupBy=owner&granularity=month".to_owned(), "groupBy"),
        ("top=3".to_owned(), "top"),
    ] {
        let reply = root.gets(&replica, &format!("/v1/admin/usage?{query}")).await;
        assert_eq!(reply.wrong_parameters(), pairs(&[(wrong, "conflict")]), "{query}");
    }
    root.gets(&replica, "/v1/admin/usage?groupBy=key&subject=alice").await.is(200);
    // If nobody says when it begins, it is as long as it may be; a time of that length may begin and end within a day.
    for (query, points) in [
        ("groupBy=key", 7),
        ("groupBy=owner&granularity=hour", 6),
        ("groupBy=owner&from=2026-01-01T12:00:00Z&to=2026-01-08T12:00:00Z", 8),
    ] {
        let report = root.gets(&replica, &format!("/v1/admin/usage?{query}")).await.is(200);
        assert_eq!(report["series"].as_array().map(Vec::len), Some(points), "{query}");
    }
}

/// Alice is on the plan pro, and Bob on none.
async fn with_plans(replica: &Replica) {
    let root = Person::administrator();
    for (path, body) in [
        ("/v1/admin/plans/pro", json!({})),
        ("/v1/admin/plans/empty", json!({})),
        ("/v1/admin/owners/AGFsaWNl/plan", json!({ "plan": "pro" })),
    ] {
        let reply = Reply::to(root.request(replica, reqwest::Method::PUT, path).json(&body)).await;
        assert!(matches!(reply.status, 200 | 201), "{path}: {}", reply.text);
    }
}

#[tokio::test]
async fn administrators_see_uses_by_the_plan_that_owners_are_on_now() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let [one, _, three] = used_keys(&replica).await;
    with_plans(&replica).await;
    let time = "from=2025-12-31T00:00:00Z&to=2026-01-02T00:00:00Z";
    let report = async |query: &str| root.gets(&replica, &format!("/v1/admin/usage?{query}&{time}")).await.is(200);
    for (query, sum) in [
        ("plan=pro".to_owned(), 16),
        ("plan=empty".to_owned(), 0),
        ("plan=other".to_owned(), 0),
        ("plan=pro&granularity=hour&subject=alice".to_owned(), 16),
        ("plan=pro&subject=bob".to_owned(), 0),
        ("plan=pro&tag=search".to_owned(), 5),
        (format!("plan=pro&keyId={}", one.id), 11),
        (format!("plan=pro&keyId={}", three.id), 0),
        (format!("plan=pro&subject=alice&keyId={}", one.id), 11),
    ] {
        assert_eq!(report(&query).await["totals"]["granted"], sum, "{query}");
    }
    let pro = json!({ "plan": "pro", "granted": 16, "refused": { "rate_limited": 2, "expired": 1 } });
    let none = json!({ "plan": "", "granted": 100, "refused": {} });
    assert_eq!(report("groupBy=plan").await["groups"], json!([none, pro]));
    assert_eq!(report("groupBy=plan&top=1").await["groups"], json!([none]));
    assert_eq!(report("groupBy=plan&plan=pro").await["groups"], json!([pro]));
    assert_eq!(report("groupBy=plan&subject=alice").await["groups"], json!([pro]));
    let alices = json!({ "id": "AGFsaWNl", "issuer": "", "subject": "alice" });
    let of_alice = json!({ "owner": alices, "granted": 16, "refused": { "rate_limited": 2, "expired": 1 } });
    assert_eq!(report("groupBy=owner&plan=pro").await["groups"], json!([of_alice]));
    let csv = root.gets(&replica, &format!("/v1/admin/usage?groupBy=plan&format=csv&{time}")).await.text;
    assert!(csv.starts_with("keyId,ownerIssuer,ownerSubject,outcome,tag,plan,granted,"), "{csv}");
    assert!(csv.contains("\n,,,,,pro,16,3,1,"), "{csv}");

    // An owner has only one plan, and what many keys have used is not looked at for long.
    let reply = alice.gets(&replica, "/v1/usage?plan=pro&groupBy=plan").await;
    assert_eq!(reply.wrong_parameters(), pairs(&[("groupBy", "invalid"), ("plan", "unknown_parameter")]));
    for (query, wrong) in [
        ("groupBy=plan&from=2026-01-01T00:00:00Z", &[("groupBy", "conflict")][..]),
        ("plan=pro&from=2026-01-01T00:00:00Z", &[("plan", "conflict")]),
        ("plan=pro&granularity=month", &[("plan", "conflict")]),
        ("plan=a+b", &[("plan", "invalid")]),
    ] {
        let reply = root.gets(&replica, &format!("/v1/admin/usage?{query}")).await;
        assert_eq!(reply.wrong_parameters(), pairs(wrong), "{query}");
    }
    root.gets(&replica, "/v1/admin/usage?plan=pro&groupBy=plan&subject=alice").await.is(200);
    for query in ["groupBy=plan", "plan=pro", "plan=pro&granularity=hour"] {
        root.gets(&replica, &format!("/v1/admin/usage?{query}")).await.is(200);
    }

    // Whoever leaves takes the uses of the past along.
    let path = "/v1/admin/owners/AGFsaWNl/plan";
    Reply::to(root.request(&replica, reqwest::Method::PUT, path).json(&json!({ "plan": null }))).await.is(200);
    assert_eq!(report("plan=pro").await["totals"]["granted"], 0);
}

#[tokio::test]
async fn a_report_is_also_csv() {
    let (replica, alice) = (replica().await, Person::named("=alice"));
    let key = alice.creates(&replica, json!({})).await;
    let hour = datetime!(2026-01-01 0:00 UTC);
    let counts = vec![uses(id(&key), hour, 7), refused(id(&key), hour, UseOutcome::RateLimited, "", 2)];
    store(replica.database()).await.write_usage(&batch(1, counts)).await.expect("written");
    let path = format!("{}/usage?granularity=hour&from=2025-12-31T23:00:00Z&to=2026-01-01T01:00:00Z", key.path());
    let expected = "start,granted,refused,expired,revoked,disabled,owner_disabled,address_not_allowed,insufficient_scope,\
                    wrong_environment,not_allowed,rate_limited,credits_exhausted\r\n\
                    2025-12-31T23:00:00.000Z,0,0,0,0,0,0,0,0,0,0,0,0\r\n\
                    2026-01-01T00:00:00.000Z,7,2,0,0,0,0,0,0,0,0,2,0\r\n";
    let accepted = alice.request(&replica, reqwest::Method::GET, &path).header("accept", "text/csv");
    for reply in [Reply::to(accepted).await, alice.gets(&replica, &format!("{path}&format=csv")).await] {
        assert_eq!((reply.status, &*reply.text), (200, expected));
        assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
        assert_eq!(reply.header("vary"), Some("Accept"));
    }
    let groups = "/v1/admin/usage?groupBy=owner&format=csv&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    let groups = Person::administrator().gets(&replica, groups).await;
    let line = groups.text.lines().nth(1).map(str::to_owned);
    assert_eq!(line.as_deref(), Some(",,'=alice,,,,7,2,0,0,0,0,0,0,0,0,2,0"), "{}", groups.text);
}

#[tokio::test]
async fn what_cannot_be_reported_is_refused() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let key = alice.creates(&replica, json!({})).await;
    for (query, wrong) in [
        ("?granularity=hour&from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", &[("from", "conflict")][..]),
        ("?from=0001-01-01T00:00:00Z", &[("from", "conflict")]),
        ("?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", &[("to", "conflict")]),
        ("?from=2026-01-02&granularity=week", &[("from", "invalid"), ("granularity", "invalid")]),
        ("?outcome=fine&tag=a+b&format=xml", &[("format", "invalid"), ("outcome", "invalid"), ("tag", "invalid")]),
        ("?groupBy=key", &[("groupBy", "unknown_parameter")]),
    ] {
        let reply = alice.gets(&replica, &format!("{}/usage{query}", key.path())).await;
        assert_eq!(reply.wrong_parameters(), pairs(wrong), "{query}");
    }
}

#[tokio::test]
async fn a_report_that_would_read_too_much_is_refused_and_is_no_outage() {
    // Not about how fast this machine is.
    let replica = replica_with(&[("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "20s")]).await;
    let alice = Person::named("alice");
    let root = Person::administrator();
    let rows = replica.database().superuser_pool().await;
    let keys = "INSERT INTO usage_keys (key_id, issuer, subject)
                SELECT gen_random_uuid(), '', 'alice' FROM generate_series(1, 350)";
    sqlx::query(keys).execute(&rows).await.expect("keys");
    let uses = "INSERT INTO usage_hours (key, hour, outcome, tag, count)
                SELECT number, timestamptz '2026-01-01 00:00Z' + hour * interval '1 hour', 0, '', 1
                FROM usage_keys, generate_series(0, 719) AS hour";
    sqlx::query(uses).execute(&rows).await.expect("uses");
    let all = "granularity=hour&from=2026-01-01T00:00:00Z&to=2026-01-31T00:00:00Z";
    let grouped = format!("{all}&groupBy=key");
    for answer in [
        alice.gets(&replica, &format!("/v1/usage?{grouped}")).await,
        root.gets(&replica, &format!("/v1/admin/usage?owner=AGFsaWNl&{grouped}")).await,
        // What is left out is read, too.
        alice.gets(&replica, &format!("/v1/usage?{grouped}&outcome=rate_limited")).await,
        alice.gets(&replica, &format!("/v1/usage?{grouped}&tag=none")).await,
    ] {
        answer.is_problem(422, "report_too_large");
        assert!(answer.text.contains("200000 counts"), "{}", answer.text);
    }
    // Without groups, each is read once.
    for query in [all.to_owned(), grouped.replace("01-31", "01-08")] {
        alice.gets(&replica, &format!("/v1/usage?{query}")).await.is(200);
    }
    let granted = &alice.gets(&replica, &format!("/v1/usage?{all}")).await.is(200)["totals"]["granted"];
    assert_eq!(granted, 350 * 720);
    assert!(!replica.output().contains("answering 503"), "{}", replica.output());
}
