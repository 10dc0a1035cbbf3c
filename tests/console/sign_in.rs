//! Signing in and out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::{
    browser::{Browser, SESSION},
    provider::{CLIENT_ID, Service},
};

#[tokio::test]
async fn somebody_signs_in_at_the_provider_and_is_back_where_they_wanted_to_be() {
    let service = Service::start().await;
    let mut browser = Browser::new(&service.replica);
    let asked = browser.get("/console/keys?state=active").await;
    assert_eq!((asked.status, asked.location()), (303, "/console/sign-in?to=%2Fconsole%2Fkeys%3Fstate%3Dactive"));
    let page = browser.signs_in("%2Fconsole%2Fkeys%3Fstate%3Dactive").await;
    assert_eq!((page.status, page.location()), (303, "/console/keys?state=active"));
    let cookie = page.headers["set-cookie"].to_str().expect("text");
    for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
        assert!(cookie.starts_with(SESSION) && cookie.contains(attribute), "{attribute} in {cookie}");
    }
    browser.open("/console/keys").await.shows("Alice Liddell").lacks("administrator");
    // The root leads there.
    assert_eq!(browser.get("/").await.location(), "console");
}

#[tokio::test]
async fn whoever_signs_in_owns_the_same_keys_as_with_their_token() {
    let service = Service::start().await;
    let made = test_support::client::request(reqwest::Method::POST, service.replica.url("/v1/keys"))
        .bearer_auth(service.provider.token("alice"))
        .json(&json!({ "name": "made with a token" }))
        .send()
        .await
        .expect("an answer");
    assert_eq!(made.status(), 201);
    Browser::signed_in(&service).await.open("/console/keys").await.shows("made with a token");
    service.provider.has(json!({ "sub": "bob" }));
    Browser::signed_in(&service).await.open("/console/keys").await.lacks("made with a token").shows("bob");
}

#[tokio::test]
async fn administrators_are_those_whose_token_says_so() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    Browser::signed_in(&service).await.open("/console/all/keys").await.shows("administrator");
    // Or their access token, if it is one for Keyward.
    service.provider.has(json!({ "sub": "eve" }));
    service.provider.change(|state| state.access = Some(json!({ "scope": "keyward:admin" })));
    Browser::signed_in(&service).await.open("/console/all/keys").await.shows("administrator");
    // But not somebody else's.
    service.provider.change(|state| state.access = Some(json!({ "scope": "keyward:admin", "sub": "mallory" })));
    assert_eq!(Browser::signed_in(&service).await.get("/console/all/keys").await.status, 403);
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_sign_in_signs_nobody_in() {
    let service = Service::start().await;
    let past = json!(test_support::actors::now() - 3600);
    for wrong in [
        json!({ "nonce": "another" }),
        json!({ "nonce": null }),
        json!({ "aud": "somebody else" }),
        json!({ "aud": [CLIENT_ID, "somebody else"] }),
        json!({ "azp": "somebody else" }),
        json!({ "exp": past }),
        json!({ "iat": null }),
        json!({ "iss": "https://another.example" }),
        json!({ "sub": "" }),
    ] {
        service.provider.change(|state| state.wrong = wrong.clone());
        let mut browser = Browser::new(&service.replica);
        let page = browser.signs_in("/console").await;
        assert_eq!(page.status, 403, "{wrong}: {}", page.text);
        assert!(browser.cookie(SESSION).is_none(), "{wrong}");
    }
    service.provider.change(|state| state.wrong = json!({ "aud": [CLIENT_ID, "another"], "azp": CLIENT_ID }));
    Browser::signed_in(&service).await;
}

#[tokio::test]
async fn only_the_browser_that_began_an_attempt_can_finish_it_and_only_once() {
    let service = Service::start().await;
    let mut browser = Browser::new(&service.replica);
    let begun = browser.get("/console/sign-in").await;
    let back = browser.at_provider(begun.location()).await;
    // Another browser, which has begun another attempt.
    let mut other = Browser::new(&service.replica);
    assert_eq!(other.get(&back).await.status, 403);
    other.get("/console/sign-in").await;
    assert_eq!(other.get(&back).await.status, 403);
    // From another provider (RFC 9207).
    let elsewhere = back.replace("iss=", "iss=https%3A%2F%2Fevil.example&x=");
    assert_eq!(browser.get(&elsewhere).await.status, 403);
    assert_eq!(browser.get(&back).await.status, 303);
    let again = browser.get(&back).await;
    assert_eq!(again.status, 403, "{}", again.text);
}

#[tokio::test]
async fn a_provider_that_promises_to_name_itself_must_do_so() {
    let service = Service::start().await;
    service.provider.change(|state| (state.promises_its_name, state.says_its_name) = (true, false));
    assert_eq!(Browser::new(&service.replica).signs_in("/console").await.status, 403);
    service.provider.change(|state| state.says_its_name = true);
    assert_eq!(Browser::new(&service.replica).signs_in("/console").await.status, 303);
    let other = Service::start().await;
    other.provider.change(|state| state.says_its_name = false);
    assert_eq!(Browser::new(&other.replica).signs_in("/console").await.status, 303, "others need not");
}

#[tokio::test]
async fn a_refusal_of_the_provider_is_told_in_plain_words() {
    let service = Service::start().await;
    service.provider.change(|state| state.refuses = Some("access_denied"));
    let mut browser = Browser::new(&service.replica);
    let page = browser.signs_in("/console").await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("Could not sign you in") && !page.text.contains("access_denied"), "{}", page.text);
    service.replica.prints("access_denied").await;
}

#[tokio::test]
async fn whoever_signs_out_is_out_on_every_replica_and_sent_to_the_provider() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut browser = Browser::signed_in(&service).await;
    let mut stolen = browser.at(&other);
    stolen.open("/console/keys").await;
    let page = browser.submit("/console/sign-out", &[]).await;
    page.shows(&format!("url={}/end?client_id=keyward", service.provider.issuer()));
    assert!(browser.cookie(SESSION).is_none());
    assert_eq!(stolen.get("/console/keys").await.status, 303, "the cookie is worth nothing any more");
}

#[tokio::test]
async fn claims_that_the_issuers_table_requires_are_required_of_people_too() {
    let service = Service::start_with_members("required_claims = { hd = \"acme.com\" }").await;
    for (person, status) in [(json!({ "sub": "alice" }), 403), (json!({ "sub": "alice", "hd": "evil.com" }), 403)] {
        service.provider.has(person);
        assert_eq!(Browser::new(&service.replica).signs_in("/console").await.status, status);
    }
    service.provider.has(json!({ "sub": "alice", "hd": "acme.com" }));
    Browser::signed_in(&service).await;
}

#[tokio::test]
async fn what_is_dangerous_needs_a_proof_that_is_fresh() {
    let service = Service::start_with(&[("KEYWARD__CONSOLE__FRESH_SIGN_IN", "5m")]).await;
    let hour_ago = test_support::actors::now() - 3600;
    for (person, may) in [
        (json!({ "sub": "alice" }), false),
        (json!({ "sub": "alice", "auth_time": hour_ago }), false),
        (json!({ "sub": "alice", "auth_time": test_support::actors::now() }), true),
    ] {
        service.provider.has(person.clone());
        let mut browser = Browser::signed_in(&service).await;
        let id =
            browser.post("/console/keys", &[("name", "x")]).await.between("href=\"/console/keys/", "\">To the key");
        let path = format!("/console/keys/{id}");
        for action in ["disable", "revoke"] {
            let page = browser.post(&path, &[("action", action)]).await;
            assert_eq!(page.status, if may { 303 } else { 403 }, "{action} {person}: {}", page.text);
        }
    }
}

#[tokio::test]
async fn administrators_need_a_fresh_proof_to_make_keys_for_others_and_to_end_their_sessions() {
    let service = Service::start_with(&[("KEYWARD__CONSOLE__FRESH_SIGN_IN", "5m")]).await;
    let _alice = Browser::signed_in(&service).await;
    let issuer = service.provider.issuer();
    let owner = URL_SAFE_NO_PAD.encode(format!("{issuer}\0alice"));
    let now = test_support::actors::now();
    for (proof, may) in [(now - 3600, false), (now, true)] {
        service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin", "auth_time": proof }));
        let mut eve = Browser::signed_in(&service).await;
        // Before anybody has typed what would be lost.
        for form in ["/console/all/keys/new", "/console/plans/new"] {
            let page = eve.get(form).await;
            assert_eq!(page.status, if may { 200 } else { 403 }, "{}", page.text);
            let way = format!("/console/sign-in?again=1&#38;to={}", form.replace('/', "%2F"));
            assert!(may || page.text.replace("&amp;", "&#38;").contains(&way), "{}", page.text);
        }
        let page = eve.post("/console/all/keys", &[("owner_issuer", &issuer), ("owner_subject", "alice")]).await;
        assert_eq!(page.status, if may { 200 } else { 403 }, "{}", page.text);
        let page = eve.post("/console/all/sessions", &[("all", "1"), ("owner", &owner)]).await;
        assert_eq!(page.status, if may { 303 } else { 403 }, "{}", page.text);
    }
}

#[tokio::test]
async fn an_edit_that_lets_a_key_do_more_needs_a_fresh_proof_and_another_one_does_not() {
    let service = Service::start_with(&[("KEYWARD__CONSOLE__FRESH_SIGN_IN", "5m")]).await;
    let mut browser = Browser::signed_in(&service).await;
    let key = [
        ("name", "x"),
        ("scopes", "a b"),
        ("allowed_ips", "192.0.2.0/24"),
        ("expiry", "30"),
        ("limits", "minute=100/1m day=1000/1d"),
    ];
    let id = browser.post("/console/keys", &key).await.between("href=\"/console/keys/", "\">To the key");
    let path = format!("/console/keys/{id}");
    for wider in [
        ("scopes", "a b c"),
        ("allowed_ips", ""),
        ("allowed_ips", "192.0.0.0/16"),
        ("expiry", "never"),
        ("expiry", "31"),
        ("limits", ""),
        ("limits", "minute=101/1m day=1000/1d"),
        ("limits", "minute=100/1h day=1000/1d"),
    ] {
        let page = browser.post(&path, &[("action", "edit"), ("version", "1"), wider]).await;
        assert_eq!(page.status, 403, "{wider:?}: {}", page.text);
    }
    let mut version = 1;
    for narrower in [
        &[("name", "y"), ("metadata", r#"{"a": 1}"#), ("description", "hers")][..],
        &[("scopes", "a"), ("allowed_ips", "192.0.2.7"), ("expiry", "29")],
        &[("limits", "minute=50/1m day=1000/1d hour=500/1h")],
    ] {
        let number = version.to_string();
        let page = browser.post(&path, &[&[("action", "edit"), ("version", &number)], narrower].concat()).await;
        assert_eq!(page.status, 303, "{narrower:?}: {}", page.text);
        version += 1;
    }
    service.provider.has(json!({ "sub": "alice", "auth_time": test_support::actors::now() }));
    let mut fresh = Browser::signed_in(&service).await;
    let number = version.to_string();
    let widen = [("action", "edit"), ("version", number.as_str()), ("scopes", "a b c")];
    assert_eq!(fresh.post(&path, &widen).await.status, 303);
}

#[tokio::test]
async fn an_owner_whom_the_id_token_calls_disabled_is_stopped() {
    let service = Service::start_with_members("disabled_claim = \"suspended\"").await;
    let mut browser = Browser::signed_in(&service).await;
    let key = browser.post("/console/keys", &[("name", "x")]).await.between(r#"<code id="secret">"#, "<");
    let key = test_support::actors::KeyHolder::of(key);
    assert_eq!(key.asks_for_the_resource(&service.replica).await.status(), 200);
    service.provider.has(json!({ "sub": "alice", "suspended": true }));
    assert_eq!(Browser::new(&service.replica).signs_in("/console").await.status, 403);
    assert_eq!(key.asks_for_the_resource(&service.replica).await.status(), 401);
}
