//! Becoming a replica.

use std::time::Duration;

use keyward::{ClientAddressHeader, ConnectError, Keyward, Settings};
use test_support::{TestDatabase, asking::replica, database, replica::Replica};

use crate::app::{App, AppData, key_with, secret, settings};

async fn refusal(settings: Settings) -> ConnectError {
    Keyward::connect(settings).await.err().expect("refused")
}

#[tokio::test]
async fn a_schema_that_is_too_old_is_refused_and_brought_up_to_date_only_on_request() {
    let database = TestDatabase::empty().await;
    let refused = refusal(settings(database.url())).await;
    assert!(matches!(refused, ConnectError::OldSchema { found: 0, needed } if needed > 0), "{refused}");
    assert!(refused.to_string().contains("keyward migrate"), "{refused}");
    let pool = database.superuser_pool().await;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&pool)
        .await
        .expect("a number");
    assert_eq!(tables, 0, "nothing was migrated");

    let keyward = Keyward::connect(settings(database.url()).migrate(true)).await.expect("a replica");
    keyward.close().await;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .execute(&pool)
        .await
        .expect("deleted");
    let refused = refusal(settings(database.url())).await;
    assert!(matches!(refused, ConnectError::OldSchema { found, needed } if 0 < found && found < needed), "{refused}");
}

#[tokio::test]
async fn a_schema_that_is_newer_is_fine() {
    let database = database().await;
    let pool = database.superuser_pool().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of the future', true, '', 0)";
    sqlx::query(newer).execute(&pool).await.expect("inserted");
    // In a task of its own, where an application may want to do it.
    let connected = tokio::spawn(Keyward::connect(settings(database.url()))).await.expect("no panic");
    connected.expect("a replica").close().await;
}

#[tokio::test]
async fn what_is_impossible_is_refused_at_once_and_tells_no_secret() {
    let database = database().await;
    for lease in [Duration::ZERO, Duration::from_secs(3600)] {
        let refused = refusal(settings(database.url()).lease(lease)).await;
        assert!(matches!(refused, ConnectError::Setting(_)), "{refused}");
        assert!(refused.to_string().contains("lease"), "{refused}");
    }
    assert!(matches!(refusal(Settings::new(secret(database.url()), Vec::new())).await, ConnectError::Setting(_)));
    let refused = refusal(settings("postgres://user:hunter2@[oops/keyward")).await;
    assert!(matches!(refused, ConnectError::Database(_)), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
}

#[tokio::test]
async fn proxies_with_strangers_among_them_are_refused_unless_that_is_said_twice() {
    let database = database().await;
    let with = |networks: &[&str]| {
        let networks = networks.iter().map(|network| network.parse().expect("a network")).collect();
        settings(database.url()).trusted_proxies(networks, ClientAddressHeader::XForwardedFor)
    };
    for wide in [&["0.0.0.0/0"][..], &["0.0.0.0/1", "128.0.0.0/1"], &["::/0"], &["::ffff:0.0.0.0/96"]] {
        let refused = refusal(with(wide)).await;
        assert!(matches!(refused, ConnectError::Setting(_)), "{refused}");
        assert!(refused.to_string().contains("Settings::trust_everybody"), "{refused}");
        let meant = Keyward::connect(with(wide).trust_everybody(true)).await;
        meant.expect("a replica").close().await;
    }
    Keyward::connect(with(&["10.0.0.0/8"])).await.expect("a replica").close().await;
}

#[tokio::test]
async fn keys_of_another_prefix_are_not_ours() {
    let replica = replica().await;
    let settings = settings(replica.database().url()).prefix("acme".parse().expect("a prefix"));
    let app = App::start(Keyward::connect(settings).await.expect("a replica"), AppData::Given).await;
    let key = key_with(&replica, &[]).await;
    assert_eq!(app.answers_key("/any", &key).await.status, 401);

    let env = [("KEYWARD__KEYS__PREFIX", "acme"), test_support::asking::SHORT_LEASE];
    let namesake = Replica::start_on(replica.database().url(), &env).await;
    let key = key_with(&namesake, &[]).await;
    assert_eq!(app.answers_key("/any", &key).await.status, 200);
}
