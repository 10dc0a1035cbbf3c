//! Properties that the model check can't show: that the protocol is fast in normal operation, and bounded.

mod pulses;

use std::time::Duration;

use super::*;

const REPLICA_A: ReplicaId = ReplicaId(1);
const REPLICA_B: ReplicaId = ReplicaId(2);
const RECORD: RecordId = RecordId(7);
const CHANGE: ChangeId = ChangeId(1);
/// The longest lease according to the database.
const LONGEST: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> MonotonicTime {
    MonotonicTime::from_nanos(seconds * 1_000_000_000)
}

fn settings() -> CoherenceTimings {
    CoherenceTimings::for_lease(Duration::from_secs(5)).unwrap()
}

/// Replica A, listening since second 0.
fn listening() -> (Replica, Freshness, Connection) {
    let freshness = Freshness::new(16);
    let mut replica = Replica::new(REPLICA_A, settings());
    let connection = replica.listener_connected(at(0), &Holders::Unlisted(LONGEST), 0, &freshness);
    (replica, freshness, connection)
}

fn heartbeat(replica: ReplicaId, sequence: u64) -> Heartbeat {
    Heartbeat { replica, sequence, lease: Duration::from_secs(5) }
}

fn heartbeat_of_b() -> Notification {
    Notification::Heartbeat(heartbeat(REPLICA_B, 1))
}

fn unproven(replica: ReplicaId) -> Notification {
    Notification::Unproven(heartbeat(replica, 1))
}

fn pulse(number: u64, heartbeats: &[Heartbeat]) -> Notification {
    Notification::Pulse { number, heartbeats: heartbeats.to_vec() }
}

fn changed() -> Notification {
    Notification::Changed { number: 1, records: Records::These(vec![RECORD]) }
}

fn announced(change: ChangeId) -> Notification {
    Notification::Announced { change }
}

fn applied_by_b(changes: &[ChangeId]) -> Notification {
    Notification::Applied { replica: REPLICA_B, changes: changes.to_vec(), up_to: None }
}

#[test]
fn a_change_is_done_as_soon_as_every_holder_has_applied_it() {
    let (mut a, freshness, connection) = listening();
    a.heard(connection, &heartbeat_of_b(), at(20), &freshness);
    a.announce_change(CHANGE);
    a.heard(connection, &announced(CHANGE), at(21), &freshness);
    let waiting = Progress::Waiting { until: at(25) };
    assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(21)), waiting);

    a.heard(connection, &applied_by_b(&[CHANGE]), at(21), &freshness);

    let (confirmed, expired) = (1, 0);
    let settled = Settled::Heard { confirmed, expired };
    assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(21)), Progress::Done(settled));
}

#[test]
fn a_silent_holder_is_waited_for_until_its_lease_is_over() {
    let (mut a, freshness, connection) = listening();
    a.heard(connection, &heartbeat_of_b(), at(20), &freshness);
    a.announce_change(CHANGE);
    a.heard(connection, &announced(CHANGE), at(21), &freshness);
    let (confirmed, expired) = (0, 1);
    let settled = Settled::Heard { confirmed, expired };
    assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(25)), Progress::Done(settled));
}

#[test]
fn an_acknowledgement_covers_the_changes_that_it_names_and_no_other() {
    let (mut a, freshness, connection) = listening();
    a.heard(connection, &heartbeat_of_b(), at(20), &freshness);
    for change in [1, 2, 3].map(ChangeId) {
        a.announce_change(change);
        a.heard(connection, &announced(change), at(21), &freshness);
    }
    a.heard(connection, &applied_by_b(&[1, 3].map(ChangeId)), at(21), &freshness);
    let done = |change| matches!(a.progress(change, settled_unheard_at(at(21), LONGEST), at(21)), Progress::Done(_));
    assert_eq!([1, 2, 3].map(ChangeId).map(done), [true, false, true]);
}

#[test]
fn old_messages_that_somebody_repeats_settle_nothing() {
    let (mut a, freshness, connection) = listening();
    let (old, new) = (ChangeId(1), ChangeId(2));
    a.heard(connection, &heartbeat_of_b(), at(20), &freshness);
    a.announce_change(old);
    a.heard(connection, &announced(old), at(20), &freshness);
    a.heard(connection, &applied_by_b(&[old]), at(20), &freshness);
    a.forget_change(old);
    a.announce_change(new);
    a.heard(connection, &announced(new), at(21), &freshness);
    for repeated in [announced(old), applied_by_b(&[old]), announced(new), heartbeat_of_b(), applied_by_b(&[old])] {
        a.heard(connection, &repeated, at(22), &freshness);
    }
    let waiting = Progress::Waiting { until: at(25) };
    assert_eq!(a.progress(new, settled_unheard_at(at(21), LONGEST), at(24)), waiting);
}

/// The numbers of triggers can be guessed, and anybody can send such messages.
#[test]
fn what_a_trigger_sends_settles_nothing() {
    let (mut a, freshness, connection) = listening();
    a.announce_change(CHANGE);
    let forged = Notification::Changed { number: CHANGE.0, records: Records::All };
    a.heard(connection, &forged, at(20), &freshness);
    let until = at(21).after(LONGEST);
    assert_eq!(a.progress(CHANGE, until, at(22)), Progress::Waiting { until });
}

#[test]
fn who_proves_nothing_is_waited_for_for_a_lease_and_takes_nobodys_place() {
    let (mut a, freshness, connection) = listening();
    for impostor in 0..10_000 {
        a.heard(connection, &unproven(ReplicaId(1_000 + impostor)), at(20), &freshness);
    }
    a.heard(connection, &heartbeat_of_b(), at(20), &freshness);
    assert!(a.other_replicas() < 100, "{}", a.other_replicas());
    a.announce_change(CHANGE);
    a.heard(connection, &announced(CHANGE), at(21), &freshness);
    a.heard(connection, &applied_by_b(&[CHANGE]), at(21), &freshness);
    // Whatever lease they claim, the longest registered lease is the limit.
    let waiting = Progress::Waiting { until: at(25) };
    assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(24)), waiting);
    assert!(matches!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(25)), Progress::Done(_)));
}

#[test]
fn a_lease_without_proof_is_no_longer_than_one_can_be() {
    let (mut a, freshness, connection) = listening();
    let forged = Notification::Unproven(Heartbeat { lease: Duration::MAX, ..heartbeat(REPLICA_B, 1) });
    a.heard(connection, &forged, at(20), &freshness);
    a.announce_change(CHANGE);
    a.heard(connection, &announced(CHANGE), at(21), &freshness);
    let waiting = Progress::Waiting { until: at(20).after(LONGEST_LEASE) };
    assert_eq!(a.progress(CHANGE, at(1_000_000), at(21)), waiting);
}

#[test]
fn a_replica_that_proves_itself_is_not_also_one_that_does_not() {
    let (mut a, freshness, connection) = listening();
    // It sends both forms, for older versions, in either order.
    a.heard(connection, &heartbeat_of_b(), at(20), &freshness);
    assert_eq!(a.heard(connection, &unproven(REPLICA_B), at(20), &freshness), None);
    let other = ReplicaId(3);
    assert_eq!(a.heard(connection, &unproven(other), at(20), &freshness), Some(other));
    assert_eq!(a.heard(connection, &unproven(other), at(20), &freshness), None, "it is told once");
    a.heard(connection, &Notification::Heartbeat(heartbeat(other, 1)), at(20), &freshness);
    assert_eq!(a.other_replicas(), 2);
    // A replica's own unproven form does not make it wait for itself either.
    assert_eq!(a.heard(connection, &unproven(REPLICA_A), at(20), &freshness), None);
    assert_eq!(a.other_replicas(), 2);
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
fn a_burst_of_changes_is_acknowledged_at_once_and_one_message_at_a_time() {
    let (mut a, freshness, connection) = listening();
    let ack = |changes: std::ops::RangeInclusive<u64>| {
        let changes = changes.map(ChangeId).collect();
        Some(Notification::Applied { replica: REPLICA_A, changes, up_to: None })
    };
    a.heard(connection, &announced(ChangeId(1)), at(1), &freshness);
    assert_eq!(a.acknowledgement_due(at(1)), ack(1..=1));
    for change in 2..=100 {
        a.heard(connection, &announced(ChangeId(change)), at(1), &freshness);
        assert_eq!(a.acknowledgement_due(at(1)), None, "one is under way");
    }
    a.acknowledgement_finished(false);
    assert_eq!(a.acknowledgement_due(at(1)), ack(1..=100));
    a.acknowledgement_finished(true);
    assert_eq!(a.acknowledgement_due(at(1)), None, "nothing is left to say");
}

#[test]
fn what_nobody_waits_for_is_acknowledged_to_nobody() {
    let (mut a, freshness, connection) = listening();
    // A message of a trigger alone: somebody used psql.
    a.heard(connection, &changed(), at(1), &freshness);
    assert_eq!(a.acknowledgement_due(at(1)), None);
    // And one's own change.
    a.announce_change(CHANGE);
    a.heard(connection, &announced(CHANGE), at(1), &freshness);
    assert_eq!(a.acknowledgement_due(at(1)), None);
}

#[test]
fn whoever_may_be_of_an_older_version_is_told_the_number_of_the_latest_change() {
    let (mut a, freshness, connection) = listening();
    a.heard(connection, &unproven(REPLICA_B), at(1), &freshness);
    a.heard(connection, &changed(), at(1), &freshness);
    let number = Notification::Applied { replica: REPLICA_A, changes: Vec::new(), up_to: Some(1) };
    assert_eq!(a.acknowledgement_due(at(1)), Some(number));
    a.acknowledgement_finished(true);
    assert_eq!(a.acknowledgement_due(at(1)), None);
    // Until its lease ends.
    a.heard(connection, &Notification::Changed { number: 2, records: Records::All }, at(6), &freshness);
    assert_eq!(a.acknowledgement_due(at(6)), None);
}

/// Sent at this second, and not reported to the replica yet.
fn beat(a: &mut Replica, second: u64) -> Heartbeat {
    a.tick(at(second), 100 + second).heartbeat.unwrap()
}

#[test]
fn a_heartbeat_that_comes_back_brings_a_lease_from_its_sending_less_the_margin() {
    for as_pulse in [false, true] {
        let (mut a, freshness, connection) = listening();
        let own = beat(&mut a, 10);
        a.heartbeat_sent(&own, 0, at(11), &freshness);
        assert!(!freshness.lease_valid(at(11)));
        let back = if as_pulse { pulse(1, &[heartbeat(REPLICA_B, 1), own]) } else { Notification::Heartbeat(own) };
        a.heard(connection, &back, at(12), &freshness);
        assert!(freshness.lease_valid(at(13)));
        assert!(!freshness.lease_valid(at(14)));
    }
}

#[test]
fn a_heartbeat_brings_no_lease_before_the_database_has_said_that_it_has_it() {
    let (mut a, freshness, connection) = listening();
    let (first, second) = (beat(&mut a, 10), beat(&mut a, 11));
    // As on a server whose wait for its standby was cut short: everybody sees a commit that is not durable.
    for own in [first, second] {
        a.heard(connection, &pulse(1, &[own]), at(11), &freshness);
    }
    assert!(!freshness.lease_valid(at(11)));
    a.heartbeat_sent(&first, 0, at(12), &freshness);
    assert_eq!(freshness.lease_until(), at(14));
    a.heartbeat_sent(&second, 0, at(12), &freshness);
    assert_eq!(freshness.lease_until(), at(15));
}

#[test]
fn a_heartbeat_that_is_repeated_brings_no_further_lease() {
    let (mut a, freshness, connection) = listening();
    let own = beat(&mut a, 10);
    a.heartbeat_sent(&own, 0, at(10), &freshness);
    for second in 10..20 {
        a.heard(connection, &Notification::Heartbeat(own), at(second), &freshness);
        a.heard(connection, &pulse(1, &[own]), at(second), &freshness);
        a.heartbeat_sent(&own, 0, at(second), &freshness);
    }
    assert_eq!(freshness.lease_until(), at(14));
}

#[test]
fn a_listener_that_swallows_heartbeats_is_deaf() {
    let (mut a, freshness, connection) = listening();
    let own = beat(&mut a, 1);
    assert!(!a.tick(at(9), 9).reconnect, "the database may not have it yet");
    a.heartbeat_sent(&own, 0, at(10), &freshness);
    assert!(!a.tick(at(12), 12).reconnect);
    // Pulses that name others, or a heartbeat of ours from another connection, are no sign of life.
    a.heard(connection, &pulse(1, &[heartbeat(REPLICA_A, 1), heartbeat(REPLICA_B, 1)]), at(12), &freshness);
    assert!(a.tick(at(13), 13).reconnect);
    a.heard(connection, &pulse(2, &[own]), at(13), &freshness);
    assert!(!a.tick(at(14), 14).reconnect);
}

#[test]
fn without_a_listener_no_heartbeat_is_sent_and_an_old_connection_is_ignored() {
    let (mut a, freshness, connection) = listening();
    a.listener_lost(connection);
    assert_eq!(a.tick(at(1), 1).heartbeat, None);
    a.listener_connected(at(2), &Holders::Unlisted(LONGEST), 0, &freshness);
    let ticket = freshness.read_started(RECORD);
    a.heard(connection, &changed(), at(3), &freshness);
    assert!(freshness.is_current(&ticket, RECORD));
}

#[test]
fn memory_stays_bounded_however_many_replicas_and_changes_there_are() {
    let (mut a, freshness, connection) = listening();
    for number in 0..5_000_u32 {
        a.announce_change(ChangeId(number.into()));
        let other = heartbeat(ReplicaId(u128::from(number) + 10), 1);
        a.heard(connection, &Notification::Heartbeat(other), at(1), &freshness);
        a.tick(at(1), number.into());
    }
    assert_eq!(a.other_replicas(), settings().most_replicas);
    assert_eq!(a.waiting_changes(), settings().most_waiting);
}

#[test]
fn a_lease_out_of_bounds_is_refused() {
    for millis in [0, 999, 60_001] {
        assert!(CoherenceTimings::for_lease(Duration::from_millis(millis)).is_err());
    }
}
