//! What a header says of keys is never believed, and never fetched.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Service, provider::Provider, signing::SigningKey};

/// RFC 8725 §3.10, RFC 7515 §4.1.2 to §4.1.6: `jku`, `jwk`, `x5u`, `x5c`.
#[tokio::test]
async fn keys_and_addresses_in_a_header_are_never_used_and_never_fetched() {
    let (key, forger) = (SigningKey::p256("a"), SigningKey::p256("forged"));
    let provider = Provider::with(&[&key]).await;
    let service = Service::trusting(&provider, "").await;
    service.comes_to_accept(&provider.token(&key)).await;

    let canary = TcpListener::bind("127.0.0.1:0").await.expect("a canary");
    let address = format!("http://{}/keys", canary.local_addr().expect("its address"));
    for members in [
        json!({ "jku": address }),
        json!({ "x5u": address }),
        json!({ "jwk": forger.jwk() }),
        json!({ "x5c": ["MIIB"] }),
        json!({ "jku": address, "x5u": address, "jwk": forger.jwk(), "x5c": ["MIIB"] }),
    ] {
        for kid in [json!("a"), json!("forged"), json!(address), Value::Null] {
            let mut header = members.clone();
            header["alg"] = json!("ES256");
            if !kid.is_null() {
                header["kid"] = kid.clone();
            }
            let claims = provider.claims("mallory");
            service.refuses(&forger.signs_with(&header, &claims), &header.to_string()).await;
            let own = service.status(&key.signs_with(&header, &claims)).await;
            assert_eq!(own, if kid.is_null() || kid == "a" { 200 } else { 401 }, "{header}");
        }
    }
    let own_visit = std::net::TcpStream::connect(canary.local_addr().expect("its address")).expect("a visit");
    let (_, visitor) = canary.accept().await.expect("a visitor");
    assert_eq!(Some(visitor), own_visit.local_addr().ok(), "somebody came before us");
}

/// RFC 7515 §4.1.11, RFC 7797 §3, RFC 7518 §3.6, RFC 7515 §7.2, RFC 7516 §3.1.
#[tokio::test]
async fn what_is_no_plain_signed_token_is_refused_before_any_key_is_looked_for() {
    let key = SigningKey::p256("a");
    let provider = Provider::with(&[&key]).await;
    let service = Service::trusting(&provider, "").await;
    let good = provider.token(&key);
    service.comes_to_accept(&good).await;
    let fetches = provider.fetches();
    let claims = provider.claims("mallory");
    for header in [
        json!({ "alg": "ES256", "kid": "a", "crit": ["exp"] }),
        json!({ "alg": "ES256", "kid": "a", "crit": [] }),
        json!({ "alg": "ES256", "kid": "a", "b64": false }),
        json!({ "alg": "ES256", "kid": "x".repeat(257) }),
        json!({ "alg": "ES256", "kid": 7 }),
        json!({ "alg": "ES384", "kid": "a" }),
        json!({ "alg": "none", "kid": "a" }),
        json!({ "alg": "HS256", "kid": "a" }),
    ] {
        service.refuses(&key.signs_with(&header, &claims), &header.to_string()).await;
    }
    let (signed, signature) = good.rsplit_once('.').expect("three segments");
    for token in [
        format!("{signed}."),
        format!("{good}.e30.e30"),
        format!("{good}="),
        json!({ "payload": "e30", "protected": "e30", "signature": signature }).to_string(),
    ] {
        service.refuses(&token, &token).await;
    }
    assert_eq!(provider.fetches(), fetches);
}
