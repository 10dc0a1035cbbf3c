//! Which addresses are asked for keys.

use super::{Service, provider::Provider, signing::SigningKey, table};

/// A document that must not be believed: its issuer's tokens are undecided, and the log says why.
async fn is_not_believed(provider: &Provider, key: &SigningKey, cause: &str) {
    let service = Service::trusting(provider, "").await;
    let warning = service.replica.prints("could not fetch an issuer's keys").await;
    assert!(warning.contains(cause), "{warning}");
    service.cannot_decide(&provider.token(key), cause).await;
    assert_eq!(provider.fetches(), 0);
}

/// OpenID Connect Discovery 1.0 §4.3.
#[tokio::test]
async fn a_discovery_document_about_another_issuer_is_refused() {
    let key = SigningKey::p256("a");
    let provider = Provider::with(&[&key]).await;
    for other in ["https://another.example", &format!("{}/", provider.issuer()), ""] {
        provider.discovers("issuer", other);
        is_not_believed(&provider, &key, "is about another issuer").await;
    }
}

/// RFC 8414 §2 demands https; OWASP API7:2023. Only this machine may do without.
#[tokio::test]
async fn a_discovery_document_that_names_keys_at_an_unsafe_address_is_refused() {
    let key = SigningKey::p256("a");
    let provider = Provider::with(&[&key]).await;
    for address in [
        "http://keys.invalid/keys",
        "http://192.0.2.1/keys",
        "file:///etc/passwd",
        "//keys.invalid",
        "",
        "http://127.0.0.1:80@keys.invalid/",
    ] {
        provider.discovers("jwks_uri", address);
        is_not_believed(&provider, &key, "without https://").await;
    }
}

#[tokio::test]
async fn a_key_set_in_place_of_a_discovery_document_is_none() {
    let key = SigningKey::p256("a");
    let provider = Provider::with(&[&key]).await;
    let issuer = provider.key_set();
    let service = Service::start(&table(&issuer, "discovery = true")).await;
    let warning = service.replica.prints("could not fetch an issuer's keys").await;
    assert!(warning.contains("no discovery document"), "{warning}");
}
