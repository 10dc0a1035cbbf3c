//! Without the database.

use serde_json::json;
use test_support::{PrivateCluster, actors::Person, asking::SHORT_LEASE, eventually, replica::Replica};

use crate::app::App;

#[tokio::test]
async fn without_the_database_no_key_is_decided_on_and_with_it_all_are_again() {
    let mut cluster = PrivateCluster::start().await;
    let url = cluster.create_migrated_database("keyward").await;
    let replica = Replica::start_on(&url, &[SHORT_LEASE]).await;
    let app = App::start_on(&url).await;
    let alice = Person::named("alice");
    let (known, unknown) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    assert_eq!(app.answers_key("/any", &known).await.status, 200);
    cluster.kill9();
    for path in ["/any", "/optional", "/unwrapped"] {
        let answer = app.answers_key(path, &unknown).await;
        answer.is_problem(503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    eventually("the lease is over", async || {
        let status = app.answers_key("/any", &known).await.status;
        assert!(matches!(status, 200 | 503), "{status}");
        status == 503
    })
    .await;
    // Whether a token was ended is not known either; what needs no database is decided.
    app.answers_token("/any", &alice).await.is_problem(503, "unavailable");
    assert_eq!(app.answers("/any").await.status, 401);
    cluster.restart().await;
    for key in [&known, &unknown] {
        eventually("the database is back", async || app.answers_key("/any", key).await.status == 200).await;
    }
}
