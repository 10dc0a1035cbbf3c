//! How keys that an issuer publishes are fetched: with a token, with certificates of one's own, and without TLS where
//! that was said.

use std::{fs, net::Ipv4Addr};

use serde_json::json;
use test_support::{eventually, program::Folder};

use super::{
    Service,
    provider::{Behaviour, Provider},
    signing::SigningKey,
    table,
};
use crate::tls::Authority;

fn claims_of(issuer: &str) -> serde_json::Value {
    let mut claims = test_support::actors::claims("alice");
    claims["iss"] = json!(issuer);
    claims
}

/// As in Kubernetes, whose API server wants a token of whoever asks, and replaces that token every hour.
#[tokio::test]
async fn a_token_is_shown_for_the_key_set_and_read_again_for_each_fetch() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let provider = Provider::with(&[&old]).await;
    provider.demands_token("first-token");
    let folder = Folder::new();
    let token = folder.file("token", "first-token\n");
    let members = format!(
        "key_set = {:?}\nkey_set_token_file = {token:?}\n[jwt]\nkey_set_cool_down = \"1s\"",
        provider.key_set()
    );
    let service = Service::start(&table("https://a.example", &members)).await;
    service.comes_to_accept(&old.signs(&claims_of("https://a.example"))).await;

    provider.demands_token("second-token");
    provider.publishes(&[&old, &new]);
    service.refuses(&new.signs(&claims_of("https://a.example")), "the token is the old one").await;
    service.replica.prints("answered 401").await;
    fs::write(&token, "second-token").expect("written");
    let of_new = new.signs(&claims_of("https://a.example"));
    eventually("the new token is shown", async || service.status(&of_new).await == 200).await;

    // What can't be read or shown leaves the keys in their place.
    for broken in ["", "two words", "line\nbreak"] {
        fs::write(&token, broken).expect("written");
        let unknown = SigningKey::p256("unknown").signs(&claims_of("https://a.example"));
        eventually("a failed fetch", async || {
            service.refuses(&unknown, "nobody's key").await;
            service.replica.output().contains("can't be used: it is empty, or holds more than one word")
        })
        .await;
        assert_eq!(service.status(&of_new).await, 200, "{broken:?}");
    }
    assert!(!service.replica.output().contains("first-token"), "a token in the log");
}

/// The token is for the issuer. A discovery document may name any server.
#[tokio::test]
async fn a_token_is_shown_to_the_issuer_and_to_nobody_that_it_names() {
    let key = SigningKey::p256("a");
    let (issuer, elsewhere) = (Provider::with(&[&key]).await, Provider::with(&[&key]).await);
    let folder = Folder::new();
    let token = folder.file("token", "a-token");
    let members = format!("discovery = true\nkey_set_token_file = {token:?}");
    let service = Service::start(&table(&issuer.issuer(), &members)).await;
    service.comes_to_accept(&issuer.token(&key)).await;
    assert_eq!(issuer.tokens(), [Some("a-token".to_owned()), Some("a-token".to_owned())]);

    issuer.discovers("jwks_uri", &elsewhere.key_set());
    let service = Service::start(&table(&issuer.issuer(), &members)).await;
    service.comes_to_accept(&issuer.token(&key)).await;
    assert_eq!(elsewhere.tokens(), [None]);
    assert_eq!(issuer.tokens().len(), 3);
}

#[tokio::test]
async fn the_certificates_of_a_file_are_believed_in_place_of_the_systems_and_read_again() {
    let key = SigningKey::p256("a");
    let (authority, stranger) = (Authority::new(), Authority::new());
    let provider = Provider::with_tls(&[&key], authority.server(&[Ipv4Addr::LOCALHOST.to_string().as_str()])).await;
    let folder = Folder::new();
    let ca = folder.file("ca.pem", &stranger.pem());
    let members =
        format!("key_set = {:?}\nkey_set_ca_file = {ca:?}\n[jwt]\nkey_set_cool_down = \"1s\"", provider.key_set());
    let service = Service::start(&table("https://a.example", &members)).await;
    let line = service.replica.prints("could not fetch an issuer's keys").await;
    assert!(line.contains("certificate"), "{line}");
    let token = key.signs(&claims_of("https://a.example"));
    service.cannot_decide(&token, "signed by a stranger").await;
    fs::write(&ca, authority.pem()).expect("written");
    eventually("the other certificate is read", async || service.status(&token).await == 200).await;
    // Without the file, nobody has signed it.
    let service = Service::start(&table("https://a.example", &format!("key_set = {:?}", provider.key_set()))).await;
    let line = service.replica.prints("could not fetch an issuer's keys").await;
    assert!(line.contains("certificate"), "{line}");
}

/// A name that leads to loopback but is no name of this machine.
const CLUSTER: &str = "keys.cluster.test";

/// Inside a cluster, where it was said that nobody is on the way. By way of a proxy, for such names lead nowhere here.
#[tokio::test]
async fn without_tls_keys_are_fetched_only_where_that_was_said() {
    let key = SigningKey::p256("a");
    let provider = Provider::with(&[&key]).await;
    let proxy = provider.issuer();
    let (issuer, key_set) = (format!("http://{CLUSTER}"), format!("http://{CLUSTER}/keys"));
    provider.discovers("issuer", &issuer);
    provider.discovers("jwks_uri", &key_set);
    for members in
        ["discovery = true\ninsecure_http = true".to_owned(), format!("key_set = {key_set:?}\ninsecure_http = true")]
    {
        let service = Service::start_with(&table(&issuer, &members), &[("HTTP_PROXY", &proxy)]).await;
        service.comes_to_accept(&key.signs(&claims_of(&issuer))).await;
        let line = service.replica.prints("are fetched without TLS").await;
        assert!(line.contains(&issuer) && line.contains(r#""level":"WARN""#), "{line}");
    }
    // An issuer with TLS, or none at all, can't be led away from it by its document.
    let service = Service::trusting(&provider, "").await;
    provider.discovers("issuer", &provider.issuer());
    let line = service.replica.prints("could not fetch an issuer's keys").await;
    assert!(line.contains("is about another issuer") || line.contains("without https://"), "{line}");
    provider.is(Behaviour::Down);
}
