//! `GET /v1/keys`: pages, filters, order.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_support::{
    actors::Person,
    asking::{ALL_KEYS, KEYS, MadeKey, Reply, pairs, replica, shared_replica},
    replica::Replica,
};

/// The ids on a page.
fn ids(page: &Value) -> Vec<String> {
    let keys = page["keys"].as_array().expect("a list");
    keys.iter().map(|key| key["id"].as_str().expect("an id").to_owned()).collect()
}

async fn list(person: &Person, replica: &Replica, query: &str) -> Vec<String> {
    ids(&person.gets(replica, &format!("{KEYS}?limit=100&{query}")).await.is(200))
}

async fn puts(person: &Person, replica: &Replica, path: &str, body: Value) -> Reply {
    Reply::to(person.request(replica, Method::PUT, path).json(&body)).await
}

/// Rows such as the API makes, without the price of a hash each. `alice` has one that was made by the API, to copy.
async fn copies(rows: &PgPool, count: i32) {
    let copy = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
                SELECT overlay(id::text PLACING lpad(to_hex(number), 8, '0') FROM 1 FOR 8)::uuid, issuer, subject,
                       environment, created_at, updated_at, secret_hash
                FROM api_keys, generate_series(1, $1) AS number WHERE subject = 'alice'";
    sqlx::query(copy).bind(count).execute(rows).await.expect("copied");
}

/// Follows the links (RFC 8288), and makes and revokes a key between any two pages.
#[tokio::test]
async fn a_walk_through_120_keys_meets_each_once_while_others_are_made_and_revoked() {
    let (replica, alice) = (replica().await, Person::named("alice"));
    let rows = replica.database().superuser_pool().await;
    alice.creates(&replica, json!({})).await;
    copies(&rows, 119).await;
    let all: Vec<String> = list(&alice, &replica, "").await;
    assert_eq!(all.len(), 100);
    for by_link in [false, true] {
        let before = everything(&alice, &replica).await;
        let mut walked = Vec::new();
        let mut next = Some(format!("{KEYS}?limit=7&environment=live"));
        while let Some(path) = next {
            let answer = alice.gets(&replica, &path).await;
            let page = answer.is(200);
            walked.extend(ids(&page));
            let made = alice.creates(&replica, json!({})).await;
            alice.deletes(&replica, &format!("{KEYS}/{}", walked[walked.len() / 2])).await.is(200);
            alice.deletes(&replica, &made.path()).await.is(200);
            let link = answer.header("link").map(|link| {
                let (address, relation) = link.split_once(">; ").expect("a link");
                assert_eq!(relation, r#"rel="next""#);
                address.trim_start_matches('<').to_owned()
            });
            let cursor = page["nextCursor"].as_str();
            let path = cursor.map(|cursor| format!("{KEYS}?limit=7&environment=live&cursor={cursor}"));
            assert_eq!(link, path);
            next = if by_link { link } else { path };
        }
        assert_eq!(walked.iter().collect::<HashSet<_>>().len(), walked.len());
        assert_eq!(walked, before, "newest first, each once, none lost");
    }
}

async fn everything(person: &Person, replica: &Replica) -> Vec<String> {
    let mut all = Vec::new();
    let mut path = format!("{KEYS}?limit=100");
    loop {
        let page = person.gets(replica, &path).await.is(200);
        all.extend(ids(&page));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("{KEYS}?limit=100&cursor={cursor}");
    }
    let mut sorted = all.clone();
    sorted.sort_by(|one, two| two.cmp(one));
    assert_eq!(all, sorted);
    all
}

#[tokio::test]
async fn each_filter_finds_what_it_names_and_together_they_narrow() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let make = async |body: Value| alice.creates(&replica, body).await;
    let plain = make(json!({})).await.id;
    let named = make(json!({ "name": "a&b=c ü%00", "environment": "test" })).await.id;
    let tagged = make(json!({ "metadata": { "team": "payments", "n": 1, "a:b": "c:d", "": "x" } })).await.id;
    let soon = make(json!({ "expiresAt": "2090-01-01T00:00:00Z" })).await.id;
    let off = make(json!({ "enabled": false })).await.id;
    let gone: MadeKey = make(json!({ "expiresIn": 1 })).await;
    let revoked = make(json!({})).await.id;
    alice.deletes(&replica, &format!("{KEYS}/{revoked}")).await.is(200);
    gone.holder.is_refused(&replica).await;
    let gone = gone.id;
    Person::named("bob").creates(&replica, json!({ "metadata": { "team": "payments" } })).await;

    let created = alice.gets(&replica, &format!("{KEYS}/{off}")).await.is(200)["createdAt"].clone();
    let since = format!("createdSince={}", created.as_str().expect("a time"));
    for (query, expected) in [
        ("", vec![&revoked, &gone, &off, &soon, &tagged, &named, &plain]),
        ("state=active", vec![&soon, &tagged, &named, &plain]),
        ("state=disabled", vec![&off]),
        ("state=expired", vec![&gone]),
        ("state=revoked", vec![&revoked]),
        ("environment=test", vec![&named]),
        ("name=a%26b%3Dc+%C3%BC%2500", vec![&named]),
        ("name=a", vec![]),
        ("tag=team:payments", vec![&tagged]),
        ("tag=team:pay", vec![]),
        ("tag=n:1", vec![]),
        ("expiringBefore=2091-01-01T00:00:00Z", vec![&gone, &soon]),
        ("expiringBefore=2090-01-01T00:00:00%2B00:00", vec![&gone]),
        ("expiringBefore=2091-01-01T00:00:00Z&state=active", vec![&soon]),
        (&since, vec![&revoked, &gone, &off]),
        ("environment=live&state=active&tag=team:payments", vec![&tagged]),
        ("environment=test&state=revoked", vec![]),
    ] {
        assert_eq!(list(&alice, &replica, query).await.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let of_all = async |query: &str| {
        let page = root.gets(&replica, &format!("{ALL_KEYS}?{query}")).await.is(200);
        ids(&page).len()
    };
    assert_eq!((of_all("").await, of_all("tag=team:payments").await, of_all("state=active").await), (8, 2, 5));
    assert_eq!((of_all("owner=AGFsaWNl").await, of_all("owner=AGFsaWNl&tag=team:payments").await), (7, 1));
    // An owner that is switched off has no key that is active.
    root.posts(&replica, "/v1/admin/owners/AGFsaWNl/disable", json!({})).await.is(200);
    assert_eq!((of_all("state=active").await, of_all("state=disabled").await), (1, 6));
    assert_eq!(list(&alice, &replica, "state=disabled").await.len(), 6);
}

#[tokio::test]
async fn keys_that_never_expire_are_not_limited_or_leaked_are_found() {
    let (replica, alice, bob) = (replica().await, Person::named("alice"), Person::named("bob"));
    let root = Person::administrator();
    let limits = json!([{ "name": "minute", "limit": 10, "window": "1m" }]);
    let later = json!({ "expiresAt": "2090-01-01T00:00:00Z" });
    let forever = alice.creates(&replica, json!({})).await.id;
    let ending = alice.creates(&replica, later.clone()).await.id;
    let bounded = alice.creates(&replica, json!({ "limits": &limits })).await.id;
    let paid = alice.creates(&replica, json!({ "credits": { "remaining": 5 } })).await.id;
    let leaked = alice.creates(&replica, later).await.id;
    let gone = alice.creates(&replica, json!({})).await.id;
    let his = bob.creates(&replica, json!({})).await.id;
    alice.deletes(&replica, &format!("{KEYS}/{leaked}?reason=it+Leaked")).await.is(200);
    alice.deletes(&replica, &format!("{KEYS}/{gone}?reason=done")).await.is(200);
    let of_all = async |query: &str| ids(&root.gets(&replica, &format!("{ALL_KEYS}?limit=100&{query}")).await.is(200));
    for (query, expected) in [
        ("expires=never", vec![&gone, &paid, &bounded, &forever]),
        ("expires=never&state=active", vec![&paid, &bounded, &forever]),
        ("expires=never&state=active,disabled&sort=createdAt", vec![&forever, &bounded, &paid]),
        ("limited=no", vec![&gone, &leaked, &ending, &forever]),
        ("limited=no&state=active", vec![&ending, &forever]),
        ("limited=yes", vec![&paid, &bounded]),
        ("leaked=yes", vec![&leaked]),
        ("leaked=no&state=revoked", vec![&gone]),
        ("expiringBefore=2091-01-01T00:00:00Z", vec![&leaked, &ending]),
        ("expiringBefore=2091-01-01T00:00:00Z&state=active", vec![&ending]),
        ("expires=never&expiringBefore=2091-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(list(&alice, &replica, query).await.iter().collect::<Vec<_>>(), expected, "{query}");
        // By another way, for all owners.
        let mut found = of_all(query).await;
        found.retain(|id| *id != his);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "all: {query}");
    }
    assert!(of_all("limited=no").await.contains(&his));
    let path = "/v1/admin/owners/AGJvYg/limits";
    puts(&root, &replica, path, json!({ "limits": &limits })).await.is(200);
    assert!(!of_all("limited=no").await.contains(&his) && of_all("limited=yes").await.contains(&his));
    puts(&root, &replica, path, json!({ "limits": [] })).await.is(200);
    assert!(of_all("limited=no").await.contains(&his));
    puts(&root, &replica, "/v1/admin/plans/small", json!({ "limits": &limits })).await;
    puts(&root, &replica, "/v1/admin/owners/AGJvYg/plan", json!({ "plan": "small" })).await.is(200);
    assert!(!of_all("limited=no").await.contains(&his));
}

#[tokio::test]
async fn a_few_keys_among_very_many_that_an_index_finds_are_on_the_page_after_them() {
    let (replica, alice, root) = (replica().await, Person::named("alice"), Person::administrator());
    let oldest = alice.creates(&replica, json!({})).await.id;
    let rows = replica.database().superuser_pool().await;
    let many = "INSERT INTO api_keys (id, issuer, subject, environment, enabled, created_at, updated_at, secret_hash)
                SELECT ('0fffffff-ffff-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, issuer, subject, environment,
                       false, created_at, updated_at, secret_hash
                FROM api_keys, generate_series(1, 10500) AS number";
    sqlx::query(many).execute(&rows).await.expect("copied");
    for query in ["expires=never&state=active", "limited=no&state=active"] {
        let first = root.gets(&replica, &format!("{ALL_KEYS}?{query}")).await.is(200);
        assert_eq!(ids(&first), [""; 0], "the newest ten thousand were looked at: {query}");
        let cursor = first["nextCursor"].as_str().expect("there may be more");
        let next = root.gets(&replica, &format!("{ALL_KEYS}?{query}&cursor={cursor}")).await.is(200);
        assert_eq!((ids(&next), &next["nextCursor"]), (vec![oldest.clone()], &Value::Null), "{query}");
        let upwards = root.gets(&replica, &format!("{ALL_KEYS}?{query}&sort=createdAt&limit=1")).await.is(200);
        assert_eq!(ids(&upwards), std::slice::from_ref(&oldest), "{query}");
    }
}

#[tokio::test]
async fn parameters_that_are_wrong_are_named_all_at_once() {
    let (replica, alice) = (shared_replica().await, Person::of_this_test("alice"));
    for limit in ["0", "-1", "101", "1000000000", "1e9", "abc", "", "1.5", "0x10", "٣", "99999999999999999999"] {
        let answer = alice.gets(&replica, &format!("{KEYS}?limit={limit}")).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[("limit", "invalid")]), "{limit}");
    }
    for (query, wrong) in [
        ("limit=1&limit=1", [("limit", "repeated")]),
        ("state=active&state=active", [("state", "repeated")]),
        ("state=gone", [("state", "invalid")]),
        ("environment=production", [("environment", "invalid")]),
        ("name=", [("name", "invalid")]),
        ("name=%00", [("name", "invalid")]),
        ("tag=team", [("tag", "invalid")]),
        ("tag=:x", [("tag", "invalid")]),
        ("tag=a:%00", [("tag", "invalid")]),
        ("expiringBefore=tomorrow", [("expiringBefore", "invalid")]),
        ("createdSince=2026", [("createdSince", "invalid")]),
        ("expires=soon", [("expires", "invalid")]),
        ("limited=maybe", [("limited", "invalid")]),
        ("leaked=true", [("leaked", "invalid")]),
        ("order=name", [("order", "unknown_parameter")]),
        ("Limit=1", [("Limit", "unknown_parameter")]),
        ("&x&", [("x", "unknown_parameter")]),
    ] {
        assert_eq!(alice.gets(&replica, &format!("{KEYS}?{query}")).await.wrong_parameters(), pairs(&wrong), "{query}");
    }
    let all = alice.gets(&replica, &format!("{KEYS}?limit=0&state=x&cursor=x&sort=x&tag=x")).await;
    let names = ["cursor", "limit", "sort", "state", "tag"];
    assert_eq!(all.wrong_parameters().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    alice.gets(&replica, &format!("{KEYS}?limit=100")).await.is(200);
}

#[tokio::test]
async fn a_cursor_that_this_list_has_not_given_is_refused() {
    let (replica, alice, root) = (shared_replica().await, Person::of_this_test("alice"), Person::administrator());
    for _ in 0..3 {
        alice.creates(&replica, json!({})).await;
    }
    let cursor_of = async |person: &Person, path: &str| {
        let page = person.gets(&replica, &format!("{path}?limit=1")).await.is(200);
        page["nextCursor"].as_str().expect("a cursor").to_owned()
    };
    let good = cursor_of(&alice, KEYS).await;
    alice.gets(&replica, &format!("{KEYS}?cursor={good}")).await.is(200);
    let mut bad = vec![cursor_of(&alice, "/v1/audit").await, cursor_of(&root, "/v1/admin/audit").await];
    bad.extend(
        ["", "x", "AAAA", "%00", "null", &good[1..], &good[..good.len() - 1], &format!("{good}A")].map(str::to_owned),
    );
    for position in 0..good.len() {
        let other = if good.as_bytes()[position] == b'A' { "B" } else { "A" };
        bad.push(format!("{}{other}{}", &good[..position], &good[position + 1..]));
    }
    for cursor in bad {
        let answer = alice.gets(&replica, &format!("{KEYS}?cursor={cursor}")).await;
        assert_eq!(answer.wrong_parameters(), pairs(&[("cursor", "invalid")]), "{cursor}");
    }
    // With another owner's cursor one sees one's own keys still.
    assert_eq!(
        Person::of_this_test("bob").gets(&replica, &format!("{KEYS}?cursor={good}")).await.is(200)["keys"],
        json!([])
    );
}
