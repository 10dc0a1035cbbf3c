//! What a database, or the role of the service, is configured to by somebody with other programs in mind.

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{
    TestDatabase,
    actors::Person,
    asking::{KEYS, SHORT_LEASE, replica_with},
    client, database, eventually,
    program::run_beside,
    replica::{Replica, command},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::commands::{self, keyward};

async fn configure(database: &TestDatabase, settings: &[&str]) {
    // Whatever is the default by now.
    let url = format!("{}&options[default_transaction_read_only]=off", database.url());
    let mut superuser = PgConnection::connect(&url).await.expect("a connection");
    let name: String =
        sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut superuser).await.expect("a name");
    for setting in settings {
        let alter = format!("ALTER DATABASE {name} SET {setting}");
        sqlx::query(AssertSqlSafe(alter))
            .execute(&mut superuser)
            .await
            .unwrap_or_else(|error| panic!("{setting}: {error}"));
    }
}

#[tokio::test]
async fn no_default_of_the_database_changes_what_is_promised() {
    for isolation in ["'repeatable read'", "'serializable'"] {
        let database = database().await;
        let isolation = format!("default_transaction_isolation = {isolation}");
        configure(
            &database,
            &[
                &isolation,
                "default_transaction_deferrable = on",
                "idle_session_timeout = '100ms'",
                "idle_in_transaction_session_timeout = '1ms'",
                "lock_timeout = '1ms'",
                "statement_timeout = '1ms'",
                "plan_cache_mode = force_generic_plan",
                "standard_conforming_strings = off",
                "synchronous_commit = off",
                "TimeZone = 'Asia/Kathmandu'",
                "DateStyle = 'SQL, DMY'",
                "IntervalStyle = 'sql_standard'",
                "bytea_output = 'escape'",
                "extra_float_digits = -15",
                "client_encoding = 'LATIN1'",
            ],
        )
        .await;
        let env = [SHORT_LEASE, ("KEYWARD__KEYS__MAX_PER_OWNER", "3"), ("KEYWARD__KEYS__MAX_NEW_PER_DAY", "5")];
        let start = || Replica::start_on(database.url(), &env);
        let replicas = tokio::join!(start(), start(), start());
        let replicas = [replicas.0, replicas.1, replicas.2];
        let alice = Person::named("alice");
        let asks = (0..12).map(|number| alice.posts(&replicas[number % 3], KEYS, json!({})));
        let made = join_all(asks).await.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(made, 3, "{isolation}");
        let bob = Person::named("bob");
        let key = bob.creates(&replicas[0], json!({ "metadata": { "é": "☃" }, "expiresIn": 3600 })).await;
        key.is_everywhere(&replicas, 200).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let revoked = bob.deletes(&replicas[1], &key.path()).await.is(200);
        assert_eq!(revoked["replicasExpired"], 0, "{revoked}");
        key.is_everywhere(&replicas, 401).await;
        for replica in &replicas {
            assert!(!replica.output().contains("lost the LISTEN connection"), "{}", replica.output());
        }
    }
}

/// An operator stops writes, or a provider does when the disk is full.
#[tokio::test]
async fn in_a_database_that_is_read_only_checks_go_on_and_changes_are_503_until_it_is_not() {
    let replica = replica_with(&[]).await;
    let alice = Person::named("alice");
    let key = alice.creates(&replica, json!({})).await;
    let before = Replica::start_on(replica.database().url(), &[SHORT_LEASE]).await;
    assert_eq!(key.status(&before).await, 200);
    configure(replica.database(), &["default_transaction_read_only = on"]).await;
    // It would migrate, and finds nothing to do.
    let reader = Replica::start_on(replica.database().url(), &[SHORT_LEASE]).await;
    assert!(reader.output().contains("the database is read-only"), "{}", reader.output());
    keyward(replica.database(), &["migrate"]).await.succeeded();
    eventually("first checks", async || key.status(&reader).await == 200).await;
    assert_eq!(client::get(reader.url("/readyz")).await.expect("an answer").status(), 200);
    assert_eq!(alice.posts(&reader, KEYS, json!({})).await.status, 503);
    // It listens, and has a lease as the others.
    eventually("three replicas", async || {
        let listed = keyward(replica.database(), &["replicas", "--json"]).await.succeeded();
        commands::json(&listed).as_array().expect("a list").iter().filter(|row| row["alive"] == true).count() == 3
    })
    .await;
    assert!(!reader.output().contains("cannot listen"), "{}", reader.output());
    // Both hear of changes elsewhere.
    let revoked = alice.deletes(&replica, &key.path()).await.is(200);
    assert_eq!(revoked["replicasExpired"], 0, "{revoked}");
    assert_eq!((key.status(&before).await, key.status(&reader).await), (401, 401));

    // The sessions of then are still read-only.
    configure(replica.database(), &["default_transaction_read_only = off"]).await;
    eventually("changes are taken again", async || alice.posts(&reader, KEYS, json!({})).await.status == 201).await;
}

#[tokio::test]
async fn a_server_that_fires_no_triggers_is_refused_with_the_reason() {
    let database = database().await;
    configure(&database, &["session_replication_role = replica"]).await;
    let mut serve = command();
    serve.arg("serve").env("DATABASE_URL", database.url()).env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "300ms");
    let message = run_beside(serve).await.failed();
    assert!(message.contains("session_replication_role"), "{message}");
}

/// A server that speaks no TLS, as Postgres says it.
#[tokio::test]
async fn a_password_is_sent_to_no_other_machine_in_plain_text_unless_the_operator_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it listens").port();
    let server = tokio::spawn(async move {
        let mut asked_in_plain_text = false;
        loop {
            let Ok((mut client, _)) = listener.accept().await else { return asked_in_plain_text };
            let mut request = [0; 8];
            if client.read_exact(&mut request).await.is_ok() && request[4..] == 80_877_103_u32.to_be_bytes() {
                let _ = client.write_all(b"N").await;
                asked_in_plain_text |= client.read_u8().await.is_ok();
            }
        }
    });
    // It leads to this machine, but not by a name of it.
    let mut serve = command();
    serve.arg("serve").env("DATABASE_URL", format!("postgres://keyward:hunter2hunter2@0.0.0.0:{port}/keyward"));
    serve.env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "300ms");
    let message = run_beside(serve).await.failed();
    assert!(message.contains("TLS") && message.contains("sslmode=disable"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    server.abort();
    assert!(server.await.is_err());
}
