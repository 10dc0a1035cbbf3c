//! Channels of a schema: what its replicas hear, and what others on the same database don't.

use std::{sync::Arc, time::Duration};

use keyward::{
    config::Database,
    domain::{
        api_key::Pepper,
        coherence::{Heartbeat, Notification, ReplicaId, message_keys::MessageKeys},
        ports::announcements::{Announcements, Listener},
    },
    store::Store,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{database, in_time};

const LEASE: Duration = Duration::from_secs(5);

/// Both have the same peppers: nothing but the channel keeps them apart.
async fn announcements(url: &str) -> Arc<dyn Announcements> {
    let pepper = Pepper::new("p".repeat(32).into()).expect("32 bytes");
    let store = Store::open(&Database::at(url.to_owned().into())).await.expect("a store");
    store.announcements(MessageKeys::new(&[pepper]), None)
}

async fn run(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

fn heartbeat(replica: u128) -> Heartbeat {
    Heartbeat { replica: ReplicaId(replica), sequence: 1 << 62, lease: LEASE }
}

/// Sent last, so that what was not heard before it was never sent.
const END: Notification = Notification::Left { replica: ReplicaId(9) };

async fn heard(listener: &mut dyn Listener, sender: &dyn Announcements) -> Vec<Notification> {
    sender.send(&END).await.expect("sent");
    let mut heard = Vec::new();
    loop {
        match in_time("a message", listener.next()).await.expect("a message") {
            END => return heard,
            notification => heard.push(notification),
        }
    }
}

#[tokio::test]
async fn two_schemas_of_one_database_hear_nothing_of_each_other() {
    let database = database().await;
    let other_url = database.another_schema("neighbour").await;
    let (here, there) = (announcements(database.url()).await, announcements(&other_url).await);
    let mut listening = [here.listen(LEASE).await, there.listen(LEASE).await].map(|listening| listening.expect("one"));
    for (url, sender, name) in [(database.url(), &here, 1), (other_url.as_str(), &there, 2)] {
        sender.beat(&heartbeat(name), Some(0)).await.expect("sent");
        run(url, "SELECT announce_key_change(NULL), announce_key_change(ARRAY[gen_random_uuid()])").await;
        run(url, "TRUNCATE api_keys CASCADE").await;
        sender.send(&Notification::Left { replica: ReplicaId(name) }).await.expect("sent");
    }
    for (name, (listening, sender)) in (1..).zip(listening.iter_mut().zip([&here, &there])) {
        let mut changes = 0;
        for notification in heard(&mut *listening.listener, &**sender).await {
            match notification {
                Notification::Changed { .. } => changes += 1,
                Notification::Heartbeat(heartbeat) => assert_eq!(heartbeat.replica, ReplicaId(name)),
                Notification::Left { replica } => assert_eq!(replica, ReplicaId(name)),
                Notification::Pulse { number, heartbeats } => {
                    assert_eq!((number, heartbeats), (1, vec![heartbeat(name)]));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(changes, 3, "its own alone");
    }
}

/// As their statement sends it: without a word on our channel.
#[tokio::test]
async fn a_pulse_that_a_replica_of_an_earlier_version_sends_is_heard() {
    let database = database().await;
    let replica = announcements(database.url()).await;
    let mut listening = replica.listen(LEASE).await.expect("listening");
    let pulse = "WITH row AS (
                     INSERT INTO replicas (id, version, lease_ms, started_at, heartbeat_at, sequence)
                     VALUES ('00000000-0000-0000-0000-000000000007', '0', 5000, now(), now(), 4611686018427387904)
                 )
                 UPDATE pulses SET number = number + 1";
    run(database.url(), pulse).await;
    let pulses = heard(&mut *listening.listener, &*replica).await;
    assert_eq!(pulses, [Notification::Pulse { number: 1, heartbeats: vec![heartbeat(7)] }]);
}

#[tokio::test]
async fn a_change_whose_transaction_began_before_the_schema_had_channels_is_heard() {
    let database = database().await;
    database.was_made_long_ago().await;
    let replica = announcements(database.url()).await;
    let mut listening = replica.listen(LEASE).await.expect("listening");
    run(database.url(), "SELECT pg_notify('keyward', 'changed 7 *')").await;
    let heard = heard(&mut *listening.listener, &*replica).await;
    assert!(matches!(heard[..], [Notification::Changed { number: 7, .. }]), "{heard:?}");
}
