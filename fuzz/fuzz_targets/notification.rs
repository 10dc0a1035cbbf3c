//! What arrives by NOTIFY. The first byte chooses the channel, and whether a replica has sent the rest or anybody has.
//!
//! It never panics. Without a replica's proof it makes replicas read again, or revokers wait, and nothing else: no wait
//! gets shorter by it and no lease longer. What a replica has sent means one thing.
#![no_main]

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
    time::Duration,
};

use keyward::{auth::coherence::{CoherenceTimings, Heartbeat, Holders, ChangeId, Freshness, MonotonicTime, Notification, Progress, Replica, ReplicaId, settled_unheard_at}, domain::{api_key::Pepper, coherence::message_keys::MessageKeys}, store::wire::{self, CHANGES, Meaning, PULSES, REPLICAS}};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<MessageKeys> = LazyLock::new(|| {
    let pepper = |text: &str| Pepper::new(text.repeat(32).into()).expect("32 bytes");
    MessageKeys::new(&[pepper("a"), pepper("b")])
});

const LEASE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);
const CHANGE: ChangeId = ChangeId(7);

fuzz_target!(|data: &[u8]| {
    let Some((choice, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let channel = if choice & 1 == 0 { CHANGES } else { REPLICAS };
    if choice & 4 != 0 {
        if let Some((_, pulse)) = wire::read_pulse(text) {
            assert_harmless(PULSES, &Meaning::Known(pulse));
        }
    } else if choice & 2 == 0 {
        let meaning = wire::read(channel, text, &KEYS);
        assert_harmless(channel, &meaning);
    } else {
        assert_clear(text);
    }
});

fn assert_harmless(channel: &str, meaning: &Meaning) {
    match meaning {
        Meaning::Nothing | Meaning::Known(Notification::Unproven(_)) => {}
        Meaning::Known(Notification::Pulse { .. }) => assert_eq!(channel, PULSES),
        Meaning::ForOlderVersions | Meaning::Known(Notification::Changed { .. }) => assert_eq!(channel, CHANGES),
        other => panic!("{other:?} without a proof"),
    }
    let Meaning::Known(notification) = meaning else { return };
    let (freshness, settings) = (Freshness::new(16), CoherenceTimings::for_lease(LEASE).expect("a possible lease"));
    let mut replica = Replica::new(ReplicaId(1), settings);
    let connection = replica.listener_connected(at(0), &Holders::Unlisted(Duration::ZERO), 0, &freshness);
    // Another one each time: nobody can guess it.
    let own = replica.tick(at(100), RandomState::new().hash_one(0)).heartbeat.expect("a heartbeat");
    let other = Heartbeat { replica: ReplicaId(2), sequence: 1, lease: LEASE };
    replica.heard(connection, &Notification::Heartbeat(other), at(100), &freshness);
    replica.announce_change(CHANGE);
    replica.heard(connection, &Notification::Announced { change: CHANGE }, at(100), &freshness);
    replica.heartbeat_sent(&own, 0, at(100), &freshness);
    let until = |replica: &Replica, now| match replica.progress(CHANGE, settled_unheard_at(now, LONGEST), now) {
        Progress::Waiting { until } => until,
        Progress::Done(_) => now,
    };
    let before = until(&replica, at(100));
    replica.heard(connection, notification, at(101), &freshness);
    assert!(until(&replica, at(101)) >= before && before > at(101), "a wait got shorter");
    assert!(!freshness.lease_valid(at(101)), "a lease came of it");
}

fn assert_clear(message: &str) {
    let tags: Vec<String> =
        KEYS.tags(message.as_bytes()).map(|tag| format!("{:032x}", u128::from_be_bytes(tag))).collect();
    // The proof of one pepper is enough, wherever it stands.
    for tags in [tags.join(","), tags[0].clone(), format!("{},{}", "0".repeat(32), tags[1])] {
        match wire::read(REPLICAS, &format!("{tags} {message}"), &KEYS) {
            Meaning::OfNewerVersion => {}
            Meaning::Known(notification) => {
                let again = wire::write(&notification, &KEYS).expect("a message");
                assert_eq!(wire::read(REPLICAS, &again, &KEYS), Meaning::Known(notification));
            }
            other => panic!("{other:?} of a replica's message"),
        }
    }
}

fn at(seconds: u64) -> MonotonicTime {
    MonotonicTime::from_nanos(seconds * 1_000_000_000)
}
