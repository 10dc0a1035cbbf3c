//! What is sent by NOTIFY, on two channels. One line each, words with one space between.
//!
//! On [`CHANGES`], by triggers (`migrations/0006_announcements.sql`), without a proof:
//!
//! ```text
//! changed NUMBER ID,ID,…          records to read again (`*`: all of them)
//! ```
//!
//! This form is fixed: whoever has more to say in a later version says `changed NUMBER *` here as well.
//!
//! On [`REPLICAS`], by replicas. Before each stands its proof, one tag a pepper of the sender
//! ([`MessageKeys`]):
//!
//! ```text
//! TAG,… heartbeat REPLICA SEQUENCE MS   I am here; MS is my lease
//! TAG,… announced CHANGE                tell me when you have applied what this transaction changes
//! TAG,… applied REPLICA CHANGE,…        I have applied these changes
//! TAG,… left REPLICA                    I hold no lease any more
//! ```
//!
//! Earlier versions know [`CHANGES`] alone, where they send heartbeats, acknowledgements and good-byes without a proof;
//! what they can't read there makes them forget everything. While replicas are replaced one by one, both kinds must keep
//! the promise. So heartbeats and good-byes are sent there in the old form as well ([`write_older_form`]), and
//! acknowledgements while somebody is heard who may wait for them. What comes there in that form makes revokers wait,
//! and does nothing else. This can go once nobody upgrades from such a version.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::coherence::{
    ChangeId, Notification, RecordId, Records, ReplicaId,
    message_keys::{MessageKeys, MessageTag},
};

/// Where triggers tell what has changed.
pub const CHANGES: &str = "keyward";

/// Where replicas talk to each other.
pub const REPLICAS: &str = "keyward_replicas";

/// The most peppers that somebody has.
const TAGS_MAX: usize = 8;

/// What a notification is to a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is understood, and may be acted on.
    Known(Notification),
    /// A replica has sent it, and this version does not know the form.
    OfNewerVersion,
    /// What replicas send for versions that ask for no proof. It says nothing.
    ForOlderVersions,
    /// It is neither a trigger's nor a replica's.
    Nothing,
}

/// Reads a notification, whoever has sent it.
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
        // Of a replica with other peppers, perhaps.
        Some(Notification::Heartbeat { replica, lease, .. }) => {
            Meaning::Known(Notification::Unproven { replica, lease })
        }
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
            Notification::Heartbeat { replica, lease, .. } => {
                Some(Meaning::Known(Notification::Unproven { replica, lease }))
            }
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
        ["heartbeat", replica, sequence, millis] => Notification::Heartbeat {
            replica: read_replica(replica)?,
            sequence: sequence.parse().ok()?,
            lease: Duration::from_millis(millis.parse().ok()?),
        },
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

/// No message has more words than four.
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

/// In the one spelling that is written.
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

/// What a replica sends, with its proof; `None` where that would say nothing.
pub fn write(notification: &Notification, keys: &MessageKeys) -> Option<String> {
    let message = match notification {
        Notification::Heartbeat { .. } | Notification::Left { .. } => write_older_form(notification)?,
        Notification::Announced { change } => return Some(write_announcement(*change, keys)),
        Notification::Applied { replica, changes, .. } if !changes.is_empty() => {
            let changes: Vec<_> = changes.iter().map(|change| format!("{:016x}", change.0)).collect();
            format!("applied {} {}", Uuid::from_u128(replica.0), changes.join(","))
        }
        Notification::Applied { .. } | Notification::Changed { .. } | Notification::Unproven { .. } => return None,
    };
    Some(with_proof(&message, keys))
}

/// What announces a change.
pub fn write_announcement(change: ChangeId, keys: &MessageKeys) -> String {
    with_proof(&format!("announced {:016x}", change.0), keys)
}

fn with_proof(message: &str, keys: &MessageKeys) -> String {
    let tags = keys.tags(message.as_bytes()).map(|tag| format!("{:032x}", u128::from_be_bytes(tag)));
    format!("{} {message}", tags.collect::<Vec<_>>().join(","))
}

/// The same for versions that ask for no proof, where they know of such a thing.
pub fn write_older_form(notification: &Notification) -> Option<String> {
    match notification {
        Notification::Heartbeat { replica, sequence, lease } => {
            Some(format!("heartbeat {} {sequence} {}", Uuid::from_u128(replica.0), lease.as_millis()))
        }
        Notification::Applied { replica, up_to, .. } => {
            up_to.map(|number| format!("applied {} {number}", Uuid::from_u128(replica.0)))
        }
        Notification::Left { replica } => Some(format!("left {}", Uuid::from_u128(replica.0))),
        Notification::Announced { .. } | Notification::Changed { .. } | Notification::Unproven { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{api_key::Pepper, secret::SecretString};

    const REPLICA: ReplicaId = ReplicaId(u128::MAX - 1);

    fn keys(pepper: &str) -> MessageKeys {
        MessageKeys::new(&[Pepper::new(SecretString::new(pepper.repeat(32))).expect("32 bytes")])
    }

    fn all() -> [Notification; 5] {
        [
            Notification::Heartbeat { replica: REPLICA, sequence: 7, lease: Duration::from_secs(5) },
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
                // A proof of something else.
                message.replacen(' ', "  ", 1),
                format!("{message} "),
            ];
            for payload in forged {
                let meaning = read(REPLICAS, &payload, &keys("a"));
                let unproven = Notification::Unproven { replica: REPLICA, lease: Duration::from_secs(5) };
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
