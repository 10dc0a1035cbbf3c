//! Handlers that ask who a request is from: protected by that, wherever they stand.

use keyward::Keyward;
use test_support::{
    actors::Person,
    asking::{Reply, replica},
};

use crate::app::{App, AppData, key_with, replica_and_app, settings};

#[tokio::test]
async fn a_route_that_forgot_the_middleware_is_protected_by_its_argument() {
    let (replica, app) = replica_and_app().await;
    let (key, reader) = (key_with(&replica, &[]).await, key_with(&replica, &["orders:read"]).await);
    app.answers("/unwrapped").await.is_problem(401, "missing_credential");
    for _ in 0..2 {
        assert_eq!(app.answers_key("/unwrapped", &key).await.text, "alice");
    }
    assert_eq!(app.answers_token("/unwrapped", &Person::named("bob")).await.text, "bob");
    for path in ["/authorized", "/unwrapped/authorized"] {
        app.answers(path).await.is_problem(401, "missing_credential");
        let lacking = app.answers_key(path, &key).await;
        lacking.is_problem(403, "insufficient_scope");
        assert!(lacking.header("www-authenticate").is_some_and(|told| told.contains(r#"scope="orders:read""#)));
        assert_eq!(app.answers_key(path, &reader).await.text, "alice");
    }
}

#[tokio::test]
async fn an_optional_principal_without_the_middleware_is_nobody_unless_proven() {
    let (replica, app) = replica_and_app().await;
    let key = key_with(&replica, &[]).await;
    assert_eq!(app.answers("/unwrapped/optional").await.text, "nobody");
    assert_eq!(app.answers_key("/unwrapped/optional", &key).await.text, "alice");
    let bad = || app.request("/unwrapped/optional").header("x-api-key", format!("{}x", key.holder.key));
    assert_eq!(Reply::to(bad()).await.text, "nobody");
    assert_eq!(app.answers("/unwrapped/result").await.text, "missing_credential");
    assert_eq!(app.answers_key("/unwrapped/result", &key).await.text, "alice");
}

#[tokio::test]
async fn a_handler_that_insists_refuses_whom_the_middleware_let_through() {
    let (replica, app) = replica_and_app().await;
    app.answers("/optional/insists").await.is_problem(401, "missing_credential");
    assert_eq!(app.answers_key("/optional/insists", &key_with(&replica, &[]).await).await.text, "alice");
}

#[tokio::test]
async fn an_application_that_knows_no_keyward_serves_nobody_and_is_no_500() {
    let replica = replica().await;
    let keyward = Keyward::connect(settings(replica.database().url())).await.expect("a replica");
    let app = App::start(keyward, AppData::Forgotten).await;
    let key = key_with(&replica, &["orders:read"]).await;
    for path in ["/unwrapped", "/unwrapped/authorized"] {
        for answer in [app.answers(path).await, app.answers_key(path, &key).await] {
            answer.is_problem(503, "unavailable");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
    assert_eq!(app.answers_key("/unwrapped/optional", &key).await.text, "nobody");
    // The middleware brings its own.
    assert_eq!(app.answers_key("/authorized", &key).await.text, "alice");
    app.answers("/optional/insists").await.is_problem(401, "missing_credential");
}
