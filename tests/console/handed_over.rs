//! A product hands its customers over to the console.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{KeyHolder, claims},
    client::request,
    database::execute,
    eventually,
    replica::Replica,
    session::{Dev, check},
};

use crate::{
    back_channel::tell,
    browser::{Browser, SESSION},
    provider::{PUBLIC_URL, Service},
};

const SESSIONS: &str = "/v1/console/sessions";
const CONSOLE: &str = include_str!("../../docs/console.md");

/// A token of the product's backend, or of an administrator.
pub(crate) fn token(service: &Service, scope: &str) -> String {
    let mut claims = claims("backend");
    claims["scope"] = json!(scope);
    service.provider.signs(claims)
}

/// What a hand-over with this credential is answered.
pub(crate) async fn asked(replica: &Replica, token: &str, body: Value) -> (u16, Value) {
    let request = request(Method::POST, replica.url(SESSIONS)).bearer_auth(token).json(&body);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

pub(crate) fn alice(service: &Service) -> Value {
    json!({ "issuer": service.provider.issuer(), "subject": "alice" })
}

/// Alice as an owner in addresses.
pub(crate) fn id_of_alice(service: &Service) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\0alice", service.provider.issuer()))
}

/// The path of a new link for alice.
pub(crate) async fn link_with(service: &Service, more: Value) -> String {
    let mut body = json!({ "owner": alice(service) });
    for (name, value) in more.as_object().expect("members") {
        body[name] = value.clone();
    }
    let (status, answer) = asked(&service.replica, &token(service, "keyward:console"), body).await;
    assert_eq!(status, 201, "{answer}");
    let link = answer["link"].as_str().expect("a link").strip_prefix(PUBLIC_URL).expect("an address of the console");
    link.to_owned()
}

pub(crate) async fn link(service: &Service) -> String {
    link_with(service, json!({})).await
}

/// Follows a link as somebody does who clicks on Continue.
pub(crate) async fn follows(browser: &mut Browser, link: &str) {
    let secret = link.split_once("?link=").expect("a secret").1.to_owned();
    browser.open(link).await.shows("Continue as");
    let page = browser.post("/console/handed-over", &[("link", &secret)]).await;
    assert_eq!((page.status, page.location()), (303, "/console/keys"), "{}", page.text);
}

#[tokio::test]
async fn a_customer_manages_their_keys_and_nothing_else_without_signing_in() {
    let service = Service::start().await;
    let more = json!({ "name": "Alice <b>", "returnTo": "https://app.example.com/settings?a=1&b=2", "lifetime": 600 });
    let path = link_with(&service, more).await;
    let mut browser = Browser::new(&service.replica);
    let page = browser.open(&path).await;
    page.shows("Continue as Alice &#60;b&#62;").shows("app.example.com").shows("alice (").lacks("Alice <b>");
    assert!(browser.cookie(SESSION).is_none(), "opening the link signs nobody in");
    follows(&mut browser, &path).await;
    let page = browser.open("/console/keys").await;
    page.shows("You have no keys yet").shows(r#"href="https://app.example.com/settings?a=1&#38;b=2""#);
    page.shows("Back to app.example.com").lacks("Sessions").lacks("Owners").lacks("administrator");
    let page = browser.post("/console/keys", &[("name", "hers"), ("scopes", "orders:read")]).await;
    let key = KeyHolder::of(page.between(r#"<code id="secret">"#, "<"));
    assert_eq!(key.asks_for_the_resource(&service.replica).await.status(), 200);
    browser.open("/console/plan").await;
    browser.open("/console/usage").await;
    browser.open("/console/audit").await.shows("session.handed_over</code>").shows("backend");
    for path in [
        "/console/owners",
        "/console/all/keys",
        "/console/plans",
        "/console/replicas",
        "/console/audit?all=1",
        "/console/overview",
        "/console/all/sessions",
    ] {
        assert_eq!(browser.get(path).await.status, 403, "{path}");
    }
    for path in ["/console/all/keys/matching", "/console/all/sessions", "/console/find"] {
        assert_eq!(browser.post(path, &[("name", "hers"), ("all", "1")]).await.status, 403, "{path}");
    }
    assert_eq!(browser.get("/console/sessions").await.status, 404);
    assert_eq!(browser.post("/console/sessions", &[("others", "1")]).await.status, 404);
    let page = browser.post("/console/sign-out", &[]).await;
    page.shows("You are signed out").shows("Back to app.example.com").lacks("Sign in again");
    assert_eq!(browser.get("/console/keys").await.status, 303);
    // It is the same owner as by their own sign-in.
    Browser::signed_in(&service).await.open("/console/keys").await.shows("hers");
}

#[tokio::test]
async fn a_link_works_once_on_any_number_of_replicas_and_for_a_minute() {
    let service = Service::start().await;
    let other = service.another().await;
    for _ in 0..3 {
        let path = link(&service).await;
        let secret = path.split_once("?link=").expect("a secret").1.to_owned();
        let (mut here, mut there) = (Browser::new(&service.replica), Browser::new(&other));
        here.open(&path).await;
        there.open(&path).await;
        let fields = [("link", secret.as_str())];
        let (one, another) =
            tokio::join!(here.post("/console/handed-over", &fields), there.post("/console/handed-over", &fields));
        let mut statuses = [one.status, another.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 410]);
        assert_eq!(there.get(&path).await.status, 410, "it is used up");
    }
    let path = link(&service).await;
    let mut browser = Browser::new(&other);
    execute(service.database.url(), "UPDATE console_hand_overs SET expires_at = now()").await.expect("an update");
    assert_eq!(browser.get(&path).await.status, 410);
    for path in [
        "/console/handed-over",
        "/console/handed-over?link=x",
        &format!("/console/handed-over?link={}", "A".repeat(43)),
    ] {
        assert_eq!(browser.get(path).await.status, 410, "{path}");
    }
}

#[tokio::test]
async fn nobody_gets_into_a_session_without_a_click_on_a_page_that_says_whose_it_is() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "bob" }));
    let mut bob = Browser::signed_in(&service).await;
    let path = link(&service).await;
    let secret = path.split_once("?link=").expect("a secret").1.to_owned();
    // Another site sends the form that would sign bob in as alice.
    for (origin, site) in [("https://evil.example", "cross-site"), ("null", "cross-site"), (PUBLIC_URL, "cross-site")] {
        let page = bob
            .post_as("/console/handed-over", &[("link", &secret)], "", |request| {
                request.header("origin", origin).header("sec-fetch-site", site)
            })
            .await;
        assert_eq!(page.status, 403, "{origin}");
    }
    bob.open("/console/keys").await.shows("bob").lacks("alice");
    // Whoever only looks uses nothing up, and sees whose session it would be, and whose would end.
    for _ in 0..3 {
        let page = bob.open(&path).await;
        page.shows("Continue as alice").shows("This ends the session of this browser as <bdi>bob</bdi>.");
        let header = |name: &str| page.headers[name].to_str().expect("text").to_owned();
        assert_eq!((header("referrer-policy"), header("cache-control")), ("strict-origin".into(), "no-store".into()));
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    }
    let mut before = bob.at(&service.replica);
    follows(&mut bob, &path).await;
    bob.open("/console/keys").await.shows("alice");
    assert_eq!(before.get("/console/keys").await.status, 303, "bob's session in this browser has ended");
}

#[tokio::test]
async fn revoking_the_tokens_of_a_person_ends_their_links_and_the_sessions_that_began_with_one() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link(&service).await).await;
    let open = link(&service).await;
    let revoke = request(Method::POST, other.url("/v1/admin/tokens/revoke"))
        .bearer_auth(token(&service, "keyward:admin"))
        .json(&alice(&service));
    assert_eq!(revoke.send().await.expect("an answer").status(), 200);
    assert_eq!(browser.get("/console/keys").await.status, 403);
    for replica in [&service.replica, &other] {
        assert_eq!(Browser::new(replica).get(&open).await.status, 410);
    }
    execute(service.database.url(), "DELETE FROM tokens_not_before").await.expect("a deletion");
    assert_eq!(Browser::new(&other).get(&open).await.status, 410);
    // Whoever comes again later comes in.
    follows(&mut browser, &link(&service).await).await;
    browser.open("/console/keys").await;
}

#[tokio::test]
async fn administrators_and_the_provider_end_sessions_that_began_with_a_link() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link(&service).await).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let id = id_of_alice(&service);
    eve.open(&format!("/console/all/sessions?owner={id}")).await.shows("><bdi>alice</bdi></a>").shows("by a link");
    eve.submit("/console/all/sessions", &[("all", "1"), ("owner", &id)]).await.shows("Nobody is signed in.");
    assert_eq!(browser.at(&other).get("/console/keys").await.status, 403);

    follows(&mut browser, &link(&service).await).await;
    assert_eq!(tell(&other, &service.provider.logout_token(&json!({ "sub": "bob" }))).await, 200);
    browser.open("/console/keys").await;
    assert_eq!(tell(&other, &service.provider.logout_token(&json!({ "sub": "alice" }))).await, 200);
    assert_eq!(browser.get("/console/keys").await.status, 403);
}

#[tokio::test]
async fn a_disabled_owner_is_not_handed_over_and_their_sessions_rest_until_they_are_enabled() {
    let service = Service::start().await;
    let mut browser = Browser::new(&service.replica);
    let open = link(&service).await;
    follows(&mut browser, &link(&service).await).await;
    let (_, shown) =
        asked(&service.replica, &token(&service, "keyward:console"), json!({ "owner": alice(&service) })).await;
    assert!(shown["link"].is_string());
    let id = id_of_alice(&service);
    let switch = async |to: &str| {
        let path = format!("/v1/admin/owners/{id}/{to}");
        let request = request(Method::POST, service.replica.url(&path)).bearer_auth(token(&service, "keyward:admin"));
        assert_eq!(request.json(&json!({})).send().await.expect("an answer").status(), 200, "{to}");
    };
    switch("disable").await;
    let body = json!({ "owner": alice(&service) });
    let (status, answer) = asked(&service.replica, &token(&service, "keyward:console"), body).await;
    assert_eq!((status, &answer["code"]), (403, &json!("owner_disabled")));
    assert_eq!(Browser::new(&service.replica).get(&open).await.status, 410);
    assert_eq!(browser.get("/console/keys").await.status, 403);
    switch("enable").await;
    browser.open("/console/keys").await;
}

#[tokio::test]
async fn only_backends_and_administrators_hand_over_and_backends_speak_for_their_own_issuer() {
    let service = Service::start().await;
    let body = json!({ "owner": alice(&service) });
    for (scope, status) in [("", 403), ("keyward:verify", 403), ("keyward:console", 201), ("keyward:admin", 201)] {
        assert_eq!(asked(&service.replica, &token(&service, scope), body.clone()).await.0, status, "{scope}");
    }
    let elsewhere = json!({ "owner": { "issuer": "https://other.example", "subject": "alice" } });
    let (status, answer) = asked(&service.replica, &token(&service, "keyward:console"), elsewhere.clone()).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (422, &json!("other_issuer")), "{answer}");
    assert_eq!(asked(&service.replica, &token(&service, "keyward:admin"), elsewhere).await.0, 201);
    // A key does as well, in either header.
    let make = request(Method::POST, service.replica.url("/v1/keys"))
        .bearer_auth(token(&service, "keyward:console"))
        .json(&json!({ "scopes": ["keyward:console"] }));
    let made: Value = make.send().await.expect("an answer").json().await.expect("JSON");
    let key = made["apiKey"].as_str().expect("a key");
    assert_eq!(asked(&service.replica, key, body.clone()).await.0, 201);
    let by_header = request(Method::POST, service.replica.url(SESSIONS)).header("x-api-key", key).json(&body);
    assert_eq!(by_header.send().await.expect("an answer").status(), 201);
}

#[tokio::test]
async fn what_makes_no_sense_hands_nobody_over() {
    let service = Service::start().await;
    let backend = token(&service, "keyward:console");
    for (field, value) in [
        ("returnTo", json!("javascript:alert(1)")),
        ("returnTo", json!("http://app.example.com")),
        ("returnTo", json!("https://app.example.com:+80")),
        ("lifetime", json!(59)),
        ("lifetime", json!(43_201)),
        ("scopes", json!(["keyward:admin"])),
        ("scopes", json!(["keyward:console"])),
        ("name", json!(" ")),
        ("person", json!("")),
        ("owner", json!({})),
    ] {
        let mut body = json!({ "owner": alice(&service) });
        body[field] = value.clone();
        let (status, answer) = asked(&service.replica, &backend, body).await;
        assert_eq!(status, 422, "{field} {value}: {answer}");
    }
    assert_eq!(asked(&service.replica, &backend, json!({})).await.0, 422);
    let body = json!({ "owner": alice(&service), "lifetime": 3600 });
    assert_eq!(asked(&service.replica, &backend, body).await.1["lifetime"], 1800, "as long as is allowed");
    let off = Replica::start().await;
    let root = test_support::actors::Person::with_scopes("root", "keyward:admin");
    let (status, answer) = asked(&off, &root.token, json!({ "owner": { "subject": "alice" } })).await;
    assert_eq!(status, 404);
    assert!(answer["detail"].as_str().expect("text").contains("console.enabled"), "{answer}");
}

#[tokio::test]
async fn scopes_that_are_named_are_all_that_keys_can_get_and_rights_on_keyward_never() {
    let service = Service::start().await;
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link_with(&service, json!({ "scopes": ["orders:read"] })).await).await;
    browser.open("/console/keys/new").await;
    browser.post("/console/keys", &[("scopes", "orders:read")]).await.shows("Copy it now");
    assert_eq!(browser.post("/console/keys", &[("scopes", "orders:write")]).await.status, 422);
    follows(&mut browser, &link(&service).await).await;
    browser.open("/console/keys/new").await;
    browser.post("/console/keys", &[("scopes", "orders:write")]).await.shows("Copy it now");
    for scope in ["keyward:verify", "keyward:console", "keyward:admin"] {
        assert_eq!(browser.post("/console/keys", &[("scopes", scope)]).await.status, 422, "{scope}");
    }
}

#[tokio::test]
async fn sessions_that_began_with_a_link_are_short_and_fresh_and_end_no_others() {
    let env = [("KEYWARD__CONSOLE__FRESH_SIGN_IN", "5m"), ("KEYWARD__CONSOLE__HANDED_OVER_MAX", "10m")];
    let service = Service::start_with(&env).await;
    let mut signed_in = Browser::signed_in(&service).await;
    let mut browser = Browser::new(&service.replica);
    follows(&mut browser, &link_with(&service, json!({ "returnTo": "https://app.example.com" })).await).await;
    signed_in.open("/console/sessions").await.shows("by a link");
    browser.open("/console/keys/new").await;
    let page = browser.post("/console/keys", &[("name", "hers")]).await;
    let id = page.between(r#"class="button" href="/console/keys/"#, "\"");
    let key = format!("/console/keys/{id}");
    browser.open(&key).await;
    browser.submit(&key, &[("action", "disable")]).await.shows("Disabled.");
    // Six minutes later, they come again from the product, and not by a sign-in.
    let later =
        "UPDATE console_sessions SET authenticated_at = authenticated_at - interval '6 minutes' WHERE handed_over";
    execute(service.database.url(), later).await.expect("an update");
    let page = browser.post(&key, &[("action", "enable")]).await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("Back to app.example.com") && !page.text.contains("/console/sign-in"), "{}", page.text);
    let pool = service.database.superuser_pool().await;
    let query = "SELECT extract(epoch FROM expires_at - signed_in_at)::bigint, signed_in_at = authenticated_at + interval '6 minutes'
                 FROM console_sessions WHERE handed_over";
    let (lasts, is_whole): (i64, bool) = sqlx::query_as(query).fetch_one(&pool).await.expect("a row");
    assert!((600..=660).contains(&lasts) && is_whole, "{lasts}");
    // However often somebody is handed over, whoever has signed in stays signed in.
    execute(
        service.database.url(),
        "INSERT INTO console_sessions (id, secret_hash, issuer, subject, person, scopes, scope_bearing, signed_in_at, last_used_at,
                                       expires_at, handed_over)
         SELECT gen_random_uuid(), sha256(number::text::bytea), issuer, subject, person, '{}', false, now(), now(),
                now() + interval '1 hour', true
         FROM console_sessions, generate_series(1, 60) AS number WHERE NOT handed_over",
    )
    .await
    .expect("an insertion");
    follows(&mut browser, &link(&service).await).await;
    let query =
        "SELECT count(*) FILTER (WHERE handed_over), count(*) FILTER (WHERE NOT handed_over) FROM console_sessions";
    let (handed_over, others): (i64, i64) = sqlx::query_as(query).fetch_one(&pool).await.expect("a row");
    assert_eq!((handed_over, others), (50, 1));
    signed_in.open("/console/keys").await;
}

#[tokio::test]
async fn secrets_of_links_are_in_no_row_and_no_line_of_the_log_and_old_ones_are_deleted() {
    let service = Service::start_with(&[("KEYWARD__LOG__REQUESTS", "true")]).await;
    let path = link(&service).await;
    let secret = path.split_once("?link=").expect("a secret").1;
    let mut browser = Browser::new(&service.replica);
    browser.open(&path).await;
    let pool = service.database.superuser_pool().await;
    let rows: Vec<(String,)> = sqlx::query_as("SELECT row_to_json(console_hand_overs)::text FROM console_hand_overs")
        .fetch_all(&pool)
        .await
        .expect("rows");
    assert!(rows.len() == 1 && !rows[0].0.contains(secret), "{rows:?}");
    follows(&mut browser, &path).await;
    assert!(!service.replica.output().contains(secret));
    for _ in 0..15 {
        link(&service).await;
    }
    let count = async || {
        let query = sqlx::query_as("SELECT count(*) FROM console_hand_overs");
        let (count,): (i64,) = query.fetch_one(&pool).await.expect("a number");
        count
    };
    assert_eq!(count().await, 10, "of a person, the newest");
    execute(service.database.url(), "UPDATE console_hand_overs SET expires_at = now()").await.expect("an update");
    // A replica begins with it.
    let _another = service.another().await;
    eventually("they are deleted", async || count().await == 0).await;
}

#[tokio::test]
async fn the_hand_over_in_the_documents_is_what_happens() {
    let dev = Dev::start("hand-over");
    dev.welcome().await;
    let steps = dev.session(CONSOLE).await;
    assert!(steps.len() >= 3, "the session was not found");
    check(&steps);
}
