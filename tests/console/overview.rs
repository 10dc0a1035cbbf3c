//! What administrators see first: keys to look at, refusals, and the busiest keys.

use serde_json::json;
use test_support::{actors::KeyHolder, database::execute, eventually, filling::fill_with_keys};

use crate::{
    browser::{Browser, Page},
    provider::Service,
};

/// The cards: the address of the list, and the number.
fn cards(page: &Page) -> Vec<(String, String)> {
    let (_, cards) = page.text.split_once(r#"<ul class="cards">"#).expect("cards");
    let (cards, _) = cards.split_once("</ul>").expect("an end");
    let card = |text: &str| {
        let (address, rest) = text.split_once('"').expect("an address");
        let (_, rest) = rest.split_once(r#"class="number">"#).expect("a number");
        (address.replace("&#38;", "&"), rest.split('<').next().expect("a number").to_owned())
    };
    cards.split(r#"<a href=""#).skip(1).map(card).collect()
}

#[tokio::test]
async fn each_card_counts_what_its_list_shows() {
    let service = Service::start_with(&[("KEYWARD__LAST_USED__WRITE_EVERY", "1s")]).await;
    let mut alice = Browser::signed_in(&service).await;
    let mut make = async |name: &str, more: &[(&str, &str)]| {
        let page = alice.post("/console/keys", &[&[("name", name)], more].concat()).await;
        KeyHolder::of(page.between(r#"<code id="secret">"#, "<"))
    };
    let limits = ("limits", "minute=100/1m");
    make("for-ever", &[limits]).await;
    let soon = make("soon-used", &[limits, ("expiry", "5")]).await;
    make("soon-not-used", &[limits, ("expiry", "5")]).await;
    make("long-ago", &[limits, ("expiry", "90")]).await;
    let leaked = make("leaked", &[limits, ("expiry", "90")]).await;
    make("boundless", &[("expiry", "90")]).await;
    assert_eq!(soon.asks_for_the_resource(&service.replica).await.status(), 200);
    let path = format!("/console/keys/{}", leaked.id());
    alice.open(&path).await;
    alice.submit(&path, &[("action", "revoke"), ("reason", "It LEAKED on a forum")]).await;
    assert_eq!(leaked.asks_for_the_resource(&service.replica).await.status(), 401);
    let aged = "UPDATE api_keys SET created_at = now() - interval '100 days' WHERE name = 'long-ago'";
    execute(service.database.url(), aged).await.expect("an update");

    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    assert_eq!(eve.get("/console").await.location(), "/console/overview");
    eventually("the uses are written", async || {
        let page = eve.open("/console/overview").await;
        page.text.contains("<code>revoked</code></th><td>1</td><td>1</td>") && page.text.contains(soon.id())
    })
    .await;
    let names = ["for-ever", "soon-used", "soon-not-used", "long-ago", "leaked", "boundless"];
    let expected = [
        ("leaked=yes", "leaked"),
        ("state=active&expiring_days=7&used_days=7", "soon-used"),
        ("state=active&expires=never", "for-ever"),
        ("state=active&unused_days=90&sort=createdAt", "long-ago"),
        ("state=active&limited=no", "boundless"),
    ];
    let cards = cards(&eve.open("/console/overview").await);
    assert_eq!(cards.len(), expected.len());
    for ((address, number), (query, name)) in cards.into_iter().zip(expected) {
        assert_eq!((address.as_str(), number.as_str()), (&*format!("/console/all/keys?{query}"), "1"));
        let list = eve.open(&address).await;
        list.shows(&format!(">{name}</a>"));
        names.iter().filter(|other| **other != name).for_each(|other| {
            list.lacks(&format!(">{other}</a>"));
        });
    }
}

#[tokio::test]
async fn very_many_keys_are_counted_up_to_a_bound_and_a_few_among_them_are_found() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    eve.post("/console/keys", &[("name", "the only one"), ("expiry", "90"), ("limits", "minute=1/1m")]).await;
    let id = eve.open("/console/keys").await.between(r#"<a href="/console/keys/0"#, "\"");
    let path = format!("/console/keys/0{id}");
    eve.submit(&path, &[("action", "revoke"), ("reason", "leaked")]).await;
    // All newer than that one.
    let many = "INSERT INTO api_keys (id, issuer, subject, environment, created_at, updated_at, secret_hash)
                SELECT ('0fffffff-ffff-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, issuer, subject, environment,
                       created_at, updated_at, secret_hash
                FROM api_keys, generate_series(1, 20500) AS number";
    fill_with_keys(service.database.url(), many).await;
    let numbers: Vec<_> = cards(&eve.open("/console/overview").await).into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, ["1", "0", "10000+", "0+", "10000+"]);
    eve.open("/console/all/keys?leaked=yes").await.shows("the only one");
}

#[tokio::test]
async fn nobody_else_sees_it() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    assert_eq!(alice.get("/console").await.location(), "/console/keys");
    assert_eq!(alice.get("/console/overview").await.status, 403);
    alice.open("/console/keys").await.lacks("/console/overview");
}

#[tokio::test]
async fn without_the_busiest_keys_it_still_shows_everything_else() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    // Nobody can look keys up by their numbers, so the statement takes longer than it may.
    let mut lock = service.database.superuser_pool().await.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE usage_keys").execute(&mut *lock).await.expect("a lock");
    let page = eve.open("/console/overview").await;
    assert_eq!(cards(&page).len(), 5);
    assert!(page.text.contains("They could not be found in time"), "{}", page.text);
    service.replica.prints("could not find the busiest keys").await;
    lock.rollback().await.expect("the end of the lock");
    assert!(!eve.open("/console/overview").await.text.contains("They could not be found in time"));
}
