//! Files with public keys: what is taken, and what is refused at start with the reason.

use serde_json::{Value, json};
use test_support::{
    actors::claims,
    database,
    program::{Folder, run_beside},
    replica::command,
};

use super::{Service, signing::SigningKey, table};

const ISSUER: &str = "https://a.example";

/// Made by `openssl`, with keys that are used nowhere else: see the names.
macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../data/pem/", $name, ".pem"))
    };
}

fn token(key: &SigningKey) -> String {
    let mut claims = claims("alice");
    claims["iss"] = json!(ISSUER);
    key.signs(&claims)
}

/// What a start with this file says, which must fail.
async fn refusal(database: &str, content: &str) -> String {
    let folder = Folder::new();
    let keys = folder.file("keys.pem", content);
    let config = folder.file("keyward.toml", &table(ISSUER, &format!("public_keys_file = {keys:?}")));
    let mut command = command();
    command.arg("serve").env("DATABASE_URL", database).env("KEYWARD_CONFIG", config);
    run_beside(command).await.failed()
}

async fn service_with(content: &str) -> Service {
    let folder = Folder::new();
    let keys = folder.file("keys.pem", content);
    Service::start(&table(ISSUER, &format!("public_keys_file = {keys:?}"))).await
}

#[tokio::test]
async fn a_file_that_holds_anything_but_usable_public_keys_is_refused_at_start_with_the_reason() {
    let database = database().await;
    let good = SigningKey::p256("good");
    let jwk_with = |name: &str, value: Value| {
        let mut jwk = good.jwk();
        jwk[name] = value;
        json!({ "keys": [good.jwk(), jwk] }).to_string()
    };
    let with_good = |block: &str| good.pem() + block;
    for (content, causes) in [
        (with_good(pem!("rsa-1024")), ["block 2", "RSA with 1024 bits"]),
        (with_good(pem!("rsa-1024-pkcs1")), ["block 2", "RSA with 1024 bits"]),
        (with_good(pem!("rsa-1024-certificate")), ["block 2", "RSA with 1024 bits"]),
        (with_good(pem!("rsa-private")), ["block 2", "is a private key"]),
        (with_good(pem!("rsa-private-pkcs1")), ["block 2", "is a private key"]),
        (with_good(pem!("ec-private")), ["block 2", "is a private key"]),
        (with_good(pem!("rsa-private-encrypted")), ["block 2", "is a private key"]),
        (with_good(pem!("secp256k1")), ["block 2", "the curve secp256k1"]),
        (with_good(pem!("p521")), ["block 2", "P-521"]),
        (with_good(pem!("brainpool")), ["block 2", "another curve"]),
        (with_good(pem!("ed448")), ["block 2", "Ed448"]),
        (with_good(pem!("x25519")), ["block 2", "X25519"]),
        (with_good(pem!("dsa")), ["block 2", "DSA"]),
        (with_good(pem!("certificate-request")), ["block 2", "CERTIFICATE REQUEST"]),
        (with_good("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI"), ["block 2", "breaks off"]),
        (with_good("-----BEGIN PUBLIC KEY-----\nMFk!\n-----END PUBLIC KEY-----\n"), ["block 2", "base64"]),
        (with_good("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"), ["block 2", "not a key"]),
        (good.pem().replace("PUBLIC KEY", "PUBLIC KEYS"), ["block 1", "PUBLIC KEYS"]),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ alice@example".to_owned(), ["an SSH key", "ssh-keygen -e -m PKCS8"]),
        ("<html><body>Please log in</body></html>".to_owned(), ["HTML", "PEM"]),
        ("{}".to_owned(), ["public_keys_file", "not a JSON Web Key Set"]),
        (r#"{"keys":[]}"#.to_owned(), ["public_keys_file", "no key"]),
        (good.jwk().to_string(), ["one JSON Web Key", r#"{"keys": [...]}"#]),
        (jwk_with("d", json!("AQAB")), ["key 2", "is a private key"]),
        (jwk_with("x", json!("AQAB")), ["key 2", "not written as"]),
        (jwk_with("alg", json!("RS256")), ["key 2", "does not fit"]),
        (json!({ "keys": [SigningKey::secret(&[7; 64]).jwk()] }).to_string(), ["key 1", "is a secret"]),
        (json!({ "kid": pem!("rsa-private") }).to_string(), ["kid", "is a private key"]),
    ] {
        let message = refusal(database.url(), &content).await;
        assert!(message.contains(ISSUER), "{message}");
        for cause in causes {
            assert!(message.contains(cause), "{cause:?} is missing in {message}for {content}");
        }
        assert!(!message.contains("PRIVATE KEY-----"), "{message}");
    }
}

/// To find the one that a token means, all of them would be tried.
#[tokio::test]
async fn a_file_with_more_keys_of_one_kind_than_are_tried_is_refused_at_start() {
    let database = database().await;
    let blocks: String = (0..9).map(|_| SigningKey::p256("x").pem()).collect();
    let message = refusal(database.url(), &blocks).await;
    for cause in [ISSUER, "9 keys", "at most 8", "kid"] {
        assert!(message.contains(cause), "{cause:?} is missing in {message}");
    }
    let named: Vec<Value> = (0..9).map(|number| SigningKey::p256(&format!("key-{number}")).jwk()).collect();
    let key = SigningKey::p256("last");
    let mut set = named;
    set.push(key.jwk());
    let service = service_with(&json!({ "keys": set }).to_string()).await;
    assert_eq!(service.status(&token(&key)).await, 200);
}

#[tokio::test]
async fn every_usual_form_of_a_public_key_is_taken() {
    let (rsa, p256, p384, ed25519) =
        (SigningKey::rsa("r"), SigningKey::p256("e"), SigningKey::p384("f"), SigningKey::ed25519("o"));
    let certificates: String = [&rsa, &p256, &p384, &ed25519].map(|key| key.certificate().pem()).concat();
    let pkcs1 = pem::encode(&pem::Pem::new("RSA PUBLIC KEY", rsa.pkcs1()));
    let map = json!({ "r": rsa.certificate().pem(), "f": p384.certificate().pem() });
    for (content, keys) in [
        (certificates, vec![&rsa, &p256, &p384, &ed25519]),
        (pkcs1 + &p256.pem(), vec![&rsa, &p256]),
        (format!("\u{feff}{}", rsa.pem()), vec![&rsa]),
        (rsa.pem().replace('\n', "\r\n"), vec![&rsa]),
        (format!("subject=CN = issuer\n{}\nissued by nobody\n", p256.certificate().pem()), vec![&p256]),
        (format!("\u{feff}{}", json!({ "keys": [ed25519.jwk()] })), vec![&ed25519]),
        (map.to_string(), vec![&rsa, &p384]),
    ] {
        let service = service_with(&content).await;
        for key in keys {
            assert_eq!(service.status(&token(key)).await, 200, "{} in {content}", key.kid);
        }
    }
}

/// A realm's set as Keycloak publishes it, saved as a file.
#[tokio::test]
async fn keys_of_a_set_that_are_for_something_else_are_skipped_and_named_once() {
    let (key, encrypts) = (SigningKey::rsa("sig-1"), SigningKey::rsa("enc-1"));
    let mut jwk = encrypts.jwk();
    jwk["use"] = json!("enc");
    jwk["alg"] = json!("RSA-OAEP");
    let later = json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "later", "pub": "AA" });
    let service = service_with(&json!({ "keys": [jwk, key.jwk(), later] }).to_string()).await;
    assert_eq!(service.status(&token(&key)).await, 200);
    service.refuses(&token(&encrypts), "a key that encrypts").await;
    for (kid, why) in [("enc-1", "not meant for verifying"), ("later", "a kind of key that is not known")] {
        let line = service.replica.prints(&format!(r#""kid":"{kid}""#)).await;
        assert!(line.contains(why) && line.contains(ISSUER), "{line}");
    }
    assert_eq!(service.replica.output().matches("a key of an issuer is not used").count(), 2);
}
