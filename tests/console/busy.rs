//! Whoever asks for more pages at once than an owner may.

use test_support::{actors::Person, asking::KEYS, eventually};

use crate::{browser::Browser, provider::Service};

#[tokio::test]
async fn who_asks_for_more_at_once_than_an_owner_may_is_told_to_try_again_in_a_moment() {
    let service = Service::start_with(&[
        ("KEYWARD__DATABASE__OWNER_CONNECTIONS", "1"),
        ("KEYWARD__DATABASE__ACQUIRE_TIMEOUT", "100ms"),
        ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "20s"),
    ])
    .await;
    let mut alice = Browser::signed_in(&service).await;
    let mut in_another_tab = alice.at(&service.replica);
    let mut elsewhere = Browser::signed_in(&service).await;
    let pool = service.database.superuser_pool().await;
    let mut lock = pool.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("a lock");
    let slow = alice.open("/console/audit");
    let meanwhile = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'audit_events'::regclass AND NOT granted";
        eventually("the first page waits", async || {
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.expect("a number") > 0
        })
        .await;
        let page = in_another_tab.get("/console/keys").await;
        assert_eq!((page.status, page.headers["retry-after"].as_bytes()), (429, &b"1"[..]), "{}", page.text);
        assert!(page.text.contains("Too many requests at once"), "{}", page.text);
        assert!(page.text.contains("Try again in a moment"), "{}", page.text);
        // Whoever has lost a device can sign out all the same.
        let page = elsewhere.post("/console/sign-out", &[]).await;
        assert_eq!(page.status, 303, "{}", page.text);
        lock.rollback().await.expect("an end");
    };
    tokio::join!(slow, meanwhile);
    in_another_tab.open("/console/keys").await;
    let output = service.replica.output();
    assert!(output.contains("answering 429") && !output.contains("answering 503"), "{output}");
}

#[tokio::test]
async fn who_asks_for_many_pages_with_one_session_keeps_nobody_else_waiting() {
    let service = Service::start_with(&[
        ("KEYWARD__DATABASE__POOL_SIZE", "2"),
        ("KEYWARD__DATABASE__ACQUIRE_TIMEOUT", "100ms"),
        ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "20s"),
    ])
    .await;
    let mut alice = Browser::signed_in(&service).await;
    let mut in_another_tab = alice.at(&service.replica);
    let pool = service.database.superuser_pool().await;
    let mut lock = pool.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE console_sessions IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.expect("a lock");
    let slow = alice.open("/console/keys");
    let meanwhile = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'console_sessions'::regclass AND NOT granted";
        eventually("the first page waits", async || {
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.expect("a number") > 0
        })
        .await;
        let page = in_another_tab.get("/console/keys").await;
        assert_eq!((page.status, page.headers["retry-after"].as_bytes()), (429, &b"1"[..]), "{}", page.text);
        Person::named("bob").gets(&service.replica, KEYS).await.is(200);
        lock.rollback().await.expect("an end");
    };
    tokio::join!(slow, meanwhile);
    let output = service.replica.output();
    assert!(output.contains("one session of the console") && !output.contains("answering 503"), "{output}");
}
