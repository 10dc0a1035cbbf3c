//! What administrators see and do.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::{browser::Browser, provider::Service};

#[tokio::test]
async fn an_administrator_finds_a_key_and_stops_its_owner() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = alice.post("/console/keys", &[("name", "hers")]).await.between(r#"<code id="secret">"#, "<");
    let holder = test_support::actors::KeyHolder::of(key.clone());
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    eve.open("/console/all/keys").await.shows("hers").shows("alice");
    for text in [holder.id(), &format!("keyward_live_{}", holder.id()), &key] {
        let found = eve.post("/console/find", &[("key", text)]).await;
        let path = found.location().split('?').next().unwrap_or_default();
        assert_eq!(path, format!("/console/all/keys/{}", holder.id()), "{text}");
    }
    assert_eq!(eve.post("/console/find", &[("key", "nothing")]).await.status, 404);
    assert!(!service.replica.output().contains(&key), "a key that was looked for is not logged");

    let owner = eve.open("/console/owners").await.between("/console/owners/one?id=", "\"");
    let path = format!("/console/owners/one?id={owner}");
    eve.submit(&path, &[("action", "disable"), ("reason", "unpaid")])
        .await
        .shows("The owner is disabled.")
        .shows("unpaid");
    assert_eq!(holder.asks_for_the_resource(&service.replica).await.status(), 401);
    eve.submit(&path, &[("action", "enable")]).await.shows("The owner is enabled.");
    assert_eq!(holder.asks_for_the_resource(&service.replica).await.status(), 200);
    let replicas = eve.open("/console/replicas").await;
    replicas.shows(service.replica.address()).shows("alive").lacks("silent</span>");
    replicas.shows("all replicas confirmed").shows("95 % within");
    eve.open("/console/audit?all=1").await.shows("owner.disabled").shows("eve");
}

#[tokio::test]
async fn an_administrator_who_is_disabled_is_none_until_another_enables_them() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    eve.open("/console/owners").await;
    service.provider.has(json!({ "sub": "root", "scope": "keyward:admin" }));
    let mut root = Browser::signed_in(&service).await;
    let id = |subject: &str| URL_SAFE_NO_PAD.encode(format!("{}\0{subject}", service.provider.issuer()));
    let path = format!("/console/owners/one?id={}", id("eve"));
    root.open("/console/owners").await;
    root.submit(&path, &[("action", "disable")]).await.shows("The owner is disabled.");
    assert_eq!(eve.get("/console/owners").await.status, 403);
    assert_eq!(eve.post(&path, &[("action", "enable")]).await.status, 403);
    eve.open("/console/keys").await.lacks("/console/owners");
    // Nor by a new sign-in.
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    assert_eq!(Browser::signed_in(&service).await.get("/console/all/keys").await.status, 403);
    root.submit(&path, &[("action", "enable")]).await.shows("The owner is enabled.");
    eve.open("/console/owners").await;
}

#[tokio::test]
async fn nobody_becomes_known_by_an_id_that_hides_a_key() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = alice.post("/console/keys", &[("name", "hers")]).await.between(r#"<code id="secret">"#, "<");
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    eve.open("/console/owners").await;
    let path = format!("/console/owners/one?id={}", URL_SAFE_NO_PAD.encode(format!("\0{key}")));
    for fields in [&[("action", "disable")][..], &[("action", "plan"), ("plan", ""), ("plan_before", "")]] {
        let page = eve.post(&path, fields).await;
        assert!(page.status == 404 && !page.text.contains(&key), "{}", page.text);
    }
    eve.open("/console/owners").await.lacks(&key).shows("alice");
}

#[tokio::test]
async fn nobody_else_gets_to_the_pages_of_administrators() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    for path in [
        "/console/all/keys",
        "/console/all/keys/new",
        "/console/all/keys/export",
        "/console/owners",
        "/console/replicas",
        "/console/usage?all=1",
        "/console/audit?all=1",
    ] {
        assert_eq!(alice.get(path).await.status, 403, "{path}");
    }
    let forms: [(&str, &[(&str, &str)]); 3] = [
        ("/console/find", &[("key", "x")]),
        ("/console/all/keys", &[("owner_subject", "bob")]),
        ("/console/owners/one?id=AGFsaWNl", &[("action", "disable")]),
    ];
    for (path, fields) in forms {
        assert_eq!(alice.post(path, fields).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn an_administrator_makes_a_key_for_somebody() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let issuer = service.provider.issuer();
    let fields = [("owner_issuer", issuer.as_str()), ("owner_subject", "alice"), ("name", "a present")];
    eve.post("/console/all/keys", &fields).await.shows("Copy it now");
    service.provider.has(json!({ "sub": "alice" }));
    Browser::signed_in(&service).await.open("/console/keys").await.shows("a present");
}

#[tokio::test]
async fn the_audit_of_an_owner_is_filtered_and_stays_that_of_the_owner() {
    let service = Service::start().await;
    Browser::signed_in(&service).await.post("/console/keys", &[("name", "hers")]).await;
    service.provider.has(json!({ "sub": "bob" }));
    Browser::signed_in(&service).await.post("/console/keys", &[("name", "his")]).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let id = eve.open("/console/owners?search=alice").await.between("/console/owners/one?id=", "\"");
    let page = eve.open(&format!("/console/audit?all=1&owner={id}")).await;
    page.shows(&format!(r#"<a href="/console/owners/one?id={id}">alice ("#)).lacks("bob");
    let hidden = page.between(r#"name="owner" value=""#, "\"");
    let fields = [("to", "/console/audit"), ("all", "1"), ("owner", hidden.as_str()), ("action", "key.created")];
    let filtered = eve.submit("/console/search", &fields).await;
    filtered.shows("<code>key.created</code>").shows("alice (").lacks("bob");
    eve.open("/console/audit?all=1").await.shows("bob (").lacks("name=\"owner\"");
}

#[tokio::test]
async fn owners_who_are_disabled_are_found() {
    let service = Service::start().await;
    Browser::signed_in(&service).await.post("/console/keys", &[("name", "hers")]).await;
    service.provider.has(json!({ "sub": "bob" }));
    Browser::signed_in(&service).await.post("/console/keys", &[("name", "his")]).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let id = eve.open("/console/owners?search=alice").await.between("/console/owners/one?id=", "\"");
    let path = format!("/console/owners/one?id={id}");
    eve.open(&path).await;
    eve.submit(&path, &[("action", "disable")]).await;
    let list = eve.open("/console/owners").await;
    list.shows("alice (").shows("bob (").shows(r#"<select name="disabled""#);
    for (word, found, other) in [("yes", "alice (", "bob ("), ("no", "bob (", "alice (")] {
        let list = eve.submit("/console/search", &[("to", "/console/owners"), ("disabled", word)]).await;
        list.shows(found).lacks(other).shows(&format!(r#"<option value="{word}" selected>"#));
    }
}
