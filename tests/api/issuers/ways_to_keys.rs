//! Each way to an issuer's keys, and that a key verifies nothing beyond it.

use serde_json::json;
use test_support::{
    actors::{Person, claims},
    database,
    program::Folder,
    replica::Replica,
};

use super::{Service, TOKEN_ROUTE, asked, provider::Provider, signing::SigningKey, table, table_with_keys};

const SECRET: &str = "6b1d0f4e2a9c8375-bf60d1e24a7c9358-c3e8f7a1096b2d54-e05b7d92f1a8c364-issuer";

fn claims_of(issuer: &str) -> serde_json::Value {
    let mut claims = claims("alice");
    claims["iss"] = json!(issuer);
    claims
}

/// Each algorithm that the key can be used with is accepted, and each token with one bit changed is refused.
async fn is_verified(service: &Service, issuer: &str, key: &SigningKey) {
    for algorithm in key.algorithms() {
        let header = json!({ "alg": algorithm, "kid": key.kid, "typ": "JWT" });
        let token = key.signs_with(&header, &claims_of(issuer));
        service.comes_to_accept(&token).await;
        let payload = token.find('.').expect("three segments") + 1;
        for at in [payload + 5, token.len() - 10] {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            service.refuses(&String::from_utf8(bytes).expect("ASCII"), algorithm).await;
        }
    }
}

/// OpenID Connect Discovery 1.0 §4.
#[tokio::test]
async fn keys_are_found_by_discovery() {
    let (first, second) = (SigningKey::p256("a"), SigningKey::ed25519("b"));
    let provider = Provider::with(&[&first, &second]).await;
    let service = Service::trusting(&provider, "").await;
    for key in [&first, &second] {
        is_verified(&service, &provider.issuer(), key).await;
    }
}

/// OpenID Connect Discovery 1.0 §4.1: a slash at the end is not doubled. It is part of the name nevertheless.
#[tokio::test]
async fn an_issuer_with_a_slash_is_found_by_discovery_and_is_another_than_the_one_without() {
    let key = SigningKey::p256("a");
    let provider = Provider::with(&[&key]).await;
    let with_slash = format!("{}/", provider.issuer());
    provider.discovers("issuer", &with_slash);
    let service = Service::start(&table(&with_slash, "discovery = true")).await;
    service.comes_to_accept(&key.signs(&claims_of(&with_slash))).await;
    service.refuses(&key.signs(&claims_of(&provider.issuer())), "iss without the slash").await;
}

#[tokio::test]
async fn keys_are_found_at_the_address_of_a_key_set() {
    let keys = [SigningKey::rsa("r"), SigningKey::p256("e"), SigningKey::p384("f"), SigningKey::ed25519("o")];
    let provider = Provider::with(&keys.iter().collect::<Vec<_>>()).await;
    let address = provider.key_set();
    let service = Service::start(&table("https://a.example", &format!("key_set = {address:?}"))).await;
    for key in &keys {
        is_verified(&service, "https://a.example", key).await;
    }
}

#[tokio::test]
async fn public_keys_are_read_from_a_file_of_pem_blocks_and_from_a_key_set_in_a_file() {
    let keys = [SigningKey::rsa("r"), SigningKey::p256("e"), SigningKey::p384("f"), SigningKey::ed25519("o")];
    let folder = Folder::new();
    let mut tables: String =
        keys.iter().map(|key| table_with_keys(&format!("https://{}.example", key.kid), &folder, key)).collect();
    let blocks: String = keys.iter().map(SigningKey::pem).collect();
    let pem = folder.file("all.pem", &format!("Keys of all kinds\n{blocks}"));
    tables.push_str(&table("https://pem.example", &format!("public_keys_file = {pem:?}")));
    let set = json!({ "keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() });
    let jwks = folder.file("all.json", &set.to_string());
    tables.push_str(&table("https://jwks.example", &format!("public_keys_file = {jwks:?}")));
    let service = Service::start(&tables).await;
    for key in &keys {
        is_verified(&service, &format!("https://{}.example", key.kid), key).await;
        is_verified(&service, "https://pem.example", key).await;
        is_verified(&service, "https://jwks.example", key).await;
    }
}

/// RFC 7518 §3.2.
#[tokio::test]
async fn a_secret_in_a_file_verifies_with_each_hash_that_it_is_long_enough_for() {
    let folder = Folder::new();
    let long = folder.file("long", &format!("{SECRET}\n"));
    let short = folder.file("short", &SECRET[..40]);
    let tables = table("https://long.example", &format!("secret_file = {long:?}"))
        + &table("https://short.example", &format!("secret_file = {short:?}"));
    let service = Service::start(&tables).await;
    is_verified(&service, "https://long.example", &SigningKey::secret(SECRET.as_bytes())).await;
    let short = SigningKey::secret(&SECRET.as_bytes()[..40]);
    for (algorithm, status) in [("HS256", 200), ("HS384", 401), ("HS512", 401)] {
        let token = short.signs_with(&json!({ "alg": algorithm }), &claims_of("https://short.example"));
        assert_eq!(service.status(&token).await, status, "{algorithm}");
    }
}

#[tokio::test]
async fn algorithms_that_are_not_listed_are_refused() {
    let (rsa, ed25519) = (SigningKey::rsa("r"), SigningKey::ed25519("o"));
    let folder = Folder::new();
    let file = folder.file("keys.pem", &(rsa.pem() + &ed25519.pem()));
    let members = format!("public_keys_file = {file:?}\nalgorithms = [\"PS384\", \"Ed25519\"]");
    let service = Service::start(&table("https://a.example", &members)).await;
    for key in [&rsa, &ed25519] {
        for algorithm in key.algorithms() {
            let token = key.signs_with(&json!({ "alg": algorithm }), &claims_of("https://a.example"));
            // Both names of EdDSA mean the same (RFC 9864 §2.2).
            let expected = if matches!(*algorithm, "PS384" | "EdDSA" | "Ed25519") { 200 } else { 401 };
            assert_eq!(service.status(&token).await, expected, "{algorithm}");
        }
    }
}

/// RFC 8725 §3.8.
#[tokio::test]
async fn a_key_of_one_issuer_never_verifies_a_token_of_another() {
    let (ours, theirs) = (SigningKey::p256("same-name"), SigningKey::p256("same-name"));
    let (remote, folder) = (Provider::with(&[&theirs]).await, Folder::new());
    let secret = folder.file("secret", SECRET);
    let tables = table_with_keys("https://ours.example", &folder, &ours)
        + &table(&remote.issuer(), "discovery = true")
        + &table("https://secret.example", &format!("secret_file = {secret:?}"));
    let service = Service::start(&tables).await;
    let secret = SigningKey::secret(SECRET.as_bytes());
    let (remote, local) = (remote.issuer(), "https://ours.example".to_owned());
    let shared = "https://secret.example".to_owned();
    for (key, own) in [(&ours, &local), (&theirs, &remote), (&secret, &shared)] {
        service.comes_to_accept(&key.signs(&claims_of(own))).await;
        for other in [&local, &remote, &shared].into_iter().filter(|issuer| *issuer != own) {
            service.refuses(&key.signs(&claims_of(other)), other).await;
        }
        // The tests' secret is another one: its tokens have no `iss` here.
        service.refuses(&key.signs(&claims("alice")), "no iss").await;
        service.refuses(&key.signs(&claims_of("https://nobody.example")), "an issuer that is not known").await;
    }
    let named = Person::with_claims(&claims_of(&local)).token;
    service.refuses(&named, "the shared secret for a listed issuer").await;
}

/// RFC 8725 §2.1, §3.1.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let (rsa, p256) = (SigningKey::rsa("r"), SigningKey::p256("e"));
    let folder = Folder::new();
    let provider = Provider::with(&[&rsa, &p256]).await;
    let tables = table_with_keys("https://r.example", &folder, &rsa)
        + &table_with_keys("https://e.example", &folder, &p256)
        + &table(&provider.issuer(), "discovery = true");
    let service = Service::start(&tables).await;
    service.comes_to_accept(&provider.token(&p256)).await;
    for key in [&rsa, &p256] {
        let (pem, jwk) = (key.pem(), key.jwk().to_string());
        for secret in [pem.as_str(), pem.trim_end(), jwk.as_str()] {
            let forger = SigningKey::secret(secret.as_bytes());
            for issuer in ["https://r.example", "https://e.example", &provider.issuer()] {
                let token = forger.signs_with(&json!({ "alg": "HS256", "kid": key.kid }), &claims_of(issuer));
                service.refuses(&token, "a public key as a secret").await;
            }
        }
    }
}

#[tokio::test]
async fn the_shared_secret_may_be_left_out() {
    let key = SigningKey::p256("a");
    let folder = Folder::new();
    let tables = table_with_keys("https://a.example", &folder, &key);
    let service = Service::start_with(&tables, &[("JWT_SECRET", "")]).await;
    assert_eq!(service.status(&key.signs(&claims_of("https://a.example"))).await, 200);
    service.refuses(&Person::named("alice").token, "nobody's secret").await;
    let empty = SigningKey::secret(b"");
    service.refuses(&empty.signs(&claims("alice")), "an empty secret").await;
}

/// The guide's tokens go on working beside the others.
#[tokio::test]
async fn the_shared_secret_goes_on_beside_a_list_of_issuers() {
    let key = SigningKey::p256("a");
    let folder = Folder::new();
    let service = Service::start(&table_with_keys("https://a.example", &folder, &key)).await;
    assert_eq!(service.status(&Person::named("alice").token).await, 200);
    assert_eq!(service.status(&key.signs(&claims_of("https://a.example"))).await, 200);
}

/// Identity is (`iss`, `sub`) (RFC 7519 §4.1.2).
#[tokio::test]
async fn the_same_subject_of_two_issuers_is_two_people() {
    let key = SigningKey::p256("a");
    let folder = Folder::new();
    let file = folder.file("key.pem", &key.pem());
    let members = format!("public_keys_file = {file:?}");
    let config = folder.file("k.toml", &(table("https://a.example", &members) + &table("https://b.example", &members)));
    let database = database().await;
    let replica = Replica::start_on(database.url(), &[("KEYWARD_CONFIG", &config)]).await;
    let person = Person { token: key.signs(&claims_of("https://a.example")) };
    person.makes_a_key(&replica).await;
    for (issuer, count) in [("https://a.example", 1), ("https://b.example", 0)] {
        let answer = asked(&replica, TOKEN_ROUTE, &key.signs(&claims_of(issuer))).await;
        let body: serde_json::Value = answer.json().await.expect("JSON");
        assert_eq!(body["keys"].as_array().map(Vec::len), Some(count), "{issuer}");
    }
}
