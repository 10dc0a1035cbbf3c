//! Who sends pulses, and who is waited for because of them.

use super::*;

#[test]
fn a_pulse_is_sent_by_whoever_was_not_named_for_three_quarters_of_an_interval() {
    let freshness = Freshness::new(16);
    let mut a = Replica::new(REPLICA_A, settings());
    let after = |nanos: u64| MonotonicTime::from_nanos(at(10).as_nanos() + nanos);
    let connection = a.listener_connected(at(9), &Holders::Listed(Vec::new()), 7, &freshness);
    let first = a.tick(after(0), 1);
    assert_eq!(first.pulse_after, Some(7), "nobody has named it yet");
    let own = first.heartbeat.unwrap();
    a.heartbeat_sent(&own, 8, after(0), &freshness);
    a.heard(connection, &pulse(8, &[own]), after(0), &freshness);
    assert_eq!(a.tick(after(937_499_999), 2).pulse_after, None);
    // Old heartbeats, and numbers that somebody invents, change nothing.
    a.heard(connection, &pulse(1_000, &[own, heartbeat(REPLICA_B, 1)]), after(937_499_999), &freshness);
    assert_eq!(a.tick(after(937_500_000), 3).pulse_after, Some(8));
    // Somebody else was quicker: the next attempt is after theirs.
    a.heartbeat_sent(&own, 9, after(937_500_000), &freshness);
    assert_eq!(a.tick(after(1_875_000_000), 4).pulse_after, Some(9));
}

#[test]
fn while_others_send_pulses_a_heartbeat_brings_none() {
    let (mut a, freshness, connection) = listening();
    let after = |millis: u64| MonotonicTime::from_nanos(at(20).as_nanos() + millis * 1_000_000);
    let beats = |a: &mut Replica, millis, sequence, latest| {
        let ticked = a.tick(after(millis), sequence);
        let own = ticked.heartbeat.expect("it listens");
        a.heartbeat_sent(&own, latest, after(millis), &freshness);
        (own, ticked.pulse_after)
    };
    let (first, _) = beats(&mut a, 0, 1, 7);
    a.heard(connection, &pulse(8, &[first]), after(200), &freshness);
    a.heard(connection, &pulse(9, &[first]), after(900), &freshness);
    let (second, pulse_after) = beats(&mut a, 1250, 2, 9);
    assert_eq!(pulse_after, None, "the last one came a moment ago");
    a.heard(connection, &pulse(10, &[second]), after(1450), &freshness);
    let (third, pulse_after) = beats(&mut a, 2500, 3, 10);
    assert_eq!(pulse_after, Some(10), "none has come for long");
    // Somebody repeats the last one, so that nobody sends another.
    a.heard(connection, &pulse(11, &[second]), after(3200), &freshness);
    assert_eq!(beats(&mut a, 3750, 4, 10).1, Some(10), "none has named the last heartbeat");
    a.heard(connection, &pulse(12, &[third]), after(3900), &freshness);
    assert_eq!(beats(&mut a, 5000, 5, 12).1, Some(12));
}

/// Anybody can name a replica in a pulse, with a lease of nothing. Whatever it says of itself counts all the same.
#[test]
fn a_replica_without_a_proof_is_waited_for_whatever_a_pulse_says_of_it() {
    for before in [false, true] {
        let (mut a, freshness, connection) = listening();
        let forged = Heartbeat { lease: Duration::ZERO, ..heartbeat(REPLICA_B, 1) };
        if before {
            a.heard(connection, &unproven(REPLICA_B), at(20), &freshness);
        }
        a.heard(connection, &pulse(1, &[forged]), at(20), &freshness);
        if !before {
            a.heard(connection, &unproven(REPLICA_B), at(20), &freshness);
        }
        a.announce_change(CHANGE);
        a.heard(connection, &announced(CHANGE), at(21), &freshness);
        let waiting = Progress::Waiting { until: at(25) };
        assert_eq!(a.progress(CHANGE, settled_unheard_at(at(21), LONGEST), at(21)), waiting);
    }
}

#[test]
fn a_replica_that_has_died_or_left_is_not_waited_for_because_pulses_still_name_it() {
    let (died, left) = (heartbeat(REPLICA_B, 1), heartbeat(ReplicaId(3), 1));
    let freshness = Freshness::new(16);
    let mut a = Replica::new(REPLICA_A, settings());
    let connection = a.listener_connected(at(0), &Holders::Listed(vec![died]), 0, &freshness);
    a.heard(connection, &pulse(1, &[died, left]), at(1), &freshness);
    assert_eq!(a.other_replicas(), 2);
    a.heard(connection, &Notification::Left { replica: left.replica }, at(2), &freshness);
    assert_eq!(a.other_replicas(), 1);
    for second in 2..6 {
        a.heard(connection, &pulse(second, &[died, left]), at(second), &freshness);
    }
    let announce = |a: &mut Replica, change, second| {
        a.announce_change(change);
        a.heard(connection, &announced(change), at(second), &freshness);
        a.progress(change, settled_unheard_at(at(second), LONGEST), at(second))
    };
    // The lease of the one that died counts from when we began to listen, which was after its heartbeat.
    let (confirmed, expired) = (0, 0);
    assert_eq!(announce(&mut a, CHANGE, 5), Progress::Done(Settled::Heard { confirmed, expired }));
    // Whoever beats again is waited for again.
    a.heard(connection, &pulse(7, &[heartbeat(REPLICA_B, 2), left]), at(6), &freshness);
    assert_eq!(announce(&mut a, ChangeId(2), 6), Progress::Waiting { until: at(11) });
}
