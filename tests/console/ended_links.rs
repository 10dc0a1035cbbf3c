//! Whoever ends sessions ends the links that are still open, too: nobody comes back with one.

use serde_json::json;

use crate::{
    back_channel::tell,
    browser::Browser,
    handed_over::{follows, id_of_alice, link, link_with},
    provider::Service,
};

/// What a link is answered with.
async fn status(service: &Service, link: &str) -> u16 {
    Browser::new(&service.replica).get(link).await.status
}

#[tokio::test]
async fn an_administrator_who_ends_the_sessions_of_an_owner_or_of_a_person_ends_their_open_links() {
    let service = Service::start().await;
    let other = service.another().await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let id = id_of_alice(&service);
    let (hers, of_carol) = (link(&service).await, link_with(&service, json!({ "person": "carol" })).await);
    eve.open("/console/all/sessions").await;
    eve.submit("/console/all/sessions", &[("all", "1"), ("owner", &id), ("person", "carol")]).await;
    assert_eq!((status(&service, &hers).await, status(&service, &of_carol).await), (200, 410));
    eve.submit("/console/all/sessions", &[("all", "1"), ("owner", &id)]).await;
    assert_eq!(Browser::new(&other).get(&hers).await.status, 410);
    let mut alice = Browser::new(&service.replica);
    follows(&mut alice, &link(&service).await).await;
    alice.open("/console/keys").await;
}

#[tokio::test]
async fn whoever_signs_out_at_the_provider_leaves_no_open_link() {
    let service = Service::start().await;
    let (hers, of_carol) = (link(&service).await, link_with(&service, json!({ "person": "carol" })).await);
    let token = |claims| service.provider.logout_token(&claims);
    assert_eq!(tell(&service.replica, &token(json!({ "sub": "alice" }))).await, 200);
    assert_eq!((status(&service, &hers).await, status(&service, &of_carol).await), (410, 200));
    // With a session of the provider, of which a link knows nothing.
    assert_eq!(tell(&service.replica, &token(json!({ "sub": "carol", "sid": "phone" }))).await, 200);
    assert_eq!(status(&service, &of_carol).await, 410);
}

#[tokio::test]
async fn whoever_ends_all_other_sessions_of_theirs_ends_their_open_links() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (hers, of_carol) = (link(&service).await, link_with(&service, json!({ "person": "carol" })).await);
    alice.open("/console/sessions").await;
    alice.submit("/console/sessions", &[("others", "1")]).await;
    assert_eq!((status(&service, &hers).await, status(&service, &of_carol).await), (410, 200));
}
