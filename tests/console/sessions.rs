//! Sessions, and how they end.

use serde_json::json;
use test_support::{client::request, database::execute, waiting::eventually};

use crate::{
    browser::{Browser, SESSION},
    provider::Service,
};

#[tokio::test]
async fn somebody_sees_their_sessions_and_ends_one_or_all_others() {
    let service = Service::start().await;
    let mut here = Browser::signed_in(&service).await;
    let (mut there, mut elsewhere) = (Browser::signed_in(&service).await, Browser::signed_in(&service).await);
    let page = here.open("/console/sessions").await;
    assert_eq!(page.text.matches("a test&#39;s browser").count() / 2, 3, "{}", page.text);
    assert_eq!(page.text.matches("this session").count(), 1);
    let other = there.open("/console/sessions").await;
    let this = other.between("this session", "</tr>");
    let id = this.split(r#"name="session" value=""#).nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
    here.open("/console/sessions").await;
    here.submit("/console/sessions", &[("session", id)]).await;
    assert_eq!(there.get("/console/keys").await.status, 303);
    elsewhere.open("/console/keys").await;
    here.submit("/console/sessions", &[("others", "1")]).await;
    assert_eq!(elsewhere.get("/console/keys").await.status, 303);
    here.open("/console/keys").await;
}

#[tokio::test]
async fn nobody_ends_somebody_elses_session() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let id = alice.open("/console/sessions").await.between(r#"name="session" value=""#, "\"");
    service.provider.has(json!({ "sub": "bob" }));
    let mut bob = Browser::signed_in(&service).await;
    bob.submit("/console/sessions", &[("session", &id)]).await;
    alice.open("/console/keys").await;
}

#[tokio::test]
async fn an_administrator_ends_one_session_of_somebody_or_all_on_every_replica() {
    let service = Service::start().await;
    let (mut first, mut second) = (Browser::signed_in(&service).await, Browser::signed_in(&service).await);
    let mut third = first.at(&service.replica);
    service.provider.has(json!({ "sub": "bob" }));
    let mut bob = Browser::signed_in(&service).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let another = service.another().await;
    assert_eq!(bob.get("/console/all/sessions").await.status, 403);
    bob.open("/console/keys").await;
    let everybody = eve.open("/console/all/sessions").await;
    everybody.shows("><bdi>alice</bdi></a>").shows("><bdi>bob</bdi></a>").shows("><bdi>eve</bdi></a>");
    assert_eq!(everybody.text.matches("this session").count(), 1);

    let owner = everybody.between("owner=", "&amp;person=alice");
    let owner = owner.rsplit("owner=").next().expect("an id");
    let of_alice = format!("/console/all/sessions?owner={owner}");
    let page = eve.open(&of_alice).await;
    page.shows("><bdi>alice</bdi></a>").lacks("><bdi>bob</bdi></a>");
    eve.open(&format!("{of_alice}&person=nobody")).await.shows("Nobody is signed in.");
    // The latest comes first.
    let id = page.between(r#"name="session" value=""#, "\"");
    assert_eq!(bob.post("/console/all/sessions", &[("session", &id)]).await.status, 403);
    second.open("/console/keys").await;
    eve.open(&of_alice).await;
    eve.submit("/console/all/sessions", &[("session", &id), ("owner", owner)]).await;
    assert_eq!(second.at(&another).get("/console/keys").await.status, 303);
    first.open("/console/keys").await;

    eve.open(&of_alice).await;
    assert_eq!(eve.post("/console/all/sessions", &[("owner", owner)]).await.status, 404, "nothing is ended in doubt");
    third.open("/console/keys").await;
    eve.submit("/console/all/sessions", &[("all", "1"), ("owner", owner)]).await.shows("Nobody is signed in.");
    assert_eq!(first.at(&another).get("/console/keys").await.status, 303);
    bob.open("/console/keys").await;
    let audit = eve.open("/console/audit?all=1&action=sessions.ended").await;
    audit.shows(&id).shows("eve").shows("alice");
    assert_eq!(audit.text.matches("<code>sessions.ended</code>").count(), 2);
}

#[tokio::test]
async fn everybodys_sessions_are_paged_and_those_of_an_owner_are_found_among_many() {
    let service = Service::start().await;
    let _alice = Browser::signed_in(&service).await;
    let many =
        "INSERT INTO console_sessions (id, secret_hash, issuer, subject, person, scopes, scope_bearing, signed_in_at,
                                              last_used_at, expires_at)
                SELECT ('0fffffff-ffff-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, sha256(number::text::bytea),
                       'https://a.example', 'bob', 'bob', '{}', true, now(),
                       now() - CASE WHEN number <= 120 THEN interval '1 minute' ELSE interval '2 hours' END,
                       now() + interval '1 day'
                FROM generate_series(1, 10200) AS number";
    execute(service.database.url(), many).await.expect("an insertion");
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let mut path = "/console/all/sessions".to_owned();
    let (mut pages, mut people) = (0, Vec::new());
    loop {
        let page = eve.open(&path).await;
        pages += 1;
        let rows = page.text.split("&amp;person=").skip(1);
        people.extend(rows.map(|row| row.split('"').next().expect("a name").to_owned()));
        let Some((_, next)) = page.text.split_once(r#"class="button quiet" href=""#) else { break };
        path = next.split('"').next().expect("an address").replace("&#38;", "&");
    }
    assert!((4..=6).contains(&pages), "{pages}");
    let count = |name: &str| people.iter().filter(|person| *person == name).count();
    assert_eq!((count("bob"), count("alice"), count("eve")), (120, 1, 1));
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_when_it_is_old_and_when_tokens_of_its_person_are_revoked() {
    let service = Service::start().await;
    for ends in ["last_used_at = now() - interval '61 minutes'", "expires_at = now()"] {
        let mut browser = Browser::signed_in(&service).await;
        execute(service.database.url(), &format!("UPDATE console_sessions SET {ends}")).await.expect("an update");
        assert_eq!(browser.get("/console/keys").await.status, 303, "{ends}");
    }
    let mut browser = Browser::signed_in(&service).await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let revoke = request(reqwest::Method::POST, service.replica.url("/v1/admin/tokens/revoke"));
    let mut claims = test_support::actors::claims("eve");
    claims["scope"] = json!("keyward:admin");
    let revoked = revoke
        .bearer_auth(service.provider.signs(claims))
        .json(&json!({ "issuer": service.provider.issuer(), "subject": "alice" }))
        .send()
        .await
        .expect("an answer");
    assert_eq!(revoked.status(), 200, "{:?}", revoked.text().await);
    assert_eq!(browser.get("/console/keys").await.status, 303);
    // Nor later, when the revocation is forgotten, because all tokens of then have expired.
    execute(service.database.url(), "DELETE FROM tokens_not_before").await.expect("a deletion");
    assert_eq!(browser.get("/console/keys").await.status, 303);
}

#[tokio::test]
async fn a_session_that_is_in_use_does_not_end_however_short_the_idle_time_is() {
    let service = Service::start_with(&[("KEYWARD__CONSOLE__SESSION_IDLE", "1m")]).await;
    let mut browser = Browser::signed_in(&service).await;
    let pool = service.database.superuser_pool().await;
    for _ in 0..3 {
        let half_a_minute_ago = "UPDATE console_sessions SET last_used_at = last_used_at - interval '35 seconds'";
        execute(service.database.url(), half_a_minute_ago).await.expect("an update");
        browser.open("/console/keys").await;
        let recent = "SELECT last_used_at > now() - interval '20 seconds' FROM console_sessions";
        let (is_recent,): (bool,) = sqlx::query_as(recent).fetch_one(&pool).await.expect("a row");
        assert!(is_recent, "the use was not recorded");
    }
}

#[tokio::test]
async fn sessions_that_are_over_are_deleted_however_many_and_others_stay() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let over =
        "INSERT INTO console_sessions (id, secret_hash, issuer, subject, person, scopes, scope_bearing, signed_in_at,
                                              last_used_at, expires_at)
                SELECT gen_random_uuid(), sha256(number::text::bytea), 'https://a.example', 'bob', 'bob', '{}', true,
                       now() - interval '2 days', now() - interval '2 days', now() - interval '1 day'
                FROM generate_series(1, 2500) AS number";
    execute(service.database.url(), over).await.expect("an insertion");
    let pool = service.database.superuser_pool().await;
    // A replica begins with it.
    let _another = service.another().await;
    eventually("they are deleted", async || {
        let (left,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM console_sessions").fetch_one(&pool).await.expect("a number");
        left == 1
    })
    .await;
    browser.open("/console/keys").await;
}

#[tokio::test]
async fn the_database_has_only_hashes_of_sessions() {
    let service = Service::start().await;
    let browser = Browser::signed_in(&service).await;
    let secret = browser.cookie(SESSION).expect("a session");
    let pool = service.database.superuser_pool().await;
    let rows: Vec<(String,)> = sqlx::query_as("SELECT row_to_json(console_sessions)::text FROM console_sessions")
        .fetch_all(&pool)
        .await
        .expect("rows");
    assert_eq!(rows.len(), 1);
    assert!(!rows[0].0.contains(secret.as_str()), "{}", rows[0].0);
    assert!(!service.replica.output().contains(secret.as_str()));
}

#[tokio::test]
async fn whoever_signs_in_again_ends_the_session_before() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let mut thief = browser.at(&service.replica);
    browser.signs_in("/console").await;
    browser.open("/console/keys").await;
    assert_eq!(thief.get("/console/keys").await.status, 303);
}

#[tokio::test]
async fn a_form_that_comes_after_the_end_of_its_session_is_told_so() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    execute(service.database.url(), "DELETE FROM console_sessions").await.expect("a deletion");
    let page = browser.post("/console/keys", &[("name", "late")]).await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("Your session has ended"), "{}", page.text);
}

/// A program that takes the place of a browser may say anything.
#[tokio::test]
async fn what_a_browser_says_of_itself_is_not_kept_if_it_carries_a_key_or_a_token() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = alice.post("/console/keys", &[("name", "hers")]).await.between(r#"<code id="secret">"#, "<");
    let token = service.provider.token("alice");
    let agents = [
        format!("Mozilla/5.0 ({key}) Gecko"),
        format!("Mozilla/5.0 ({token}) Gecko"),
        format!("Mozilla/5.0 Bearer\t{token}"),
        format!("Mozilla/5.0 x{token}"),
    ];
    for agent in &agents {
        let mut other = Browser::new(&service.replica);
        other.agent.clone_from(agent);
        assert_eq!(other.signs_in("/console").await.status, 303);
    }
    let page = alice.open("/console/sessions").await;
    assert_eq!(page.text.matches("<bdi>hidden: it carries a key or a token</bdi>").count(), 4, "{}", page.text);
    page.shows("a test&#39;s browser").lacks(&key[key.len() - 30..]).lacks(&token[..30]);
    let rows = service.database.superuser_pool().await;
    let kept = sqlx::query_scalar("SELECT count(*) FROM console_sessions WHERE browser LIKE '%Mozilla%'");
    assert_eq!(kept.fetch_one(&rows).await.ok(), Some(0_i64));
}

/// At many providers, people write their name themselves.
#[tokio::test]
async fn a_name_that_carries_a_key_or_a_token_is_not_kept_and_the_next_one_is() {
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = alice.post("/console/keys", &[("name", "hers")]).await.between(r#"<code id="secret">"#, "<");
    for name in [key.clone(), TOKEN.to_owned(), format!("x{TOKEN}"), TOKEN.replace('.', ".\n")] {
        service.provider.has(json!({ "sub": "bob", "name": name, "preferred_username": "bob at work" }));
        let mut bob = Browser::signed_in(&service).await;
        bob.open("/console/sessions").await.shows("bob at work").lacks(&TOKEN[..30]).lacks(&key[key.len() - 30..]);
    }
    let rows = service.database.superuser_pool().await;
    let kept = sqlx::query_scalar("SELECT count(*) FROM console_sessions WHERE name = 'bob at work'");
    assert_eq!(kept.fetch_one(&rows).await.ok(), Some(4_i64));
}
