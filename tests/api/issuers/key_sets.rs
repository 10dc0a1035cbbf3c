//! When key sets are fetched.

use serde_json::json;
use test_support::{
    client::client,
    eventually,
    wire::{Connection, with_header},
};
use tokio::{sync::watch, task::JoinSet};

use super::{
    Service, TOKEN_ROUTE,
    provider::{Behaviour, Provider},
    signing::SigningKey,
    table,
};

/// RFC 7517 §4.5, OpenID Connect Core 1.0 §10.1.1.
#[tokio::test]
async fn an_unknown_kid_causes_one_fetch_and_a_new_key_works_with_its_first_token() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let provider = Provider::with(&[&old]).await;
    let service = Service::trusting(&provider, "").await;
    service.comes_to_accept(&provider.token(&old)).await;
    assert_eq!(provider.fetches(), 1);
    provider.publishes(&[&old, &new]);
    assert_eq!(service.status(&provider.token(&new)).await, 200);
    assert_eq!(provider.fetches(), 2);
    // From now on both are known.
    for key in [&old, &new] {
        assert_eq!(service.status(&provider.token(key)).await, 200);
    }
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_of_a_known_key_causes_no_fetch() {
    let (key, forger) = (SigningKey::p256("a"), SigningKey::p256("a"));
    let provider = Provider::with(&[&key]).await;
    let service = Service::trusting(&provider, "").await;
    service.comes_to_accept(&provider.token(&key)).await;
    service.refuses(&provider.token(&forger), "another key of that name").await;
    let mut expired = provider.claims("alice");
    expired["exp"] = json!(1);
    service.refuses(&key.signs(&expired), "expired").await;
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_kids_causes_one_fetch_in_a_cool_down_and_good_tokens_go_on() {
    const AT_ONCE: usize = 50;
    let key = SigningKey::p256("a");
    let provider = Provider::with(&[&key]).await;
    let service = Service::trusting(&provider, "\n[jwt]\nkey_set_cool_down = \"1h\"").await;
    let good = provider.token(&key);
    service.comes_to_accept(&good).await;

    // Many come while the fetch for the first one is under way.
    let (release, held) = watch::channel(false);
    provider.is(Behaviour::Held(held));
    let mut flood = Vec::new();
    for number in 0..AT_ONCE {
        let forger = SigningKey::p256(&format!("unknown-{number}"));
        let value = format!("Bearer {}", provider.token(&forger));
        let mut connection = Connection::open(&service.replica).await;
        connection.send(with_header("GET", TOKEN_ROUTE, "Authorization", value)).await;
        flood.push(connection);
    }
    eventually("the one fetch", async || provider.fetches() == 2).await;
    assert_eq!(service.status(&good).await, 200, "beside the fetch");
    release.send(true).expect("somebody waits");
    for mut connection in flood {
        assert_eq!(connection.answer().await.status, 401);
    }

    // And many more after it.
    let client = client();
    let mut requests = JoinSet::new();
    for number in 0..500 {
        let token = provider.token(&SigningKey::p256(&format!("unknown-too-{number}")));
        requests.spawn(client.get(service.replica.url(TOKEN_ROUTE)).bearer_auth(token).send());
        if number % AT_ONCE == 0 {
            assert_eq!(service.status(&good).await, 200, "amid the flood");
        }
    }
    while let Some(answer) = requests.join_next().await {
        assert_eq!(answer.expect("no panic").expect("an answer").status(), 401);
    }
    assert_eq!(provider.fetches(), 2);
}

/// Fault 18: within `jwt.key_set_refresh`.
#[tokio::test]
async fn a_key_that_an_issuer_takes_away_verifies_nothing_after_the_next_refresh() {
    let (stays, goes) = (SigningKey::p256("stays"), SigningKey::p256("goes"));
    let provider = Provider::with(&[&stays, &goes]).await;
    let tables = table(&provider.issuer(), "discovery = true") + "[jwt]\nkey_set_refresh = \"10s\"";
    let service = Service::start(&tables).await;
    service.comes_to_accept(&provider.token(&goes)).await;
    provider.publishes(&[&stays]);
    let token = provider.token(&goes);
    eventually("the key is refused", async || service.status(&token).await == 401).await;
    assert_eq!(service.status(&provider.token(&stays)).await, 200);
}
