//! The format of notifications on three channels. Each is one line of words, separated by single spaces.
//!
//! Each schema has channels of its own, `keyward_OID` and so on, with the number of its table `replicas`, so that two
//! Keywards in one database don't hear each other. Earlier versions share those without a number.
//!
//! On [`CHANGES`], from triggers (`migrations/0017_channels.sql`), without a proof:
//!
//! ```text
//! changed NUMBER ID,ID,…          records to read again (`*`: all of them)
//! ```
//!
//! This form is fixed: if a later version needs more, it also sends `changed NUMBER *` here.
//!
//! On [`REPLICAS`], from replicas. Each message is preceded by its proof, with one tag per pepper of the sender
//! ([`MessageKeys`]):
//!
//! ```text
//! TAG,… heartbeat REPLICA SEQUENCE MS   I am alive; MS is my lease
//! TAG,… announced CHANGE                confirm when you have applied the changes of this transaction
//! TAG,… applied REPLICA CHANGE,…        I have applied these changes
//! TAG,… left REPLICA                    I hold no lease any more
//! ```
//!
//! On [`PULSES`], from a trigger too, without a proof:
//!
//! ```text
//! TABLE NUMBER REPLICA:SEQUENCE:MS,…   the latest heartbeats in this table `replicas`; ids and sequences in hex
//! ```
//!
//! The earliest versions know only [`CHANGES`], on which they send heartbeats, acknowledgements and deregistrations
//! without a proof; anything that they can't read there makes them drop their cache. While replicas are replaced one by
//! one, both kinds must keep the promise. So heartbeats and deregistrations are also sent there in the old form
//! ([`write_older_form`]), and acknowledgements while a replica is heard that may wait for them. Messages in that form
//! make revokers wait, and have no other effect. This can be removed once nobody upgrades from such a version, and so
//! can heartbeats on [`REPLICAS`] from a version that knows no pulses.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::coherence::{
    ChangeId, Heartbeat, Notification, RecordId, Records, ReplicaId,
    message_keys::{MessageKeys, MessageTag},
};

/// The channel of triggers.
pub const CHANGES: &str = "keyward";

/// The channel of replicas.
pub const REPLICAS: &str = "keyward_replicas";

/// The channel of pulses.
pub const PULSES: &str = "keyward_pulses";

/// The maximum number of peppers.
const TAGS_MAX: usize = 8;

/// The meaning of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A message that is understood and may be acted on.
    Known(Notification),
    /// An authentic message in a form that this version does not know.
    OfNewerVersion,
    /// A message for versions that need no proof. It has no meaning for this version.
    ForOlderVersions,
    /// A message from neither a trigger nor a replica.
    Nothing,
}

/// Parses a notification from any sender.
pub fn read(channel: &str, payload: &str, keys: &MessageKeys) -> Meaning {
    if channel == REPLICAS { read_of_replica(payload, keys) } else { read_change(payload) }
}

fn read_of_replica(payload: &str, keys: &MessageKeys) -> Meaning {
    let Some((tags, message)) = payload.split_once(' ') else { return Meaning::Nothing };
    let understood = read_message(message);
    if read_tags(tags).is_some_and(|tags| keys.verify(message.as_bytes(), &tags)) {
        return understood.map_or(Meaning::OfNewerVersion, Meaning::Known);
    }
    match understood {
        // Possibly from a replica with other peppers.
        Some(Notification::Heartbeat(heartbeat)) => Meaning::Known(Notification::Unproven(heartbeat)),
        _ => Meaning::Nothing,
    }
}

fn read_change(payload: &str) -> Meaning {
    let read = || match *words(payload) {
        ["changed", number, records] => {
            let number = number.parse().ok()?;
            Some(Meaning::Known(Notification::Changed { number, records: read_records(records)? }))
        }
        ["heartbeat", ..] => match read_message(payload)? {
            Notification::Heartbeat(heartbeat) => Some(Meaning::Known(Notification::Unproven(heartbeat))),
            _ => None,
        },
        ["applied", replica, number] => {
            read_uuid(replica).and(number.parse::<u64>().ok()).map(|_| Meaning::ForOlderVersions)
        }
        ["left", replica] => read_uuid(replica).map(|_| Meaning::ForOlderVersions),
        _ => None,
    };
    read().unwrap_or(Meaning::Nothing)
}

fn read_message(message: &str) -> Option<Notification> {
    Some(match *words(message) {
        ["heartbeat", replica, sequence, millis] => Notification::Heartbeat(Heartbeat {
            replica: read_replica(replica)?,
            sequence: sequence.parse().ok()?,
            lease: read_millis(millis)?,
        }),
        ["announced", change] => Notification::Announced { change: read_change_id(change)? },
        ["applied", replica, changes] => Notification::Applied {
            replica: read_replica(replica)?,
            changes: changes.split(',').map(read_change_id).collect::<Option<_>>()?,
            up_to: None,
        },
        ["left", replica] => Notification::Left { replica: read_replica(replica)? },
        _ => return None,
    })
}

/// Parses a pulse. Returns the number of the table that it was read from, too: another schema of the database may have
/// replicas of its own.
pub fn read_pulse(payload: &str) -> Option<(u32, Notification)> {
    let [table, number, heartbeats] = *words(payload) else { return None };
    let heartbeat = |word: &str| {
        let [replica, sequence, millis] = *word.splitn(4, ':').collect::<Vec<_>>() else { return None };
        let replica = (replica.len() == 32).then(|| u128::from_str_radix(replica, 16).ok()).flatten()?;
        let sequence = u64::from_str_radix(sequence, 16).ok()?;
        Some(Heartbeat { replica: ReplicaId(replica), sequence, lease: read_millis(millis)? })
    };
    let heartbeats = heartbeats.split(',').map(heartbeat).collect::<Option<_>>()?;
    Some((table.parse().ok()?, Notification::Pulse { number: number.parse().ok()?, heartbeats }))
}

fn read_millis(word: &str) -> Option<Duration> {
    word.parse().ok().map(Duration::from_millis)
}

/// No message has more than four words.
fn words(message: &str) -> Vec<&str> {
    message.splitn(5, ' ').collect()
}

fn read_records(word: &str) -> Option<Records> {
    if word == "*" {
        return Some(Records::All);
    }
    word.split(',').map(|id| read_uuid(id).map(RecordId)).collect::<Option<_>>().map(Records::These)
}

fn read_replica(word: &str) -> Option<ReplicaId> {
    read_uuid(word).map(ReplicaId)
}

/// Accepts only the form that is written.
fn read_uuid(word: &str) -> Option<u128> {
    let uuid: Uuid = word.parse().ok()?;
    (word.len() == uuid::fmt::Hyphenated::LENGTH).then_some(uuid.as_u128())
}

fn read_change_id(word: &str) -> Option<ChangeId> {
    (word.len() == 16).then(|| u64::from_str_radix(word, 16).ok().map(ChangeId)).flatten()
}

fn read_tags(words: &str) -> Option<Vec<MessageTag>> {
    let tags = words.split(',').map(|word| (word.len() == 32).then(|| u128::from_str_radix(word, 16).ok()).flatten());
    let tags: Vec<MessageTag> = tags.take(TAGS_MAX).map(|tag| tag.map(u128::to_be_bytes)).collect::<Option<_>>()?;
    Some(tags)
}

/// Encodes a message with its proof; `None` if it would say nothing.
pub fn write(notification: &Notification, keys: &MessageKeys) -> Option<String> {
    let message = match notification {
        Notification::Heartbeat(_) | Notification::Left { .. } => write_older_form(notification)?,
        Notification::Announced { change } => return Some(write_announcement(*change, keys)),
        Notification::Applied { replica, changes, .. } if !changes.is_empty() => {
            let changes: Vec<_> = changes.iter().map(|change| format!("{:016x}", change.0)).collect();
            format!("applied {} {}", Uuid::from_u128(replica.0), changes.join(","))
        }
        Notification::Applied { .. }
        | Notification::Changed { .. }
        | Notification::Pulse { .. }
        | Notification::Unproven(_) => return None,
    };
    Some(with_proof(&message, keys))
}

/// Encodes the announcement of a change.
pub fn write_announcement(change: ChangeId, keys: &MessageKeys) -> String {
    with_proof(&format!("announced {:016x}", change.0), keys)
}

fn with_proof(message: &str, keys: &MessageKeys) -> String {
    let tags = keys.tags(message.as_bytes()).map(|tag| format!("{:032x}", u128::from_be_bytes(tag)));
    format!("{} {message}", tags.collect::<Vec<_>>().join(","))
}

/// Encodes a message for versions that need no proof, if they know of it.
pub fn write_older_form(notification: &Notification) -> Option<String> {
    match notification {
        Notification::Heartbeat(Heartbeat { replica, sequence, lease }) => {
            Some(format!("heartbeat {} {sequence} {}", Uuid::from_u128(replica.0), lease.as_millis()))
        }
        Notification::Applied { replica, up_to, .. } => {
            up_to.map(|number| format!("applied {} {number}", Uuid::from_u128(replica.0)))
        }
        Notification::Left { replica } => Some(format!("left {}", Uuid::from_u128(replica.0))),
        Notification::Announced { .. }
        | Notification::Changed { .. }
        | Notification::Pulse { .. }
        | Notification::Unproven(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{api_key::Pepper, secret::SecretString};

    const REPLICA: ReplicaId = ReplicaId(u128::MAX - 1);

    const HEARTBEAT: Heartbeat = Heartbeat { replica: REPLICA, sequence: 7, lease: Duration::from_secs(5) };

    fn keys(pepper: &str) -> MessageKeys {
        MessageKeys::new(&[Pepper::new(SecretString::new(pepper.repeat(32))).expect("32 bytes")])
    }

    fn all() -> [Notification; 5] {
        [
            Notification::Heartbeat(HEARTBEAT),
            Notification::Announced { change: ChangeId(u64::MAX) },
            Notification::Applied { replica: REPLICA, changes: vec![ChangeId(9)], up_to: None },
            Notification::Applied { replica: REPLICA, changes: vec![ChangeId(1), ChangeId(2)], up_to: None },
            Notification::Left { replica: REPLICA },
        ]
    }

    #[test]
    fn what_a_replica_sends_is_read_by_whoever_has_its_pepper() {
        for notification in all() {
            let message = write(&notification, &keys("a")).expect("a message");
            assert_eq!(read(REPLICAS, &message, &keys("a")), Meaning::Known(notification));
        }
    }

    #[test]
    fn without_a_good_proof_a_heartbeat_makes_revokers_wait_and_nothing_else_has_a_meaning() {
        let without_proof = |message: &str| message.split_once(' ').expect("two parts").1.to_owned();
        for (number, notification) in all().into_iter().enumerate() {
            let message = write(&notification, &keys("a")).expect("a message");
            let forged = [
                write(&notification, &keys("b")).expect("a message"),
                without_proof(&message),
                format!("{:032x} {}", 0, without_proof(&message)),
                // A proof of another message.
                message.replacen(' ', "  ", 1),
                format!("{message} "),
            ];
            for payload in forged {
                let meaning = read(REPLICAS, &payload, &keys("a"));
                let unproven = Notification::Unproven(HEARTBEAT);
                let waits = number == 0 && meaning == Meaning::Known(unproven);
                assert!(meaning == Meaning::Nothing || waits, "{payload}: {meaning:?}");
            }
            // Nor on the other channel.
            assert_eq!(read(CHANGES, &message, &keys("a")), Meaning::Nothing);
        }
    }

    #[test]
    fn what_a_newer_version_sends_counts_as_lost() {
        let keys = keys("a");
        let tags = |message: &str| {
            let tag = keys.tags(message.as_bytes()).next().expect("one pepper");
            format!("{:032x} {message}", u128::from_be_bytes(tag))
        };
        for message in ["", "pulse 1", "left", "applied x 1", "heartbeat 1 2 3"] {
            assert_eq!(read(REPLICAS, &tags(message), &keys), Meaning::OfNewerVersion, "{message}");
        }
    }

    #[test]
    fn what_triggers_send_is_read_and_what_only_looks_like_it_is_not() {
        let id = "00000000-0000-0000-0000-000000000001";
        let known = |number, records| Meaning::Known(Notification::Changed { number, records });
        let one = RecordId(1);
        for (payload, meaning) in [
            ("changed 18446744073709551615 *", known(u64::MAX, Records::All)),
            (&*format!("changed 1 {id}"), known(1, Records::These(vec![one]))),
            (&*format!("changed 1 {id},{id}"), known(1, Records::These(vec![one, one]))),
        ] {
            assert_eq!(read(CHANGES, payload, &keys("a")), meaning, "{payload}");
            assert_eq!(read(REPLICAS, payload, &keys("a")), Meaning::Nothing, "{payload}");
        }
        for payload in [
            "",
            "changed",
            "changed x *",
            "changed 1 1,2",
            "changed 1 ",
            "changed 1 * *",
            "left",
            "heartbeat 1 2 3",
            "x",
        ] {
            assert_eq!(read(CHANGES, payload, &keys("a")), Meaning::Nothing, "{payload}");
        }
    }

    #[test]
    fn a_pulse_names_heartbeats_or_nothing() {
        let id = format!("{:032x}", REPLICA.0);
        let pulse = |heartbeats| Some((16_385, Notification::Pulse { number: 9, heartbeats }));
        let other = Heartbeat { replica: ReplicaId(1), sequence: u64::MAX, lease: Duration::from_millis(1500) };
        assert_eq!(read_pulse(&format!("16385 9 {id}:7:5000")), pulse(vec![HEARTBEAT]));
        let two = format!("16385 9 {id}:7:5000,{:032x}:ffffffffffffffff:1500", 1);
        assert_eq!(read_pulse(&two), pulse(vec![HEARTBEAT, other]));
        let long = format!("{id}0:7:5000");
        for bad in ["", ":", "x:7:5000", &long, &format!("{id}:7"), &format!("{id}:7:5000:"), &format!("{id}:7:5000,")]
        {
            assert_eq!(read_pulse(&format!("16385 9 {bad}")), None, "{bad}");
        }
        for bad in [format!("16385 {id}:7:5000"), format!("x 9 {id}:7:5000"), format!("16385 9 {id}:7:5000 x")] {
            assert_eq!(read_pulse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_sent_for_older_versions_is_what_they_have_sent() {
        let id = Uuid::from_u128(REPLICA.0);
        let forms: Vec<_> = all().iter().map(write_older_form).collect();
        assert_eq!(forms[0], Some(format!("heartbeat {id} 7 5000")));
        assert_eq!((&forms[1], &forms[2]), (&None, &None));
        assert_eq!(forms[4], Some(format!("left {id}")));
        let applied = Notification::Applied { replica: REPLICA, changes: Vec::new(), up_to: Some(3) };
        assert_eq!(write(&applied, &keys("a")), None);
        assert_eq!(write_older_form(&applied), Some(format!("applied {id} 3")));
        for (form, meaning) in
            [(format!("applied {id} 3"), Meaning::ForOlderVersions), (format!("left {id}"), Meaning::ForOlderVersions)]
        {
            assert_eq!(read(CHANGES, &form, &keys("a")), meaning);
        }
    }
}
