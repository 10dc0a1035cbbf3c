//! Credits on pages.

use serde_json::json;
use test_support::actors::KeyHolder;

use crate::{
    browser::{Browser, Page},
    provider::Service,
};

fn made(page: &Page) -> KeyHolder {
    KeyHolder::of(page.between(r#"<code id="secret">"#, "<"))
}

#[tokio::test]
async fn an_owner_gives_a_key_credits_and_tops_them_up_once_however_often_the_form_comes() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let path = format!("/console/keys/{}", key.id());
    let page = alice.open(&path).await;
    page.shows("Give credits").lacks("Top up");
    assert_eq!(alice.post(&path, &[("action", "top_up"), ("operation", "add"), ("amount", "5")]).await.status, 422);
    let version = page.between(r#"name="version" value=""#, "\"");
    let give = [
        ("action", "credits"),
        ("version", version.as_str()),
        ("credits", "2"),
        ("credits_max", "10"),
        ("refill_every", "daily"),
        ("refill_amount", "1"),
    ];
    let page = alice.submit(&path, &give).await;
    page.shows("2 left").shows("2 granted in all").shows("1 daily, at most 10").shows("next refill").shows("Top up");
    let once = page.between(r#"name="once" value=""#, "\"");
    let status = async |replica| key.asks_for_the_resource(replica).await.status().as_u16();
    let statuses = [status(&service.replica).await, status(&other).await, status(&other).await];
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 2, "{statuses:?}");

    let add =
        [("action", "top_up"), ("once", once.as_str()), ("operation", "add"), ("amount", "3"), ("reason", "a bill")];
    alice.submit(&path, &add).await.shows("Topped up.").shows("5 granted in all").shows("a bill");
    // Sent again, also to another replica: nothing is added.
    alice.submit(&path, &add).await.shows("5 granted in all");
    let mut there = alice.at(&other);
    there.submit(&path, &add).await.shows("5 granted in all");
    let more = [&add[..3], &[("amount", "100")]].concat();
    let page = alice.post(&path, &more).await;
    assert!(page.status == 422 && page.text.contains("was sent before, with other values"), "{}", page.text);
    let statuses = [status(&other).await, status(&service.replica).await, status(&service.replica).await];
    assert_eq!(statuses, [200, 200, 200]);
    let events = alice.open(&format!("/console/audit?key={}", key.id())).await;
    assert_eq!(events.text.matches("key.credits_changed</code>").count(), 1, "{}", events.text);
    let added = r#"credits: <bdi class="value">3 added</bdi>; reason: <bdi class="value">a bill</bdi>"#;
    events.shows(added);
    alice.open(&path).await.shows(added).lacks(r#"→ <bdi class="value">null"#);

    for (operation, amount) in [("add", "0"), ("set", "-1"), ("give", "1"), ("add", ""), ("add", "many")] {
        let page = alice.post(&path, &[("action", "top_up"), ("operation", operation), ("amount", amount)]).await;
        assert_eq!(page.status, 422, "{operation} {amount}");
    }
    let granted = alice.open(&path).await.between(r#"name="granted" value=""#, "\"");
    // What was granted since somebody has looked is not taken away, and whoever adds needs not have looked.
    let add = [("action", "top_up"), ("operation", "add"), ("amount", "2"), ("once", "a third")];
    alice.submit(&path, &add).await.shows("7 granted in all");
    let set = [("action", "top_up"), ("operation", "set"), ("amount", "0"), ("once", "another")];
    for stale in [&[("granted", granted.as_str())][..], &[]] {
        let late = alice.post(&path, &[&set[..], stale].concat()).await;
        assert!(late.status == 422 && late.text.contains("It has changed since you opened this page"), "{}", late.text);
    }
    alice.open(&path).await.shows("7 granted in all");
    let set = [&set[..], &[("granted", "7")]].concat();
    alice.submit(&path, &set).await.shows("0 left");
    assert_eq!((status(&service.replica).await, status(&other).await), (429, 429));
    let version = alice.open(&path).await.between(r#"name="version" value=""#, "\"");
    let remove = [("action", "remove_credits"), ("version", version.as_str())];
    alice.submit(&path, &remove).await.shows("Give credits").lacks("granted in all");
    assert_eq!(status(&other).await, 200);
}

#[tokio::test]
async fn credits_that_an_administrator_has_set_are_shown_to_their_owner_who_cannot_change_them() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let (own, all) = (format!("/console/keys/{}", key.id()), format!("/console/all/keys/{}", key.id()));
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let version = eve.open(&all).await.between(r#"name="version" value=""#, "\"");
    let give = [("action", "credits"), ("version", version.as_str()), ("credits", "100")];
    eve.submit(&all, &give).await.shows("set by administrator").shows("Top up");
    let page = alice.open(&own).await;
    page.shows("100 left").shows("only an administrator can change them").lacks("Top up").lacks("Give credits");
    let version = page.between(r#"name="version" value=""#, "\"");
    for fields in [
        &[("action", "top_up"), ("operation", "add"), ("amount", "1")][..],
        &[("action", "credits"), ("version", version.as_str()), ("credits", "1000")],
        &[("action", "remove_credits"), ("version", version.as_str())],
    ] {
        let refused = alice.post(&own, fields).await;
        assert!(refused.status == 422 && refused.text.contains("only an administrator"), "{}", refused.text);
    }
    eve.open(&all).await.shows("100 left").shows("100 granted in all");
}

#[tokio::test]
async fn an_administrator_tops_up_what_all_keys_of_an_owner_share() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let id = eve.open("/console/owners").await.between("/console/owners/one?id=", "\"");
    let path = format!("/console/owners/one?id={id}");
    let version = eve.open(&path).await.between(r#"name="version" value=""#, "\"");
    let give = [("action", "credits"), ("version", version.as_str()), ("credits", "0")];
    let page = eve.submit(&path, &give).await;
    page.shows("0 left");
    assert_eq!(key.asks_for_the_resource(&service.replica).await.status(), 429);
    let once = page.between(r#"name="once" value=""#, "\"");
    let add =
        [("action", "top_up"), ("once", once.as_str()), ("operation", "add"), ("amount", "7"), ("reason", "a gift")];
    eve.submit(&path, &add).await.shows("Topped up.").shows("7 granted in all").shows("a gift");
    eve.submit(&path, &add).await.shows("7 granted in all").shows(r#"<bdi class="value">7 added</bdi>"#);
    assert_eq!(key.asks_for_the_resource(&service.replica).await.status(), 200);
    alice.open("/console/plan").await.shows("7 granted in all").lacks("Top up");
    let set = [("action", "top_up"), ("operation", "set"), ("amount", "0")];
    let late = eve.post(&path, &[&set[..], &[("granted", "0")]].concat()).await;
    assert!(late.status == 422 && late.text.contains("It has changed since you opened this page"), "{}", late.text);
    eve.submit(&path, &[&set[..], &[("granted", "7")]].concat()).await.shows("0 left");
}
