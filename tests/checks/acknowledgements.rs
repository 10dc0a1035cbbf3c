//! How a replica acknowledges a change: by a row that only revokers read, or by a message, where a replica of an
//! earlier version has made the change.

use std::{sync::Arc, time::Duration};

use keyward::{
    auth::coherence::{ChangeId, Heartbeat, Notification, ReplicaId},
    config::Database,
    domain::{
        api_key::Pepper,
        coherence::{Holders, message_keys::MessageKeys},
        ports::announcements::{Announcements, Listener},
    },
    store::Store,
};
use test_support::{TestDatabase, database, in_time};

const SELF: ReplicaId = ReplicaId(1);

async fn announcements(database: &TestDatabase) -> Arc<dyn Announcements> {
    let pepper = Pepper::new("p".repeat(32).into()).expect("32 bytes");
    let store = Store::open(&Database::at(database.url().to_owned().into())).await.expect("a store");
    store.announcements(MessageKeys::new(&[pepper]), None)
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

fn applied(changes: Vec<ChangeId>) -> Notification {
    Notification::Applied { replica: SELF, changes, up_to: None }
}

#[tokio::test]
async fn a_change_is_acknowledged_by_a_row_that_wakes_nobody() {
    let database = database().await;
    let (replica, revoker) = (announcements(&database).await, announcements(&database).await);
    let mut listening = revoker.listen(Duration::from_secs(5)).await.expect("listening");
    let (mine, other) = (ChangeId::by_rows(u64::MAX), ChangeId::by_rows(1 << 40));
    assert!(mine.is_by_rows() && mine != other);
    replica.send(&applied(vec![mine])).await.expect("sent");
    replica.send(&applied(vec![other])).await.expect("sent");
    assert_eq!(heard(&mut *listening.listener, &*replica).await, []);
    assert_eq!(revoker.acknowledged(&[mine]).await.expect("rows"), [(SELF, vec![mine])]);
    assert_eq!(revoker.acknowledged(&[ChangeId::by_rows(7 << 20)]).await.expect("rows"), []);
    let mut both = revoker.acknowledged(&[mine, other]).await.expect("rows").remove(0).1;
    both.sort_unstable();
    let mut expected = [mine, other];
    expected.sort_unstable();
    assert_eq!(both, expected);
}

#[tokio::test]
async fn a_change_of_an_earlier_version_is_acknowledged_by_a_message() {
    let database = database().await;
    let (replica, revoker) = (announcements(&database).await, announcements(&database).await);
    let mut listening = revoker.listen(Duration::from_secs(5)).await.expect("listening");
    let (by_message, by_row) = (ChangeId(0x1234), ChangeId::by_rows(5 << 16));
    assert!(!by_message.is_by_rows());
    replica.send(&applied(vec![by_message, by_row])).await.expect("sent");
    assert_eq!(heard(&mut *listening.listener, &*replica).await, [applied(vec![by_message])]);
    assert_eq!(revoker.acknowledged(&[by_message, by_row]).await.expect("rows"), [(SELF, vec![by_row])]);
}

/// A burst must not make the row outgrow its page, and whoever looks within milliseconds finds all of it.
#[tokio::test]
async fn the_row_has_all_changes_of_a_burst_and_never_more_than_fit_into_a_page() {
    let database = database().await;
    let replica = announcements(&database).await;
    let change = |number: u64| ChangeId::by_rows(number << 16);
    for burst in 0..4 {
        let burst: Vec<ChangeId> = (burst * 400..(burst + 1) * 400).map(change).collect();
        replica.send(&applied(burst.clone())).await.expect("sent");
        assert_eq!(replica.acknowledged(&burst).await.expect("rows")[0].1.len(), 400);
    }
    let rows = database.superuser_pool().await;
    let length = sqlx::query_scalar::<_, i32>("SELECT cardinality(changes) FROM acknowledgements");
    assert_eq!(length.fetch_one(&rows).await.expect("a row"), 600);
}

fn heartbeat(replica: u128, sequence: u64) -> Heartbeat {
    Heartbeat { replica: ReplicaId(replica), sequence, lease: Duration::from_secs(5) }
}

fn told(heartbeats: &[Heartbeat]) -> Vec<Notification> {
    heartbeats.iter().map(|heartbeat| Notification::Heartbeat(*heartbeat)).collect()
}

#[tokio::test]
async fn a_heartbeat_is_told_to_all_by_a_pulse_that_one_replica_sends_for_everybody() {
    let database = database().await;
    let (one, other) = (announcements(&database).await, announcements(&database).await);
    let mut listening = one.listen(Duration::from_secs(5)).await.expect("listening");
    assert_eq!(listening.pulse, 0);
    // The first since a replica listens is told by itself, too, with its proof.
    assert_eq!(one.beat(&heartbeat(1, 1 << 62), None).await.expect("sent"), 0);
    assert_eq!(other.beat(&heartbeat(2, 2 << 61), Some(0)).await.expect("sent"), 1);
    let greetings = heard(&mut *listening.listener, &*one).await;
    let [greeting, more @ ..] = &greetings[..] else { panic!("{greetings:?}") };
    assert_eq!(*greeting, Notification::Heartbeat(heartbeat(1, 1 << 62)));
    assert!(!more.is_empty());
    // Somebody else has sent the pulse after that one.
    let (newest, latest) = (heartbeat(1, (1 << 62) + 1), heartbeat(2, (1 << 62) + 2));
    assert_eq!(one.beat(&newest, Some(0)).await.expect("sent"), 1);
    assert_eq!(heard(&mut *listening.listener, &*one).await, []);
    assert_eq!(other.beat(&latest, Some(1)).await.expect("sent"), 2);
    let mut pulses = heard(&mut *listening.listener, &*one).await;
    for pulse in &mut pulses {
        if let Notification::Pulse { heartbeats, .. } = pulse {
            heartbeats.sort_unstable_by_key(|heartbeat| heartbeat.replica.0);
        }
    }
    assert_eq!(pulses, [Notification::Pulse { number: 2, heartbeats: vec![newest, latest] }]);
}

#[tokio::test]
async fn a_pulse_of_many_replicas_comes_in_parts_and_one_of_another_schema_is_nobodys() {
    let database = database().await;
    let replica = announcements(&database).await;
    let mut listening = replica.listen(Duration::from_secs(5)).await.expect("listening");
    replica.beat(&heartbeat(1, 1 << 62), None).await.expect("sent");
    heard(&mut *listening.listener, &*replica).await;
    let rows = database.superuser_pool().await;
    let others = "INSERT INTO replicas (id, version, lease_ms, started_at, heartbeat_at, sequence)
                  SELECT gen_random_uuid(), '1', 60000, now(), now(), 9223372036854775807 FROM generate_series(1, 299)";
    sqlx::query(others).execute(&rows).await.expect("rows");
    for channel in ["'keyward_pulses'", "own_channel('keyward_pulses')"] {
        let pulse = format!("SELECT pg_notify({channel}, '1 1 00000000000000000000000000000009:9:5000')");
        sqlx::query(sqlx::AssertSqlSafe(pulse)).execute(&rows).await.expect("sent");
    }
    replica.beat(&heartbeat(1, (1 << 62) + 1), Some(0)).await.expect("sent");
    let parts = heard(&mut *listening.listener, &*replica).await;
    let named = parts.iter().map(|part| match part {
        Notification::Pulse { number: 1, heartbeats } => heartbeats.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(named.collect::<Vec<_>>(), [128, 128, 44]);
}

/// Versions before pulses hear nothing else.
#[tokio::test]
async fn where_an_earlier_version_is_heard_heartbeats_are_told_to_all() {
    let database = database().await;
    let (replica, old) = (announcements(&database).await, announcements(&database).await);
    let mut listening = replica.listen(Duration::from_secs(5)).await.expect("listening");
    let beat = async |sequence: u64| replica.beat(&heartbeat(1, (1 << 62) + sequence), None).await.expect("sent");
    let own = |notification: &Notification| told(&[heartbeat(1, (1 << 62) + 3)]).contains(notification);
    beat(1).await;
    beat(2).await;
    assert_eq!(heard(&mut *listening.listener, &*replica).await.len(), 1, "the greeting alone");
    old.beat(&heartbeat(2, 7), None).await.expect("sent");
    heard(&mut *listening.listener, &*replica).await;
    beat(3).await;
    assert!(heard(&mut *listening.listener, &*replica).await.iter().any(own));
}

/// By their sequence, and by no clock, which may step.
#[tokio::test]
async fn the_row_of_a_replica_that_sends_no_heartbeats_is_removed_and_no_other() {
    let database = database().await;
    let (silent, living) = (announcements(&database).await, announcements(&database).await);
    let beat = async |announcements: &dyn Announcements, replica: u128, sequence: u64| {
        announcements.beat(&heartbeat(replica, sequence), None).await.expect("sent");
    };
    let rows = database.superuser_pool().await;
    let listed = async || {
        let query = sqlx::query_scalar::<_, uuid::Uuid>("SELECT id FROM replicas ORDER BY id");
        query.fetch_all(&rows).await.expect("rows").iter().map(uuid::Uuid::as_u128).collect::<Vec<_>>()
    };
    beat(&*silent, 1, 2).await;
    beat(&*living, 2, 1).await;
    silent.send(&applied(vec![ChangeId::by_rows(1 << 16)])).await.expect("sent");
    assert_eq!(listed().await, [1, 2]);
    // It has beaten since the last look, so it stays until the next.
    beat(&*silent, 1, 3).await;
    for sequence in 2..=301 {
        beat(&*living, 2, sequence).await;
    }
    assert_eq!(listed().await, [1, 2]);
    for sequence in 302..=601 {
        beat(&*living, 2, sequence).await;
    }
    assert_eq!(listed().await, [2]);
    let query = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM acknowledgements");
    assert_eq!(query.fetch_one(&rows).await.expect("a count"), 0);
}

/// In a database that began with the table, whoever begins to listen knows who may hold a lease, and need not wait for
/// others.
#[tokio::test]
async fn a_listener_reads_who_may_hold_a_lease_unless_earlier_versions_may_run() {
    let database = database().await;
    let (replica, revoker) = (announcements(&database).await, announcements(&database).await);
    let own = Heartbeat { lease: Duration::from_secs(7), ..heartbeat(1, 2) };
    replica.beat(&own, None).await.expect("sent");
    let listening = async || revoker.listen(Duration::from_secs(5)).await.expect("listening").holders;
    assert_eq!(listening().await, Holders::Listed(vec![own]));
    let rows = database.superuser_pool().await;
    let migrated = async |ago: &str| {
        let statement = format!(
            "UPDATE _sqlx_migrations SET installed_on = now() - interval '{ago}' WHERE version = 16;
             UPDATE _sqlx_migrations SET installed_on = now() - interval '100 days' WHERE version < 16"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&rows).await.expect("done");
    };
    migrated("6 days").await;
    assert_eq!(listening().await, Holders::Unlisted(Duration::from_secs(5)));
    migrated("8 days").await;
    assert_eq!(listening().await, Holders::Listed(vec![own]));
    replica.send(&Notification::Left { replica: SELF }).await.expect("sent");
    assert_eq!(listening().await, Holders::Listed(vec![]));
}
