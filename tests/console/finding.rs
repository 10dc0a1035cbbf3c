//! Search fields, in which keys may be typed, and what is done to all keys that are found.

use serde_json::json;
use test_support::{actors::KeyHolder, filling::fill_with_keys};

use crate::{
    browser::{Browser, Page, SESSION},
    provider::Service,
};

fn made(page: &Page) -> KeyHolder {
    KeyHolder::of(page.between(r#"<code id="secret">"#, "<"))
}

/// Where a page leads, without what it says there.
fn path_of(page: &Page) -> &str {
    page.location().split('?').next().unwrap_or_default()
}

async fn status(service: &Service, key: &KeyHolder) -> u16 {
    key.asks_for_the_resource(&service.replica).await.status().as_u16()
}

#[tokio::test]
async fn conditions_are_sent_as_a_form_and_are_in_the_address_of_the_list() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    made(&alice.post("/console/keys", &[("name", "a&b é")]).await);
    made(&alice.post("/console/keys", &[("name", "other")]).await);
    alice.open("/console/keys").await;
    let fields = [("to", "/console/keys"), ("search", "A&B é"), ("state", "active"), ("tag", "")];
    let page = alice.post("/console/search", &fields).await;
    assert_eq!(page.location(), "/console/keys?search=A%26B%20%C3%A9&state=active");
    let address = page.location().to_owned();
    alice.open(&address).await.shows("a&#38;b é</a>").lacks(">other</a>");
    assert_eq!(alice.post("/console/search", &[("to", "/console/keys")]).await.location(), "/console/keys");
    for elsewhere in ["https://evil.example", "/console/sessions", ""] {
        assert_eq!(alice.post("/console/search", &[("to", elsewhere)]).await.status, 404, "{elsewhere}");
    }
}

#[tokio::test]
async fn a_whole_key_in_any_search_field_is_found_and_stands_in_no_address_page_or_log() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let part = &key.key[..key.key.len() - 20];
    service.provider.has(json!({ "sub": "bob" }));
    let mut bob = Browser::signed_in(&service).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    alice.open("/console/keys").await;
    bob.open("/console/keys").await;
    eve.open("/console/keys").await;
    for (list, field) in [
        ("/console/keys", "search"),
        ("/console/keys", "tag"),
        ("/console/owners", "search"),
        ("/console/audit", "key"),
    ] {
        let fields = |text| [("to", list), (field, text)];
        let page = alice.post("/console/search", &fields(&key.key)).await;
        assert_eq!(path_of(&page), format!("/console/keys/{}", key.id()), "{list} {field}");
        let page = eve.post("/console/search", &fields(&key.key)).await;
        assert_eq!(path_of(&page), format!("/console/all/keys/{}", key.id()), "{list} {field}");
        let page = bob.post("/console/search", &fields(&key.key)).await;
        assert_eq!(page.status, 404, "{list} {field}");
        for wrong in [part, &format!("lost: {}", key.key)] {
            let page = alice.post("/console/search", &fields(wrong)).await;
            assert_eq!(page.status, 409);
            page.lacks(part);
        }
    }
    // Nor from an address that somebody has made by hand.
    for path in ["/console/keys?search=", "/console/audit?key=", "/console/none?x=", "/console/keys/"] {
        let page = alice.get(&format!("{path}{}", key.key)).await;
        assert_eq!(page.status, 400, "{path}");
        page.lacks(part);
        assert!(page.text.contains("rotate the key"), "{}", page.text);
    }
    alice.forget(SESSION);
    let page = alice.get(&format!("/console/keys?search={}", key.key)).await;
    assert_eq!((page.status, page.location()), (400, ""), "and not on to the sign-in");
    assert!(!service.replica.output().contains(part), "{}", service.replica.output());
}

#[tokio::test]
async fn all_keys_of_a_list_are_revoked_after_they_were_shown_and_only_if_they_are_still_the_same() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let mut keys = Vec::new();
    for (name, team) in [("one", "x"), ("two", "x"), ("three", "y")] {
        let metadata = format!(r#"{{"team": "{team}"}}"#);
        keys.push(made(&alice.post("/console/keys", &[("name", name), ("metadata", &metadata)]).await));
    }
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    eve.open("/console/all/keys?tag=team:x").await.shows("Revoke all keys of this list");
    eve.open("/console/all/keys").await.lacks("Revoke all keys of this list");
    let matching = "/console/all/keys/matching";
    eve.open("/console/all/keys").await;
    let preview = eve.post(matching, &[("tag", "team:x")]).await;
    preview.shows("<strong>2</strong>").shows("one").shows("two").lacks("three").shows("alice");
    assert_eq!(status(&service, &keys[0]).await, 200, "it was only shown");

    let fourth = made(&alice.post("/console/keys", &[("name", "four"), ("metadata", r#"{"team": "x"}"#)]).await);
    let seen = |page: &Page| page.between(r#"name="confirmed" value=""#, "\"");
    let two = seen(&preview);
    let page = eve.post(matching, &[("tag", "team:x"), ("confirmed", &two), ("reason", "the team is gone")]).await;
    page.shows("matching keys have changed").shows("<strong>3</strong>").shows("four");
    assert_eq!(status(&service, &keys[0]).await, 200);
    // As many as were seen first, but not the same ones.
    let path = format!("/console/keys/{}", keys[1].id());
    alice.open(&path).await;
    alice.submit(&path, &[("action", "revoke")]).await;
    let page = eve.post(matching, &[("tag", "team:x"), ("confirmed", &two)]).await;
    page.shows("matching keys have changed").shows("<strong>2</strong>").shows("four");
    assert_eq!((status(&service, &keys[0]).await, status(&service, &fourth).await), (200, 200));
    let other_two = seen(&page);
    let page = eve.submit(matching, &[("tag", "team:x"), ("confirmed", &other_two), ("reason", "it is gone")]).await;
    page.shows("Changed keys: 2. Replicas that confirmed it: 1");
    for (key, expected) in [(&keys[0], 401), (&keys[1], 401), (&fourth, 401), (&keys[2], 200)] {
        assert_eq!(status(&service, key).await, expected);
    }
    eve.open("/console/all/keys").await;
    for (fields, text) in [
        (&[("confirmed", "1")][..], "Choose a condition first"),
        (&[("sort", "createdAt")], "Choose a condition first"),
        (&[("tag", "team:x")], "No key matches"),
        (&[("tag", "x")], "Tag: "),
    ] {
        let page = eve.post(matching, fields).await;
        assert!(page.status == 409 && page.text.contains(text), "{fields:?}: {}", page.text);
    }
    // An owner has only their own.
    alice.open("/console/keys").await;
    assert_eq!(alice.post(matching, &[("tag", "team:y")]).await.status, 403);
    alice.post("/console/keys/matching", &[("tag", "team:y")]).await.shows("<strong>1</strong>").shows("three");
    service.provider.has(json!({ "sub": "bob" }));
    let mut bob = Browser::signed_in(&service).await;
    assert_eq!(bob.post("/console/keys/matching", &[("tag", "team:y")]).await.status, 409);
    assert_eq!(status(&service, &keys[2]).await, 200);
}

#[tokio::test]
async fn a_page_says_that_something_was_done_only_to_whoever_did_it() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let path = format!("/console/keys/{}", key.id());
    alice.open(&path).await;
    let done = alice.post(&path, &[("action", "disable")]).await;
    let address = done.location().to_owned();
    alice.open(&address).await.shows(r#"role="status">Disabled. Replicas that confirmed it: 1"#);
    let told = address.split_once("?done=").expect("a notice").1.to_owned();
    // A link that somebody else has made.
    for forged in
        ["revoke", "disable&confirmed=9&ms=1", "revoked..1-0-3.9999999999.AAAAAAAAAAA", &told.replacen("dis", "en", 1)]
    {
        alice.open(&format!("{path}?done={forged}")).await.lacks(r#"role="status""#);
    }
    alice.open(&format!("/console/keys?done={told}")).await.lacks(r#"role="status""#);
    let mut again = Browser::signed_in(&service).await;
    again.open(&address).await.lacks(r#"role="status""#);
}

#[tokio::test]
async fn an_export_has_as_many_keys_as_it_says_and_looks_at_a_bounded_number() {
    // How long that takes on a busy machine is no question here.
    let service = Service::start_with(&[("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "10s")]).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    made(&eve.post("/console/keys", &[("name", "the oldest")]).await);
    // The newest hundred, then 20,000 others, which fill no page, and more than enough after these.
    let many = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash, name)
                SELECT ('0fffffff-ffff-7000-8000-' || lpad(to_hex(201000 - number), 12, '0'))::uuid, issuer, subject,
                       environment, created_at, updated_at, secret_hash,
                       CASE WHEN number <= 100 OR number BETWEEN 20101 AND 21150 THEN 'sought' ELSE 'other' END
                FROM api_keys, generate_series(1, 201000) AS number";
    fill_with_keys(service.database.url(), many).await;
    let csv = eve.open("/console/all/keys/export?search=sought").await;
    assert_eq!(csv.text.matches(",sought,").count(), 1_000);
    let page = eve.get("/console/all/keys/export?search=the+oldest").await;
    assert!(page.status == 409 && page.text.contains("Narrow the conditions"), "{}", page.text);
    let own = eve.open("/console/keys/export?search=the+oldest").await;
    assert_eq!(own.text.matches(",the oldest,").count(), 1, "their own keys have an index");
}

#[tokio::test]
async fn conditions_are_called_as_their_fields_and_what_is_wrong_with_them_is_told_in_words() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    made(&alice.post("/console/keys", &[("name", "hers")]).await);
    for days in ["soon", "-1", "65536"] {
        let page = alice.open(&format!("/console/keys?expiring_days={days}")).await;
        page.shows("must be a number of days, 0 to 65535").lacks("digit");
    }
    alice.open("/console/keys").await;
    let conditions = [("created_days", "7"), ("limited", "no")];
    let page = alice.post("/console/keys/matching", &conditions).await;
    page.shows("<dt>Created within days</dt><dd>7</dd>").shows("<dt>Has limits or credits</dt><dd>no</dd>");
    let confirmed = [&conditions[..], &[("confirmed", "one")]].concat();
    alice.post("/console/keys/matching", &confirmed).await.shows("<strong>1</strong>").lacks("digit");
}
