//! Which rights on Keyward itself an issuer's tokens may carry.

use reqwest::Method;
use serde_json::json;
use test_support::{
    actors::{Person, claims, stranger},
    program::Folder,
};

use super::{ADMIN_ROUTE, Service, signing::SigningKey, table_with_keys};

/// A service that believes a further issuer whose table has these members, too; and that issuer's key.
async fn service(members: &str) -> (Service, SigningKey) {
    let folder = Folder::new();
    let key = SigningKey::p256("one");
    let tables = format!("{}{members}\n", table_with_keys("https://one.example", &folder, &key));
    let service = Service::start(&tables).await;
    (service, key)
}

fn token(key: &SigningKey, scope: &str) -> String {
    let mut claims = claims("mallory");
    claims["iss"] = json!("https://one.example");
    claims["scope"] = json!(scope);
    key.signs(&claims)
}

#[tokio::test]
async fn a_further_issuer_makes_nobody_an_administrator_unless_that_is_configured() {
    let (service, key) = service("").await;
    for scope in ["keyward:admin", "keyward:verify keyward:admin read"] {
        let answer = service.asked(ADMIN_ROUTE, &token(&key, scope)).await;
        assert_eq!(answer.status(), 403, "{scope}");
    }
    // The rest of the token is good.
    assert_eq!(service.status(&token(&key, "keyward:admin")).await, 200);
    let verify = stranger(&service.replica, Method::POST, "/v1/keys/verify");
    let verify = verify.bearer_auth(token(&key, "keyward:verify")).json(&json!({ "key": "x" }));
    assert_eq!(verify.send().await.expect("an answer").status(), 403);
    // Nor a key that it makes.
    let request = stranger(&service.replica, Method::POST, "/v1/keys").bearer_auth(token(&key, "keyward:verify"));
    let request = request.json(&json!({ "scopes": ["keyward:verify"] }));
    assert_eq!(request.send().await.expect("an answer").status(), 422);
    // The operator's own secret does.
    Person::administrator().gets(&service.replica, ADMIN_ROUTE).await.is(200);
}

#[tokio::test]
async fn an_issuer_gives_the_rights_that_its_table_names_and_no_other() {
    let (service, key) = service(r#"keyward_scopes = ["keyward:verify"]"#).await;
    assert_eq!(service.asked(ADMIN_ROUTE, &token(&key, "keyward:verify keyward:admin")).await.status(), 403);
    let verify = stranger(&service.replica, Method::POST, "/v1/keys/verify");
    let verify = verify.bearer_auth(token(&key, "keyward:verify")).json(&json!({ "key": "x" }));
    assert_eq!(verify.send().await.expect("an answer").status(), 200);

    let (service, key) = self::service(r#"keyward_scopes = ["keyward:admin"]"#).await;
    assert_eq!(service.asked(ADMIN_ROUTE, &token(&key, "keyward:admin")).await.status(), 200);
}
