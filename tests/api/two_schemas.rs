//! Two Keywards in two schemas of one database.

use serde_json::json;
use sqlx::postgres::PgListener;
use test_support::{
    actors::Person,
    asking::{SHORT_LEASE, changes_are_confirmed_by},
    database,
    database::execute,
    in_time,
    replica::Replica,
};

use crate::metrics::Scrape;

#[tokio::test]
async fn two_keywards_in_one_database_neither_wait_for_each_other_nor_read_keys_again() {
    let database = database().await;
    let other_url = database.another_schema("neighbour").await;
    let other_pepper = ("KEYWARD__KEYS__PEPPERS", "4b1d0f6e8a93c7522e7f9d10b6a8c3f5-for-tests");
    let lease = ("KEYWARD__COHERENCE__LEASE", "30s");
    let (env_here, env_there) = ([lease], [lease, other_pepper]);
    let (here, there) =
        tokio::join!(Replica::start_on(database.url(), &env_here), Replica::start_on(&other_url, &env_there));
    let alice = Person::named("alice");
    let key = alice.creates(&there, json!({})).await;
    for _ in 0..3 {
        assert_eq!(key.status(&there).await, 200);
    }
    let reads = async || {
        let scrape = Scrape::of(&there).await;
        scrape.sum("keyward_database_statement_duration_seconds_count", &[("statement", "find_keys")])
    };
    let before = reads().await;
    // Both are told, and none but the first reads its keys again.
    execute(database.url(), "UPDATE pulses SET number = number + 1").await.expect("a pulse");
    execute(database.url(), "SELECT announce_key_change(NULL)").await.expect("a change");
    for replica in [&here, &there] {
        let mine = alice.creates(replica, json!({})).await;
        let revoked = alice.deletes(replica, &mine.path()).await.is(200);
        let settled = (&revoked["replicasConfirmed"], &revoked["replicasExpired"]);
        assert_eq!(settled, (&json!(1), &json!(0)), "{revoked}");
    }
    assert_eq!(key.status(&there).await, 200);
    assert_eq!(reads().await, before);
    for replica in [&here, &there] {
        let output = replica.output();
        assert!(!output.contains("valid proof") && !output.contains("ignored notifications"), "{output}");
    }
}

/// What replicas of earlier versions listen to, while they are replaced one by one.
#[tokio::test]
async fn after_a_migration_earlier_versions_are_told_all_that_they_wait_for() {
    let database = database().await;
    database.was_made_long_ago().await;
    let mut listener = PgListener::connect(database.url()).await.expect("a connection");
    listener.listen_all(["keyward", "keyward_replicas", "keyward_pulses"]).await.expect("listening");
    let mut replica = Replica::start_on(database.url(), &[SHORT_LEASE]).await;
    changes_are_confirmed_by(1, &replica).await;
    replica.signal("TERM");
    replica.exit_code().await;
    let mut expected = vec![
        ("keyward", "changed "),
        ("keyward", "heartbeat "),
        ("keyward", "left "),
        ("keyward_replicas", " heartbeat "),
        ("keyward_replicas", " announced "),
        ("keyward_replicas", " left "),
        ("keyward_pulses", ":1000"),
    ];
    while !expected.is_empty() {
        let arrived = in_time("the rest", listener.recv()).await.expect("a notification");
        expected.retain(|(channel, word)| *channel != arrived.channel() || !arrived.payload().contains(word));
    }
}

/// Nobody who would need them runs there, and other schemas need not hear them.
#[tokio::test]
async fn in_a_database_without_earlier_versions_only_changes_and_pulses_are_told_to_them() {
    let database = database().await;
    let mut listener = PgListener::connect(database.url()).await.expect("a connection");
    listener.listen_all(["keyward", "keyward_replicas", "keyward_pulses"]).await.expect("listening");
    let mut replica = Replica::start_on(database.url(), &[SHORT_LEASE]).await;
    changes_are_confirmed_by(1, &replica).await;
    replica.signal("TERM");
    replica.exit_code().await;
    execute(database.url(), "NOTIFY keyward, 'the end'").await.expect("a notification");
    let mut pulses = 0;
    loop {
        let arrived = in_time("the end", listener.recv()).await.expect("a notification");
        match (arrived.channel(), arrived.payload()) {
            ("keyward", "the end") => break,
            ("keyward", payload) => assert!(payload.starts_with("changed "), "{payload}"),
            (channel, payload) => {
                assert_eq!(channel, "keyward_pulses", "{payload}");
                pulses += 1;
            }
        }
    }
    // Only by these, one that nobody expects finds out who holds a lease.
    assert!(pulses > 0, "no pulse was told");
}
