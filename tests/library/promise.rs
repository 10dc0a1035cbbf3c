//! The application is one of the replicas.

use serde_json::Value;
use test_support::{
    actors::Person,
    asking::{MadeKey, replica},
    eventually,
    proxy::Proxy,
    replica::Replica,
    server_socket,
};

use crate::app::{App, AppData, key_with, replica_and_app, secret, settings};
use keyward::Keyward;

async fn revokes(replica: &Replica, key: &MadeKey) -> Value {
    Person::named("alice").deletes(replica, &key.path()).await.is(200)
}

/// Until both have a lease, nobody has to be asked.
async fn know_each_other(replica: &Replica) {
    eventually("the application confirms a revoke", async || {
        revokes(replica, &key_with(replica, &[]).await).await["replicasConfirmed"] == 2
    })
    .await;
}

#[tokio::test]
async fn when_a_revoke_returns_the_application_refuses_the_key_and_has_confirmed_it() {
    let (replica, app) = replica_and_app().await;
    know_each_other(&replica).await;
    for _ in 0..10 {
        let key = key_with(&replica, &[]).await;
        assert_eq!(app.answers_key("/any", &key).await.status, 200);
        let revoked = revokes(&replica, &key).await;
        assert_eq!(app.answers_key("/any", &key).await.status, 401);
        assert_eq!((&revoked["replicasConfirmed"], &revoked["replicasExpired"]), (&2.into(), &0.into()), "{revoked}");
    }
}

#[tokio::test]
async fn when_a_revoke_returns_an_application_that_was_cut_off_refuses_the_key_too() {
    let replica = replica().await;
    let (socket, database) = server_socket(replica.database().url());
    let wire = Proxy::to(socket).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", wire.port());
    let app = App::start_on(&url).await;
    know_each_other(&replica).await;
    let (key, other) = (key_with(&replica, &[]).await, key_with(&replica, &[]).await);
    for key in [&key, &other] {
        assert_eq!(app.answers_key("/any", key).await.status, 200);
    }
    wire.hold();
    let revoked = revokes(&replica, &key).await;
    // It can't read the row, so it can't decide: not 401, and never 200.
    for key in [&key, &other] {
        let answer = app.answers_key("/any", key).await;
        answer.is_problem(503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(revoked["replicasExpired"], 1, "{revoked}");
    wire.mend();
    eventually("the application hears again", async || app.answers_key("/any", &other).await.status == 200).await;
    assert_eq!(app.answers_key("/any", &key).await.status, 401);
}

#[tokio::test]
async fn an_application_that_closes_writes_the_uses_and_no_revoke_waits_for_it() {
    let replica = replica().await;
    let app = App::start_on(replica.database().url()).await;
    know_each_other(&replica).await;
    let key = key_with(&replica, &[]).await;
    assert_eq!(app.answers_key("/any", &key).await.status, 200);
    app.keyward.close().await;
    app.answers_key("/any", &key).await.is_problem(503, "unavailable");

    let shown = Person::named("alice").gets(&replica, &key.path()).await.is(200);
    assert_eq!(shown["lastUsedFrom"], "127.0.0.1", "{shown}");
    // Were it waited for, its lease would have had to expire.
    let revoked = revokes(&replica, &key).await;
    assert_eq!((&revoked["replicasConfirmed"], &revoked["replicasExpired"]), (&1.into(), &0.into()), "{revoked}");
}

#[tokio::test]
async fn an_owner_whom_a_token_calls_disabled_loses_the_keys_everywhere() {
    let replica = replica().await;
    let url = replica.database().url();
    let mut jwt = keyward::Jwt::signed_with(secret(test_support::replica::JWT_SECRET)).expect("a strong secret");
    jwt.disabled_claim = Some("disabled".parse().expect("a path"));
    let keyward = Keyward::connect(settings(url).jwt(jwt)).await.expect("a replica");
    let app = App::start(keyward, AppData::Given).await;
    let key = key_with(&replica, &[]).await;
    assert_eq!(key.status(&replica).await, 200);
    let mut claims = test_support::actors::claims("alice");
    claims["disabled"] = true.into();
    app.answers_token("/any", &Person::with_claims(&claims)).await.is_problem(401, "invalid_token");
    assert_eq!(key.status(&replica).await, 401);
    assert_eq!(app.answers_key("/any", &key).await.status, 401);
    // The requests of an application have no ids of Keyward's.
    let rows = replica.database().superuser_pool().await;
    let query = "SELECT request_id FROM audit_events WHERE action = 'owner.disabled'";
    let request_id: Option<String> = sqlx::query_scalar(query).fetch_one(&rows).await.expect("an event");
    assert_eq!(request_id, None);
}
