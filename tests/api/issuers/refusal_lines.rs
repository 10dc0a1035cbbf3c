//! What the log says of refused tokens: which issuer was tried, and what the token says of itself.

use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use super::{ADMIN_ROUTE, Service, TOKEN_ROUTE, signing::SigningKey, table, table_with_keys};
use test_support::{
    actors::{Person, claims, sign},
    program::Folder,
    replica::Replica,
};

const ISSUER: &str = "https://issuer.example/a";

impl Service {
    /// The line of the log for the refusal of this token.
    async fn line(&self, path: &str, token: &str) -> Value {
        let answer = self.asked(path, token).await;
        assert!([401, 403].contains(&answer.status().as_u16()), "{}", answer.status());
        let id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
        serde_json::from_str(&self.replica.prints(&id).await).expect("JSON")
    }
}

fn of(issuer: &str) -> Value {
    let mut claims = claims("alice");
    claims["iss"] = json!(issuer);
    claims
}

#[tokio::test]
async fn the_line_names_the_issuer_that_was_tried_and_what_the_token_says_of_itself() {
    let (folder, key, other) = (Folder::new(), SigningKey::p256("a"), SigningKey::p256("a"));
    let service = Service::start(&table_with_keys(ISSUER, &folder, &key)).await;
    let line = service.line(TOKEN_ROUTE, &other.signs(&of(ISSUER))).await;
    assert_eq!((&line["reason"], &line["issuer"]), (&json!("token_signature"), &json!(ISSUER)), "{line}");
    assert_eq!((&line["token_iss"], &line["token_alg"]), (&json!(ISSUER), &json!("ES256")), "{line}");
    assert_eq!(line["token_kid"], "a", "{line}");
}

#[tokio::test]
async fn an_issuer_that_no_table_names_is_told_also_where_the_shared_secret_takes_the_rest() {
    let (folder, key) = (Folder::new(), SigningKey::p256("a"));
    let service = Service::start(&table_with_keys(ISSUER, &folder, &key)).await;
    let line = service.line(TOKEN_ROUTE, &key.signs(&of("https://unknown.example"))).await;
    assert_eq!(line["reason"], "token_issuer", "{line}");
    assert_eq!(line["token_iss"], "https://unknown.example", "{line}");
    assert!(line["issuer"].is_null(), "{line}");
    let forged = sign(&Header::new(Algorithm::HS256), &of("https://unknown.example"), &"x".repeat(40));
    let line = service.line(TOKEN_ROUTE, &forged).await;
    assert_eq!((&line["reason"], &line["issuer"]), (&json!("token_signature"), &json!("jwt.secret")), "{line}");
    assert_eq!(line["token_iss"], "https://unknown.example", "{line}");
    // Where the shared secret demands an issuer, any other is unknown.
    let env = [("KEYWARD__JWT__ISSUER", "https://own.example")];
    let strict = Service::start_with(&table_with_keys(ISSUER, &folder, &key), &env).await;
    assert_eq!(strict.line(TOKEN_ROUTE, &forged).await["reason"], "token_issuer");
}

#[tokio::test]
async fn a_near_miss_of_an_issuer_is_hinted_at() {
    let (folder, key) = (Folder::new(), SigningKey::p256("a"));
    let service = Service::start(&table_with_keys(ISSUER, &folder, &key)).await;
    for (named, differs) in [
        ("https://issuer.example/a/", "a final slash"),
        ("http://issuer.example/a", "http or https"),
        ("https://Issuer.example/a", "capital letters"),
    ] {
        let line = service.line(TOKEN_ROUTE, &key.signs(&of(named))).await;
        assert_eq!(line["reason"], "token_issuer", "{line}");
        let hint = line["hint"].as_str().unwrap_or_else(|| panic!("no hint: {line}"));
        assert!(hint.contains(ISSUER) && hint.contains(differs), "{hint}");
    }
    let line = service.line(TOKEN_ROUTE, &key.signs(&of("https://issuer.example/b"))).await;
    assert!(line["hint"].is_null(), "{line}");
}

#[tokio::test]
async fn texts_of_strangers_are_escaped_and_cut() {
    let (folder, key) = (Folder::new(), SigningKey::p256("a"));
    let service = Service::start(&table_with_keys(ISSUER, &folder, &key)).await;
    let odd = format!("a\nb\u{202e}\u{1b}[31m{}", "x".repeat(1000));
    let line = service.line(TOKEN_ROUTE, &key.signs(&of(&odd))).await;
    let told = line["token_iss"].as_str().expect("a text");
    assert!(told.starts_with(r"a\nb\u{202e}\u{1b}[31mxxx") && told.ends_with("x…"), "{told}");
    assert!(told.chars().count() < 160, "{told}");
}

#[tokio::test]
async fn the_audiences_that_came_are_told_where_none_is_right() {
    let (folder, key) = (Folder::new(), SigningKey::p256("a"));
    let members = format!("public_keys_file = {:?}\naudience = [\"us\"]", folder.file("k.pem", &key.pem()));
    let service = Service::start(&table(ISSUER, &members)).await;
    for (sent, told) in [(json!("them"), "them"), (json!(["a", "b"]), "a, b")] {
        let mut claims = of(ISSUER);
        claims["aud"] = sent;
        let line = service.line(TOKEN_ROUTE, &key.signs(&claims)).await;
        assert_eq!((&line["reason"], &line["token_aud"]), (&json!("token_audience"), &json!(told)), "{line}");
    }
}

#[tokio::test]
async fn a_scope_that_the_table_leaves_out_is_told_where_it_is_missed() {
    let (folder, key) = (Folder::new(), SigningKey::p256("a"));
    let service = Service::start(&table_with_keys(ISSUER, &folder, &key)).await;
    let mut claims = of(ISSUER);
    claims["scope"] = json!("orders:read keyward:admin");
    let line = service.line(ADMIN_ROUTE, &key.signs(&claims)).await;
    assert_eq!(line["reason"], "insufficient_scope", "{line}");
    let hint = line["hint"].as_str().unwrap_or_else(|| panic!("no hint: {line}"));
    assert!(hint.contains("keyward:admin") && hint.contains("keyward_scopes"), "{hint}");
    claims["scope"] = json!("orders:read");
    assert!(service.line(ADMIN_ROUTE, &key.signs(&claims)).await["hint"].is_null());
}

/// Keys have no such line.
#[tokio::test]
async fn a_refused_key_says_nothing_of_tokens() {
    let replica = Replica::start().await;
    let alice = Person::named("alice");
    let key = alice.makes_a_key(&replica).await;
    let asked = test_support::actors::stranger(&replica, reqwest::Method::GET, "/v1/admin/keys").bearer_auth(&key.key);
    assert_eq!(asked.send().await.expect("an answer").status(), 401);
    let line: Value = serde_json::from_str(&replica.prints("refused a request").await).expect("JSON");
    assert!(line["token_iss"].is_null() && line["issuer"].is_null(), "{line}");
}
