//! How a replica acknowledges a change: by a row that only revokers read, or by a message, where a replica of an earlier
//! version has made the change.

use std::{sync::Arc, time::Duration};

use keyward::{
    auth::coherence::{ChangeId, Notification, ReplicaId},
    config::Database,
    domain::{
        api_key::Pepper,
        coherence::message_keys::MessageKeys,
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
async fn the_row_keeps_the_last_changes_and_no_more() {
    let database = database().await;
    let replica = announcements(&database).await;
    let change = |number: u64| ChangeId::by_rows(number << 16);
    let burst: Vec<ChangeId> = (0..400).map(change).collect();
    replica.send(&applied(vec![change(1000)])).await.expect("sent");
    for _ in 0..3 {
        replica.send(&applied(burst.clone())).await.expect("sent");
        let found = replica.acknowledged(&burst).await.expect("rows");
        assert_eq!(found[0].1.len(), 400);
    }
    assert_eq!(replica.acknowledged(&[change(1000)]).await.expect("rows"), []);
}
