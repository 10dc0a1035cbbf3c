//! Keys and owners that are disabled, and sessions of products that are over: pages say so, and offer nothing that can
//! only fail.

use serde_json::json;
use test_support::database::execute;

use crate::{
    browser::{Browser, SESSION},
    handed_over::{follows, link_with},
    keys::{made, status},
    provider::Service,
};

const ROTATE: &str = r#"name="action" value="rotate""#;
const ENABLE: &str = r#"name="action" value="enable""#;

#[tokio::test]
async fn a_disabled_key_is_rotated_to_one_that_is_disabled_and_both_pages_say_so() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (_, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let path = format!("/console/keys/{id}");
    alice.open(&path).await.lacks("The new key will be disabled");
    alice.submit(&path, &[("action", "disable")]).await.shows("The new key will be disabled like this one");
    let page = alice.post(&path, &[("action", "rotate"), ("grace", "0")]).await;
    let (new, _) = made(&page);
    page.shows("does not work until it is enabled").lacks("curl ").lacks("Try it");
    assert_eq!(status(&service, &new).await, 401);
}

#[tokio::test]
async fn only_what_can_be_done_is_offered_on_the_page_of_a_key() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (_, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let (own, all) = (format!("/console/keys/{id}"), format!("/console/all/keys/{id}"));
    alice.open(&own).await.shows(ROTATE);
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    eve.open(&all).await;
    eve.submit(&all, &[("action", "disable")]).await.shows(ENABLE);
    alice.open(&own).await.lacks(ENABLE).shows("only an administrator can enable it");
    eve.submit(&all, &[("action", "enable")]).await;
    execute(service.database.url(), "UPDATE api_keys SET expires_at = now() - interval '1 hour'")
        .await
        .expect("an update");
    alice.open(&own).await.lacks(ROTATE);
}

#[tokio::test]
async fn a_disabled_owner_is_told_so_wherever_they_would_make_or_enable_a_key() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (_, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let own = format!("/console/keys/{id}");
    alice.open(&own).await;
    alice.submit(&own, &[("action", "disable")]).await.shows(ENABLE);
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let owner = eve.open("/console/owners").await.between("/console/owners/one?id=", "\"");
    eve.submit(&format!("/console/owners/one?id={owner}"), &[("action", "disable")]).await;
    let told = "An administrator has disabled you";
    alice.open("/console/keys").await.shows(told).lacks("/console/keys/new");
    alice.open("/console/keys/new").await.shows(told).lacks("Create the key");
    alice.open(&own).await.shows(told).lacks(ROTATE).lacks(ENABLE);
    eve.open(&format!("/console/all/keys/{id}")).await.shows("The owner is disabled: none").lacks(ROTATE).lacks(ENABLE);
    eve.open("/console/all/keys").await.lacks(told).shows("/console/all/keys/new");
}

#[tokio::test]
async fn an_owner_who_leaves_out_a_limit_of_an_administrator_is_told_that_it_stays() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (_, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let edit = |version: &'static str, limits| [("action", "edit"), ("version", version), ("limits", limits)];
    let all = format!("/console/all/keys/{id}");
    eve.open(&all).await;
    eve.submit(&all, &edit("1", "day=10/day")).await.shows("Saved.").lacks("stay as they are");
    let own = format!("/console/keys/{id}");
    alice.open(&own).await;
    alice.submit(&own, &edit("2", "")).await.shows("Limits that an administrator has set stay").shows("day=10/day");
    // A rotation is no repetition of a top-up.
    let version = alice.open(&own).await.between(r#"name="version" value=""#, "\"");
    alice.submit(&own, &[("action", "credits"), ("version", &version), ("credits", "5")]).await;
    let page = alice.open(&own).await;
    let once: Vec<&str> = page.text.split(r#"name="once" value=""#).skip(1).map(|rest| &rest[..36]).collect();
    assert!(once.len() == 2 && once[0] != once[1], "{once:?}");
}

#[tokio::test]
async fn whoever_came_by_a_link_is_led_back_to_the_product_when_the_session_is_over() {
    let service = Service::start().await;
    let mut alice = Browser::new(&service.replica);
    let link = link_with(&service, json!({ "returnTo": "https://app.example.com/settings" })).await;
    follows(&mut alice, &link).await;
    alice.open("/console/keys").await;
    execute(service.database.url(), "DELETE FROM console_sessions").await.expect("a deletion");
    for page in [alice.get("/console/keys").await, alice.post("/console/keys", &[("name", "x")]).await] {
        assert_eq!((page.status, page.location()), (403, ""), "{}", page.text);
        assert!(page.text.contains("Your session has ended"), "{}", page.text);
        assert!(page.text.contains(r#"href="https://app.example.com/settings""#), "{}", page.text);
    }
    // Whoever signs in is led to the provider again.
    alice.signs_in("/console").await;
    alice.open("/console/keys").await;
    alice.forget(SESSION);
    assert_eq!(alice.get("/console/keys").await.status, 303);
}
