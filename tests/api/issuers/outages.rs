//! An issuer that is away.

use serde_json::{Value, json};
use test_support::{
    actors::{Person, claims},
    eventually,
    program::Folder,
};

use super::{
    Service,
    provider::{Behaviour, Provider},
    signing::SigningKey,
    table, table_with_keys,
};

/// Fault 15.
#[tokio::test]
async fn an_issuer_that_is_down_at_start_holds_up_nobody_else_and_is_found_when_it_comes_back() {
    let (key, local) = (SigningKey::p256("a"), SigningKey::p256("local"));
    let (down, up, folder) = (Provider::that_is(Behaviour::Down).await, Provider::with(&[&key]).await, Folder::new());
    let tables = table(&down.issuer(), "discovery = true")
        + &table(&up.issuer(), "discovery = true")
        + &table_with_keys("https://local.example", &folder, &local);
    let service = Service::start(&tables).await;
    service.comes_to_accept(&up.token(&key)).await;
    service.cannot_decide(&down.token(&key), "down").await;
    let mut claims = claims("alice");
    claims["iss"] = json!("https://local.example");
    assert_eq!(service.status(&local.signs(&claims)).await, 200);
    let holder = Person::named("alice").makes_a_key(&service.replica).await;
    assert_eq!(holder.asks_for_the_resource(&service.replica).await.status(), 200);
    assert_eq!(service.readiness().await, (200, json!({ "status": "ready", "issuersWithoutKeys": 1 })));
    service.replica.prints("could not fetch an issuer's keys").await;

    down.is(Behaviour::Sound);
    down.publishes(&[&key]);
    // Nobody has to ask for it.
    let all_have_keys = (200, json!({ "status": "ready" }));
    eventually("its keys come", async || service.readiness().await == all_have_keys).await;
    let over = service.replica.prints("fetched an issuer's keys again").await;
    assert!(serde_json::from_str::<Value>(&over).expect("JSON")["lasted_ms"].is_u64(), "{over}");
    assert_eq!(service.status(&down.token(&key)).await, 200);
}

/// After a long outage the next try may be minutes away; whoever needs the keys must not wait for it. By itself,
/// with pauses that double, it would ask six times while the test has patience.
#[tokio::test]
async fn tokens_of_an_issuer_without_keys_make_it_be_asked_once_in_a_cool_down() {
    let key = SigningKey::p256("a");
    let provider = Provider::that_is(Behaviour::answers("503 Service Unavailable", "")).await;
    let service = Service::trusting(&provider, "[jwt]\nkey_set_cool_down = \"1s\"").await;
    let token = provider.token(&key);
    eventually("it is asked", async || {
        service.cannot_decide(&token, "no keys").await;
        provider.fetches() >= 8
    })
    .await;
}

/// Fault 16.
#[tokio::test]
async fn an_issuer_that_goes_down_later_is_verified_with_its_last_keys() {
    let (key, unknown) = (SigningKey::p256("a"), SigningKey::p256("b"));
    let provider = Provider::with(&[&key]).await;
    let tables = table(&provider.issuer(), "discovery = true") + "[jwt]\nkey_set_refresh = \"10s\"";
    let service = Service::start(&tables).await;
    service.comes_to_accept(&provider.token(&key)).await;
    provider.is(Behaviour::Down);
    service.replica.prints("could not fetch an issuer's keys").await;
    assert_eq!(service.status(&provider.token(&key)).await, 200);
    service.refuses(&provider.token(&unknown), "a key that cannot be asked for").await;
}
