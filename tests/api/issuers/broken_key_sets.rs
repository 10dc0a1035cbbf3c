//! What an issuer may answer in place of its keys. Many issuers at once, one for each answer.

use serde_json::{Value, json};
use test_support::eventually;

use super::{
    Service,
    key_set_forms::gzip,
    provider::{Behaviour, Provider},
    signing::SigningKey,
    table,
};

/// Each with a word for it. `stray` is where a redirect leads.
fn answers(stray: &Provider, good_set: &str) -> Vec<(&'static str, Behaviour)> {
    let ok = |body: &str| Behaviour::answers("200 OK", body);
    vec![
        ("garbage", Behaviour::answers("200 OK", [0xff, 0, 1, 2, 0x80])),
        ("an empty answer", ok("")),
        ("no answer's body", Behaviour::answers("204 No Content", "")),
        ("HTML", ok("<!doctype html><html><body>Please log in</body></html>")),
        ("no keys", ok(r#"{"keys":[]}"#)),
        ("no list of keys", ok(r#"{"keys":{}}"#)),
        ("another object", ok("{}")),
        ("a list", ok("[]")),
        ("half a set", ok(&good_set[..good_set.len() / 2])),
        ("two sets", ok(&format!("{good_set}{good_set}"))),
        ("members twice", ok(&good_set.replacen('{', r#"{"keys":[],"#, 1))),
        ("deep", ok(&"[".repeat(100_000))),
        ("an error", Behaviour::answers("500 Internal Server Error", good_set)),
        ("not found", Behaviour::answers("404 Not Found", good_set)),
        ("moved", Behaviour::answers_with("302 Found", &format!("location: {}", stray.key_set()), "")),
        (
            "moved for ever",
            Behaviour::answers_with("308 Permanent Redirect", &format!("location: {}", stray.key_set()), ""),
        ),
        ("gzip without saying so", Behaviour::answers("200 OK", gzip(good_set.as_bytes()))),
        (
            "half of a gzip",
            Behaviour::answers_with("200 OK", "content-encoding: gzip", &gzip(good_set.as_bytes())[..100]),
        ),
        ("a gzip bomb", Behaviour::answers_with("200 OK", "content-encoding: gzip", gzip(&vec![b' '; 4 << 20]))),
        ("zstd", Behaviour::answers_with("200 OK", "content-encoding: zstd", good_set)),
        ("broken off", Behaviour::Answers(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{\"keys\":[".to_vec())),
        ("no HTTP", Behaviour::Answers(b"SSH-2.0-x\r\n".to_vec())),
        ("a hundred megabytes", Behaviour::Huge),
        ("silence", Behaviour::Silent),
        ("nothing", Behaviour::Down),
    ]
}

struct Scene {
    /// With what each of them answers when it is broken.
    providers: Vec<(&'static str, Provider, Behaviour)>,
    stray: Provider,
    key: SigningKey,
    /// Of nobody's set but the stray's.
    unknown: SigningKey,
}

impl Scene {
    async fn set() -> Self {
        let (key, unknown) = (SigningKey::p256("known"), SigningKey::p256("unknown"));
        let stray = Provider::with(&[&unknown]).await;
        let set = json!({ "keys": [unknown.jwk()] }).to_string();
        let mut providers = Vec::new();
        for (word, behaviour) in answers(&stray, &set) {
            providers.push((word, Provider::with(&[&key]).await, behaviour));
        }
        Self { providers, stray, key, unknown }
    }

    async fn service(&self) -> Service {
        let tables: String =
            self.providers.iter().map(|(_, provider, _)| table(&provider.issuer(), "discovery = true")).collect();
        Service::start(&(tables + "[jwt]\nkey_set_cool_down = \"1s\"")).await
    }

    fn all_break(&self) {
        for (_, provider, behaviour) in &self.providers {
            provider.is(behaviour.clone());
        }
    }
}

/// Faults 16 and 17.
#[tokio::test]
async fn an_answer_that_is_no_key_set_leaves_the_last_good_keys_in_their_place() {
    let scene = Scene::set().await;
    let service = scene.service().await;
    for (_, provider, _) in &scene.providers {
        service.comes_to_accept(&provider.token(&scene.key)).await;
    }
    scene.all_break();
    let checks = scene.providers.iter().map(async |(word, provider, _)| {
        let questions = provider.questions();
        service.refuses(&provider.token(&scene.unknown), word).await;
        assert!(provider.questions() > questions, "{word} was not asked for");
        assert_eq!(service.status(&provider.token(&scene.key)).await, 200, "{word}: {}", service.outages());
    });
    futures_util::future::join_all(checks).await;
    assert_eq!(scene.stray.fetches(), 0, "a redirect was followed");
}

/// Fault 17; assertion 10: never 401.
#[tokio::test]
async fn without_any_key_yet_the_answer_is_503_with_retry_after_until_keys_come() {
    let scene = Scene::set().await;
    scene.all_break();
    let service = scene.service().await;
    for (word, provider, _) in &scene.providers {
        eventually("it was asked", async || provider.questions() > 0).await;
        service.cannot_decide(&provider.token(&scene.key), word).await;
        service.cannot_decide(&provider.token(&scene.unknown), word).await;
    }
    assert_eq!(
        service.readiness().await,
        (200, json!({ "status": "ready", "issuersWithoutKeys": scene.providers.len() }))
    );
    for (_, provider, _) in &scene.providers {
        provider.is(Behaviour::Sound);
    }
    for (_, provider, _) in &scene.providers {
        service.comes_to_accept(&provider.token(&scene.key)).await;
    }
    assert_eq!(service.readiness().await, (200, json!({ "status": "ready" })));
    assert_eq!(scene.stray.fetches(), 0, "a redirect was followed");
}

/// RFC 7517 §9.2, RFC 8725 §3.5: what anybody can read is no secret.
#[tokio::test]
async fn secrets_and_private_keys_in_a_published_set_verify_nothing_and_the_others_go_on() {
    let secret = SigningKey::secret(&[7; 64]);
    let (private, weak, good) = (SigningKey::p256("private"), SigningKey::p256("enc"), SigningKey::p256("good"));
    let provider = Provider::with(&[]).await;
    let with = |key: &SigningKey, name: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[name] = value;
        jwk
    };
    let unknown = json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "later", "pub": "AA" });
    let entries = vec![
        unknown,
        json!(7),
        secret.jwk(),
        with(&private, "d", json!("AQAB")),
        with(&weak, "use", json!("enc")),
        good.jwk(),
    ];
    provider.publishes_jwks(entries);
    let service = Service::trusting(&provider, "").await;
    service.comes_to_accept(&provider.token(&good)).await;
    for key in [&secret, &private, &weak] {
        service.refuses(&provider.token(key), &key.kid).await;
    }
}
