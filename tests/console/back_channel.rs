//! The provider says that somebody has signed out there (OpenID Connect Back-Channel Logout 1.0).

use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_support::{actors::now, client::request, database::execute, eventually, replica::Replica};

use crate::{browser::Browser, provider::Service};

/// Sends a logout token, as the provider does: no cookie, no origin.
async fn send(replica: &Replica, token: &str) -> Response {
    let sent = request(Method::POST, replica.url("/console/back-channel-logout"));
    let sent = sent.header("content-type", "application/x-www-form-urlencoded").body(format!("logout_token={token}"));
    sent.send().await.expect("an answer")
}

/// The status of the answer.
pub(crate) async fn tell(replica: &Replica, token: &str) -> u16 {
    let answer = send(replica, token).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.status().as_u16()
}

async fn signed_in(service: &Service, person: Value) -> Browser {
    service.provider.has(person);
    Browser::signed_in(service).await
}

#[tokio::test]
async fn whoever_signs_out_at_the_provider_is_out_here_on_every_replica() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut phone = signed_in(&service, json!({ "sub": "alice", "sid": "phone" })).await;
    let mut laptop = signed_in(&service, json!({ "sub": "alice", "sid": "laptop" })).await;
    let mut nameless = signed_in(&service, json!({ "sub": "alice" })).await;
    let mut bob = signed_in(&service, json!({ "sub": "bob", "sid": "phone of bob" })).await;
    let token = |claims: Value| service.provider.logout_token(&claims);

    assert_eq!(tell(&other, &token(json!({ "sid": "phone" }))).await, 200);
    assert_eq!(phone.get("/console/keys").await.status, 303);
    laptop.open("/console/keys").await;
    // With both, that session, and those of which nobody knows which they are.
    assert_eq!(tell(&other, &token(json!({ "sub": "alice", "sid": "another" }))).await, 200);
    assert_eq!(nameless.get("/console/keys").await.status, 303);
    laptop.open("/console/keys").await;
    assert_eq!(tell(&other, &token(json!({ "sub": "alice" }))).await, 200);
    assert_eq!(laptop.get("/console/keys").await.status, 303);
    bob.open("/console/keys").await;
    service.replica.prints("signed somebody in").await;
    other.prints("ended sessions that had ended at the provider").await;
}

#[tokio::test]
async fn a_logout_token_ends_no_session_that_began_after_it_however_often_it_comes() {
    let service = Service::start().await;
    let issued = now();
    let mut alice = signed_in(&service, json!({ "sub": "alice", "iat": issued - 20 })).await;
    let token = service.provider.logout_token(&json!({ "sub": "alice", "iat": issued - 10 }));
    assert_eq!(tell(&service.replica, &token).await, 200);
    assert_eq!(alice.get("/console/keys").await.status, 303);
    // The clock of the provider counts, and it has signed her in later than it has signed her out.
    let mut alice = signed_in(&service, json!({ "sub": "alice", "iat": issued - 5 })).await;
    for _ in 0..2 {
        assert_eq!(tell(&service.replica, &token).await, 200);
    }
    alice.open("/console/keys").await;
    // Of a session that an earlier version began, or a link, only our clock says when it began, which may differ by a
    // minute.
    let unknown = |seconds: u32| {
        format!(
            "UPDATE console_sessions SET token_issued_at = NULL, signed_in_at = now() + interval '{seconds} seconds'"
        )
    };
    execute(service.database.url(), &unknown(65)).await.expect("an update");
    assert_eq!(tell(&service.replica, &token).await, 200);
    alice.open("/console/keys").await;
    execute(service.database.url(), &unknown(40)).await.expect("an update");
    assert_eq!(tell(&service.replica, &token).await, 200);
    assert_eq!(alice.get("/console/keys").await.status, 303);
}

#[tokio::test]
async fn whoever_is_named_by_another_claim_here_is_signed_out_by_the_name_that_the_provider_has() {
    let service = Service::start_with_members("subject_claim = \"email\"").await;
    let mut alice = signed_in(&service, json!({ "sub": "u-1", "email": "alice@example.com" })).await;
    let mut bob = signed_in(&service, json!({ "sub": "u-2", "email": "u-1", "sid": "of bob" })).await;
    assert_eq!(tell(&service.replica, &service.provider.logout_token(&json!({ "sub": "u-1" }))).await, 200);
    assert_eq!(alice.get("/console/keys").await.status, 303);
    bob.open("/console/keys").await;
    assert_eq!(
        tell(&service.replica, &service.provider.logout_token(&json!({ "sub": "u-2", "sid": "of bob" }))).await,
        200
    );
    assert_eq!(bob.get("/console/keys").await.status, 303);
}

#[tokio::test]
async fn a_logout_token_that_is_repeated_at_once_keeps_no_other_waiting() {
    let service = Service::start_with(&[
        ("KEYWARD__DATABASE__POOL_SIZE", "8"),
        ("KEYWARD__DATABASE__ACQUIRE_TIMEOUT", "200ms"),
        ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "20s"),
    ])
    .await;
    let mut alice = signed_in(&service, json!({ "sub": "alice" })).await;
    let token = |subject: &str| service.provider.logout_token(&json!({ "sub": subject }));
    let (of_alice, of_bob) = (token("alice"), token("bob"));
    let pool = service.database.superuser_pool().await;
    let mut lock = pool.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM console_sessions FOR UPDATE").execute(&mut *lock).await.expect("a lock");
    let slow = tell(&service.replica, &of_alice);
    let meanwhile = async {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        eventually("the first one waits", async || {
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.expect("a number") > 0
        })
        .await;
        assert_eq!(send(&service.replica, &of_alice).await.status(), 503);
        assert_eq!(tell(&service.replica, &of_bob).await, 200);
        lock.rollback().await.expect("an end");
    };
    assert_eq!(tokio::join!(slow, meanwhile).0, 200);
    assert_eq!(alice.get("/console/keys").await.status, 303);
}

#[tokio::test]
async fn what_is_no_logout_token_for_us_ends_nothing() {
    let service = Service::start().await;
    let mut alice = signed_in(&service, json!({ "sub": "alice", "sid": "s" })).await;
    let past = now() - 3600;
    for wrong in [
        json!({ "events": null }),
        json!({ "events": { "http://schemas.openid.net/event/other": {} } }),
        json!({ "events": "http://schemas.openid.net/event/backchannel-logout" }),
        json!({ "nonce": "n" }),
        json!({ "jti": null }),
        json!({ "iat": null }),
        json!({ "exp": null }),
        json!({ "exp": past, "iat": past - 60 }),
        json!({ "aud": "somebody else" }),
        json!({ "aud": null }),
        json!({ "iss": "https://another.example" }),
        json!({ "sub": null }),
        json!({ "sub": 1 }),
    ] {
        let mut claims = json!({ "sub": "alice" });
        claims.as_object_mut().expect("claims").extend(wrong.as_object().expect("claims").clone());
        assert_eq!(tell(&service.replica, &service.provider.logout_token(&claims)).await, 400, "{wrong}");
    }
    let token = service.provider.logout_token(&json!({ "sub": "alice" }));
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let mut forged: Vec<char> = signature.chars().collect();
    forged[3] = if forged[3] == 'A' { 'B' } else { 'A' };
    let forged = format!("{signed}.{}", forged.into_iter().collect::<String>());
    let of_api = service.provider.token("alice");
    for text in [forged.as_str(), of_api.as_str(), "", "x"] {
        assert_eq!(tell(&service.replica, text).await, 400, "{text}");
    }
    alice.open("/console/keys").await;
    service.replica.prints("refused a logout token").await;
    // By GET, or where nobody signs in at a provider, there is nothing.
    let answer = request(Method::GET, service.replica.url("/console/back-channel-logout")).send().await;
    assert!([404, 405].contains(&answer.expect("an answer").status().as_u16()));
}
