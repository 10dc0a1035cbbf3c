//! How replicas tell each other what has changed: NOTIFY and LISTEN on one channel.
//!
//! The payloads are one line each, words with one space between:
//!
//! ```text
//! changed CHANGE ID,ID,…          keys to read again (by a trigger; `*`: all of them)
//! heartbeat REPLICA SEQUENCE MS   I am here; MS is my lease
//! applied REPLICA CHANGE          I have applied this change and all before it
//! left REPLICA                    I hold no lease any more
//! ```

use std::{fmt::Write, time::Duration};

use async_trait::async_trait;
use sqlx::postgres::{PgListener, PgPoolOptions};
use uuid::Uuid;

use super::{Store, store_error};
use crate::domain::{
    coherence::{ChangeId, LONGEST_LEASE, Notification, RecordId, Records, ReplicaId},
    ports::{Announcements, Listener, Listening, StoreError},
};

/// The trigger of `migrations/0002_coherence.sql` sends to the same.
const CHANNEL: &str = "keyward";

/// A connection that was reset is replaced at once; a database that is away is asked so often.
const PAUSE_BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(50);

#[async_trait]
impl Announcements for Store {
    async fn listen(&self, lease: Duration) -> Result<Listening, StoreError> {
        self.enter_lease(lease).await?;
        // The listener would rather reconnect silently; we must know, so each has a pool of its own.
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(self.listen_options.clone());
        let connect = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            Ok(listener)
        };
        let listener = Box::new(PgAnnouncements(self.within_deadline(connect).await?));
        Ok(Listening { listener, longest_lease: self.longest_lease().await })
    }

    async fn send(&self, notification: &Notification) -> Result<(), StoreError> {
        let payload = write_payload(notification);
        let query = sqlx::query!("SELECT pg_notify($1, $2)", CHANNEL, payload);
        self.within_deadline(query.execute(&self.signals)).await.map(drop)
    }

    async fn longest_lease(&self) -> Duration {
        let answer = async {
            loop {
                let query = sqlx::query_scalar!("SELECT longest_lease_ms FROM coherence");
                match self.within_deadline(query.fetch_one(&self.pool)).await {
                    Ok(millis) => return Duration::from_millis(millis.unsigned_abs().into()),
                    Err(error) => tracing::warn!(%error, "could not read the longest lease; asking again"),
                }
                tokio::time::sleep(PAUSE_BEFORE_ASKING_AGAIN).await;
            }
        };
        tokio::time::timeout(LONGEST_LEASE, answer).await.unwrap_or(LONGEST_LEASE)
    }
}

impl Store {
    async fn enter_lease(&self, lease: Duration) -> Result<(), StoreError> {
        let millis = i32::try_from(lease.as_millis()).unwrap_or(i32::MAX);
        let query = sqlx::query!("UPDATE coherence SET longest_lease_ms = $1 WHERE longest_lease_ms < $1", millis,);
        self.within_deadline(query.execute(&self.pool)).await.map(drop)
    }
}

struct PgAnnouncements(PgListener);

#[async_trait]
impl Listener for PgAnnouncements {
    async fn next(&mut self) -> Result<Notification, StoreError> {
        let lost = || StoreError::Unavailable("the listening connection was lost".to_owned());
        let arrived = self.0.try_recv().await.map_err(store_error)?.ok_or_else(lost)?;
        // What cannot be read may have been a change: as good as lost.
        read_payload(arrived.payload())
            .ok_or_else(|| StoreError::Corrupt(format!("a notification of unknown form on channel {CHANNEL}")))
    }
}

fn write_payload(notification: &Notification) -> String {
    match notification {
        Notification::Heartbeat { replica, sequence, lease } => {
            format!("heartbeat {} {sequence} {}", Uuid::from_u128(replica.0), lease.as_millis())
        }
        Notification::Changed { change, records: Records::All } => format!("changed {} *", change.0),
        Notification::Changed { change, records: Records::These(ids) } => {
            let mut payload = format!("changed {} ", change.0);
            for (position, id) in ids.iter().enumerate() {
                let comma = if position == 0 { "" } else { "," };
                let _ = write!(payload, "{comma}{}", Uuid::from_u128(id.0));
            }
            payload
        }
        Notification::Applied { replica, up_to } => format!("applied {} {}", Uuid::from_u128(replica.0), up_to.0),
        Notification::Left { replica } => format!("left {}", Uuid::from_u128(replica.0)),
    }
}

fn read_payload(payload: &str) -> Option<Notification> {
    let mut words = payload.split(' ');
    let mut word = || words.next();
    let notification = match word()? {
        "changed" => Notification::Changed { change: read_change(word()?)?, records: read_records(word()?)? },
        "heartbeat" => Notification::Heartbeat {
            replica: read_replica(word()?)?,
            sequence: word()?.parse().ok()?,
            lease: Duration::from_millis(word()?.parse().ok()?),
        },
        "applied" => Notification::Applied { replica: read_replica(word()?)?, up_to: read_change(word()?)? },
        "left" => Notification::Left { replica: read_replica(word()?)? },
        _ => return None,
    };
    words.next().is_none().then_some(notification)
}

fn read_change(word: &str) -> Option<ChangeId> {
    word.parse().ok().map(ChangeId)
}

fn read_replica(word: &str) -> Option<ReplicaId> {
    word.parse().ok().map(|id: Uuid| ReplicaId(id.as_u128()))
}

fn read_records(word: &str) -> Option<Records> {
    if word == "*" {
        return Some(Records::All);
    }
    let ids = word.split(',').map(|id| id.parse().ok().map(|id: Uuid| RecordId(id.as_u128())));
    ids.collect::<Option<_>>().map(Records::These)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notification_survives_the_wire() {
        let replica = ReplicaId(u128::MAX - 1);
        for notification in [
            Notification::Heartbeat { replica, sequence: 7, lease: Duration::from_secs(5) },
            Notification::Changed { change: ChangeId(u64::MAX), records: Records::All },
            Notification::Changed { change: ChangeId(1), records: Records::These(vec![RecordId(1), RecordId(2)]) },
            Notification::Applied { replica, up_to: ChangeId(9) },
            Notification::Left { replica },
        ] {
            assert_eq!(read_payload(&write_payload(&notification)), Some(notification));
        }
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        for payload in ["", "changed", "changed x *", "changed 1 1,2", "left", "heartbeat 1 2 3", "changed 1 * *"] {
            assert_eq!(read_payload(payload), None, "{payload}");
        }
    }
}
