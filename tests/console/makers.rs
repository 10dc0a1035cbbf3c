//! Who has made a link: it and its session work no longer than that credential, and the audit says whose word it was.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{claims, now},
    client::request,
    database::execute,
    eventually,
    replica::Replica,
};

use crate::{
    browser::Browser,
    handed_over::{alice, asked, follows, id_of_alice, link, token},
    provider::{PUBLIC_URL, Service},
};

/// Makes a key of the backend's, and gives its id and its text.
async fn backend_key(service: &Service) -> (String, String) {
    let make = request(Method::POST, service.replica.url("/v1/keys"))
        .bearer_auth(token(service, "keyward:console"))
        .json(&json!({ "scopes": ["keyward:console"] }));
    let made: Value = make.send().await.expect("an answer").json().await.expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {made}")).to_owned();
    (text(&made["id"]), text(&made["apiKey"]))
}

/// A token of the backend's with these claims, too.
fn token_with(service: &Service, more: Value) -> String {
    let mut claims = claims("backend");
    claims["scope"] = json!("keyward:console");
    for (name, value) in more.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    service.provider.signs(claims)
}

/// A new link for alice that this credential has made.
async fn link_by(service: &Service, credential: &str) -> String {
    let (status, answer) = asked(&service.replica, credential, json!({ "owner": alice(service) })).await;
    assert_eq!(status, 201, "{answer}");
    answer["link"].as_str().expect("a link").strip_prefix(PUBLIC_URL).expect("an address of the console").to_owned()
}

/// Sends a change as an administrator.
async fn administer(replica: &Replica, service: &Service, method: Method, path: &str, body: Value) {
    let sent = request(method, replica.url(path)).bearer_auth(token(service, "keyward:admin")).json(&body);
    let answer = sent.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {:?}", answer.text().await);
}

#[tokio::test]
async fn links_and_sessions_that_a_key_has_made_end_with_it_on_every_replica() {
    let service = Service::start().await;
    let other = service.another().await;
    let (id, key) = backend_key(&service).await;
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link_by(&service, &key).await).await;
    let open = link_by(&service, &key).await;
    let mut by_token = Browser::new(&service.replica);
    follows(&mut by_token, &link(&service).await).await;
    let path = format!("/v1/admin/keys/{id}");
    // While the key is disabled, they rest.
    administer(&other, &service, Method::PATCH, &path, json!({ "enabled": false })).await;
    assert_eq!((browser.get("/console/keys").await.status, browser.get(&open).await.status), (403, 410));
    administer(&other, &service, Method::PATCH, &path, json!({ "enabled": true })).await;
    browser.open("/console/keys").await;
    Browser::new(&service.replica).open(&open).await;

    administer(&other, &service, Method::DELETE, &path, json!({ "reason": "it leaked" })).await;
    for replica in [&service.replica, &other] {
        assert_eq!(browser.at(replica).get("/console/keys").await.status, 403);
        assert_eq!(Browser::new(replica).get(&open).await.status, 410);
    }
    let secret = open.split_once("?link=").expect("a secret").1;
    assert_eq!(browser.post("/console/handed-over", &[("link", secret)]).await.status, 410);
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let sessions = format!("/console/all/sessions?owner={}", id_of_alice(&service));
    let page = Browser::signed_in(&service).await.open(&sessions).await;
    assert_eq!(page.text.matches("><bdi>alice</bdi></a>").count(), 1, "{}", page.text);
    by_token.open("/console/keys").await;
}

#[tokio::test]
async fn links_and_sessions_that_a_key_has_made_rest_while_it_lacks_the_scope_for_that() {
    let service = Service::start().await;
    let other = service.another().await;
    let (id, key) = backend_key(&service).await;
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link_by(&service, &key).await).await;
    let open = link_by(&service, &key).await;
    let path = format!("/v1/admin/keys/{id}");
    administer(&other, &service, Method::PATCH, &path, json!({ "scopes": [] })).await;
    for replica in [&service.replica, &other] {
        assert_eq!(browser.at(replica).get("/console/keys").await.status, 403);
        assert_eq!(Browser::new(replica).get(&open).await.status, 410);
    }
    let secret = open.split_once("?link=").expect("a secret").1;
    assert_eq!(Browser::new(&other).post("/console/handed-over", &[("link", secret)]).await.status, 410);
    let again = json!({ "scopes": ["keyward:console"] });
    let backend = token(&service, "keyward:console");
    let sent = request(Method::PATCH, other.url(&format!("/v1/keys/{id}"))).bearer_auth(backend).json(&again);
    assert_eq!(sent.send().await.expect("an answer").status(), 200);
    browser.open("/console/keys").await;
    Browser::new(&service.replica).open(&open).await;
}

#[tokio::test]
async fn links_and_sessions_that_a_token_has_made_rest_while_its_owner_is_disabled() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link(&service).await).await;
    let open = link(&service).await;
    let mut root = claims("root");
    root["scope"] = json!("keyward:admin");
    let root = service.provider.signs(root);
    let owner = URL_SAFE_NO_PAD.encode(format!("{}\0backend", service.provider.issuer()));
    let switch = async |action: &str| {
        let path = format!("/v1/admin/owners/{owner}/{action}");
        let answer = request(Method::POST, other.url(&path)).bearer_auth(&root).json(&json!({})).send().await;
        assert_eq!(answer.expect("an answer").status(), 200, "{action}");
    };
    let backend = token(&service, "keyward:console");
    switch("disable").await;
    for replica in [&service.replica, &other] {
        assert_eq!(browser.at(replica).get("/console/keys").await.status, 403);
        assert_eq!(Browser::new(replica).get(&open).await.status, 410);
        let (status, answer) = asked(replica, &backend, json!({ "owner": alice(&service) })).await;
        assert_eq!((status, &answer["code"]), (403, &json!("not_allowed")), "{answer}");
        assert!(answer["detail"].as_str().is_some_and(|told| told.starts_with("The owner of the token is disabled")));
    }
    let secret = open.split_once("?link=").expect("a secret").1;
    assert_eq!(Browser::new(&other).post("/console/handed-over", &[("link", secret)]).await.status, 410);
    switch("enable").await;
    browser.open("/console/keys").await;
    follows(&mut Browser::new(&service.replica), &open).await;
    link(&service).await;
}

#[tokio::test]
async fn revoking_the_tokens_of_a_backend_ends_the_links_and_sessions_that_it_has_made() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link(&service).await).await;
    let open = link(&service).await;
    let (_, key) = backend_key(&service).await;
    let mut by_key = Browser::new(&service.replica);
    follows(&mut by_key, &link_by(&service, &key).await).await;
    let backend = json!({ "issuer": service.provider.issuer(), "subject": "backend" });
    administer(&other, &service, Method::POST, "/v1/admin/tokens/revoke", backend).await;
    for _ in 0..2 {
        assert_eq!((browser.get("/console/keys").await.status, browser.get(&open).await.status), (403, 410));
        // Nor later, when the revocation is forgotten.
        execute(service.database.url(), "DELETE FROM tokens_not_before").await.expect("a deletion");
    }
    by_key.open("/console/keys").await;
}

#[tokio::test]
async fn revoking_one_token_of_a_backend_ends_the_links_and_sessions_that_this_one_has_made() {
    let service = Service::start().await;
    let other = service.another().await;
    let [leaked, kept] = ["leaked", "kept"].map(|id| token_with(&service, json!({ "jti": id })));
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link_by(&service, &leaked).await).await;
    let open = link_by(&service, &leaked).await;
    let mut by_another = Browser::new(&service.replica);
    follows(&mut by_another, &link_by(&service, &kept).await).await;
    let of_another = link_by(&service, &kept).await;
    let token = json!({ "issuer": service.provider.issuer(), "tokenId": "leaked" });
    administer(&other, &service, Method::POST, "/v1/admin/tokens/revoke", token).await;
    for _ in 0..2 {
        for replica in [&service.replica, &other] {
            assert_eq!(browser.at(replica).get("/console/keys").await.status, 403);
            assert_eq!(Browser::new(replica).get(&open).await.status, 410);
        }
        let secret = open.split_once("?link=").expect("a secret").1;
        assert_eq!(Browser::new(&other).post("/console/handed-over", &[("link", secret)]).await.status, 410);
        // Nor later, when the revocation is forgotten.
        execute(service.database.url(), "DELETE FROM revoked_tokens").await.expect("a deletion");
    }
    by_another.open("/console/keys").await;
    Browser::new(&other).open(&of_another).await;
}

#[tokio::test]
async fn a_row_that_revokes_a_token_refuses_the_links_and_sessions_that_the_token_has_made() {
    let service = Service::start().await;
    let token = token_with(&service, json!({ "jti": "leaked" }));
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link_by(&service, &token).await).await;
    let open = link_by(&service, &token).await;
    let row = format!(
        "INSERT INTO revoked_tokens (issuer, token_id) VALUES ('{}', 'leaked'), ('elsewhere', 'another')",
        service.provider.issuer()
    );
    execute(service.database.url(), &row).await.expect("a row");
    let secret = open.split_once("?link=").expect("a secret").1;
    let mut stranger = Browser::new(&service.replica);
    assert_eq!((browser.get("/console/keys").await.status, stranger.get(&open).await.status), (403, 410));
    assert_eq!(stranger.post("/console/handed-over", &[("link", secret)]).await.status, 410);
    let taken_back = "DELETE FROM revoked_tokens WHERE token_id = 'leaked'";
    execute(service.database.url(), taken_back).await.expect("a deletion");
    browser.open("/console/keys").await;
    stranger.open(&open).await;
}

#[tokio::test]
async fn a_session_outlasts_the_token_with_which_a_backend_has_asked_for_it() {
    let service = Service::start().await;
    // Within the leeway for another second.
    let token = token_with(&service, json!({ "jti": "short", "exp": now() - 28 }));
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link_by(&service, &token).await).await;
    eventually("the token expires", async || {
        asked(&service.replica, &token, json!({ "owner": alice(&service) })).await.0 == 401
    })
    .await;
    browser.open("/console/keys").await;
    // It can be revoked after that, too.
    let token = json!({ "issuer": service.provider.issuer(), "tokenId": "short" });
    administer(&service.replica, &service, Method::POST, "/v1/admin/tokens/revoke", token).await;
    assert_eq!(browser.get("/console/keys").await.status, 403);
}

#[tokio::test]
async fn the_audit_says_of_what_a_handed_over_session_does_who_has_handed_it_over() {
    let service = Service::start().await;
    let (id, key) = backend_key(&service).await;
    for (credential, by) in [
        (key.as_str(), json!({ "kind": "key", "keyId": id })),
        (
            &token(&service, "keyward:console"),
            json!({ "kind": "token", "issuer": service.provider.issuer(), "subject": "backend" }),
        ),
    ] {
        let mut browser = Browser::new(&service.replica);
        follows(&mut browser, &link_by(&service, credential).await).await;
        browser.open("/console/keys/new").await;
        browser.post("/console/keys", &[("name", "by a link")]).await.shows("Copy it now");
        let event = latest(&service, "key.created").await;
        assert_eq!((&event["actor"]["subject"], &event["details"]["handedOverBy"]), (&json!("alice"), &by), "{event}");
        let path = format!("/console/keys/{}", event["keyId"].as_str().expect("a key"));
        browser.open(&path).await;
        browser.post(&path, &[("action", "revoke"), ("reason", "tried")]).await;
        let event = latest(&service, "key.revoked").await;
        assert_eq!(event["details"], json!({ "reason": "tried", "handedOverBy": by }), "{event}");
        browser.open("/console/audit").await.shows("handedOverBy");
    }
    let mut herself = Browser::signed_in(&service).await;
    herself.post("/console/keys", &[("name", "by herself")]).await.shows("Copy it now");
    let event = latest(&service, "key.created").await;
    assert!(event["details"].get("handedOverBy").is_none(), "{event}");
}

async fn latest(service: &Service, action: &str) -> Value {
    let asked = request(Method::GET, service.replica.url(&format!("/v1/audit?action={action}&limit=1")));
    let answer = asked.bearer_auth(service.provider.token("alice")).send().await.expect("an answer");
    let events: Value = answer.json().await.expect("JSON");
    events["events"][0].clone()
}

#[tokio::test]
async fn nobody_gets_around_the_plan_that_their_token_would_name_by_a_link() {
    let service = Service::start_with_members("plan_claim = \"plan\"").await;
    let body = json!({ "owner": alice(&service) });
    for scope in ["keyward:console", "keyward:admin"] {
        let (status, answer) = asked(&service.replica, &token(&service, scope), body.clone()).await;
        assert_eq!((status, &answer["errors"][0]["code"]), (422, &json!("no_plan")), "{answer}");
        assert_eq!(answer["errors"][0]["pointer"], json!("/owner"), "{answer}");
    }
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    eve.open("/console/plans/new").await;
    eve.submit("/console/plans", &[("name", "free"), ("max_keys", "1")]).await;
    // Whoever has come once with a token is on its plan.
    service.provider.has(json!({ "sub": "alice", "plan": "free" }));
    Browser::signed_in(&service).await;
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link(&service).await).await;
    browser.open("/console/keys/new").await;
    browser.post("/console/keys", &[("name", "one")]).await.shows("Copy it now");
    assert_eq!(browser.post("/console/keys", &[("name", "two")]).await.status, 422);
}
