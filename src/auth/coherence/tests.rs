//! What the model check can't show: that the protocol is quick when all is well, and bounded.

use std::time::Duration;

use super::*;

const REPLICA_A: ReplicaId = ReplicaId(1);
const REPLICA_B: ReplicaId = ReplicaId(2);
const RECORD: RecordId = RecordId(7);
const CHANGE: ChangeId = ChangeId(1);
/// What the database said is the longest lease.
const LONGEST: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> MonotonicTime {
    MonotonicTime::from_nanos(seconds * 1_000_000_000)
}

fn settings() -> Settings {
    Settings::for_lease(Duration::from_secs(5)).unwrap()
}

/// Replica A, which has listened since second 0.
fn listening() -> (Replica, Freshness, Connection) {
    let freshness = Freshness::new(16);
    let mut replica = Replica::new(REPLICA_A, settings());
    let connection = replica.listener_connected(at(0), LONGEST, &freshness);
    (replica, freshness, connection)
}

fn heartbeat_of_b() -> Notification {
    Notification::Heartbeat { replica: REPLICA_B, sequence: 1, lease: Duration::from_secs(5) }
}

fn changed(change: ChangeId) -> Notification {
    let records = Records::These(vec![RECORD]);
    Notification::Changed { change, records }
}

#[test]
fn a_change_is_done_as_soon_as_every_holder_has_applied_it() {
    let (mut a, freshness, connection) = listening();
    a.heard(connection, &heartbeat_of_b(), at(20), &freshness);
    a.announce_change(CHANGE);
    a.heard(connection, &changed(CHANGE), at(21), &freshness);
    let waiting = Progress::Waiting { until: at(25) };
    assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(21)), waiting);

    let applied = Notification::Applied { replica: REPLICA_B, up_to: CHANGE };
    a.heard(connection, &applied, at(21), &freshness);

    let (confirmed, expired) = (1, 0);
    let settled = Settled::Heard { confirmed, expired };
    assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(21)), Progress::Done(settled));
}

#[test]
fn a_silent_holder_is_waited_for_until_its_lease_is_over() {
    let (mut a, freshness, connection) = listening();
    a.heard(connection, &heartbeat_of_b(), at(20), &freshness);
    a.announce_change(CHANGE);
    a.heard(connection, &changed(CHANGE), at(21), &freshness);
    let (confirmed, expired) = (0, 1);
    let settled = Settled::Heard { confirmed, expired };
    assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(25)), Progress::Done(settled));
}

#[test]
fn an_acknowledgement_covers_the_changes_before_it_and_none_after() {
    let (mut a, freshness, connection) = listening();
    a.heard(connection, &heartbeat_of_b(), at(20), &freshness);
    for change in [1, 2, 3].map(ChangeId) {
        a.announce_change(change);
        a.heard(connection, &changed(change), at(21), &freshness);
    }
    let applied = Notification::Applied { replica: REPLICA_B, up_to: ChangeId(2) };
    a.heard(connection, &applied, at(21), &freshness);
    let done = |change| matches!(a.progress(change, settled_unheard_at(at(21), LONGEST), at(21)), Progress::Done(_));
    assert_eq!([1, 2, 3].map(ChangeId).map(done), [true, true, false]);
}

#[test]
fn a_change_that_nobody_heard_is_done_after_the_longest_lease() {
    let (a, _, _) = listening();
    let until = at(21).after(LONGEST);
    let waiting = Progress::Waiting { until };
    assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(22)), waiting);
    let done = Progress::Done(Settled::Unheard);
    assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), until), done);
}

#[test]
fn a_burst_of_changes_is_acknowledged_at_once_and_one_at_a_time() {
    let (mut a, freshness, connection) = listening();
    let ack = |change| Some(Notification::Applied { replica: REPLICA_A, up_to: ChangeId(change) });
    a.heard(connection, &changed(ChangeId(1)), at(1), &freshness);
    assert_eq!(a.acknowledgement_due(), ack(1));
    for change in 2..=100 {
        a.heard(connection, &changed(ChangeId(change)), at(1), &freshness);
        assert_eq!(a.acknowledgement_due(), None, "one is under way");
    }
    a.acknowledgement_finished(false);
    assert_eq!(a.acknowledgement_due(), ack(100));
    a.acknowledgement_finished(true);
    assert_eq!(a.acknowledgement_due(), None, "nothing is left to say");
}

#[test]
fn a_heartbeat_that_comes_back_brings_a_lease_from_its_sending_less_the_margin() {
    let (mut a, freshness, connection) = listening();
    let heartbeat = a.tick(at(10)).heartbeat.unwrap();
    assert!(!freshness.lease_valid(at(10)));
    a.heard(connection, &heartbeat, at(12), &freshness);
    assert!(freshness.lease_valid(at(13)));
    assert!(!freshness.lease_valid(at(14)));
}

#[test]
fn a_listener_that_swallows_heartbeats_is_deaf() {
    let (mut a, _, _) = listening();
    let heartbeat = a.tick(at(1)).heartbeat.unwrap();
    assert!(!a.tick(at(9)).reconnect, "the database may not have it yet");
    a.heartbeat_sent(&heartbeat, at(10));
    assert!(!a.tick(at(12)).reconnect);
    assert!(a.tick(at(13)).reconnect);
}

#[test]
fn without_a_listener_no_heartbeat_is_sent_and_an_old_connection_is_ignored() {
    let (mut a, freshness, connection) = listening();
    a.listener_lost(connection);
    assert_eq!(a.tick(at(1)).heartbeat, None);
    a.listener_connected(at(2), LONGEST, &freshness);
    let ticket = freshness.read_started(RECORD);
    a.heard(connection, &changed(CHANGE), at(3), &freshness);
    assert!(freshness.is_current(&ticket, RECORD));
}

#[test]
fn memory_stays_bounded_however_many_replicas_and_changes_there_are() {
    let (mut a, freshness, connection) = listening();
    for number in 0..5_000_u32 {
        a.announce_change(ChangeId(number.into()));
        let heartbeat = Notification::Heartbeat {
            replica: ReplicaId(u128::from(number) + 10),
            sequence: 1,
            lease: Duration::from_secs(5),
        };
        a.heard(connection, &heartbeat, at(1), &freshness);
        a.tick(at(1));
    }
    assert_eq!(a.other_replicas(), settings().most_replicas);
    assert_eq!(a.waiting_changes(), settings().most_waiting);
}

#[test]
fn a_lease_out_of_bounds_is_refused() {
    for millis in [0, 999, 60_001] {
        assert!(Settings::for_lease(Duration::from_millis(millis)).is_err());
    }
}
