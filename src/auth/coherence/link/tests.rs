use async_trait::async_trait;
use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::*;
use crate::domain::coherence::{ChangeId, Holders, LONGEST_LEASE, Mark};

/// Accepts messages one after the other, each with a permit.
struct Slow {
    begun: watch::Sender<usize>,
    let_through: Semaphore,
    taken: Mutex<Vec<Notification>>,
}

#[async_trait]
impl Announcements for Slow {
    async fn listen(&self, _: Duration) -> Result<Listening, StoreError> {
        Err(StoreError::Unavailable("nobody asks".to_owned()))
    }

    async fn beat(&self, heartbeat: &Heartbeat, _: Option<u64>) -> Result<u64, StoreError> {
        self.send(&Notification::Heartbeat(*heartbeat)).await.map(|()| 0)
    }

    async fn send(&self, notification: &Notification) -> Result<(), StoreError> {
        self.begun.send_modify(|begun| *begun += 1);
        self.let_through.acquire().await.expect("never closed").forget();
        self.taken.lock().push(notification.clone());
        Ok(())
    }

    fn mark(&self, _: ChangeId) -> Mark {
        unimplemented!("nobody changes anything")
    }

    async fn acknowledged(&self, _: &[ChangeId]) -> Result<Vec<(ReplicaId, Vec<ChangeId>)>, StoreError> {
        Ok(Vec::new())
    }

    async fn longest_lease(&self) -> Duration {
        LONGEST_LEASE
    }
}

#[tokio::test]
async fn the_good_bye_comes_after_a_heartbeat_that_is_on_its_way() {
    let (begun, mut seen) = watch::channel(0);
    let slow = Arc::new(Slow { begun, let_through: Semaphore::new(0), taken: Mutex::default() });
    let settings = CoherenceTimings::for_lease(Duration::from_secs(5)).expect("a possible lease");
    let link = Arc::new(Link::new(ReplicaId(1), settings, Arc::clone(&slow) as Arc<dyn Announcements>));
    link.replica().listener_connected(clock::now(), &Holders::Unlisted(LONGEST_LEASE), 0, &link.freshness);
    assert!(!link.tick());
    seen.wait_for(|begun| *begun == 1).await.expect("a heartbeat");

    let mut leave = link.leave().boxed();
    assert!(leave.as_mut().now_or_never().is_none());
    assert_eq!(*seen.borrow(), 1, "it waits for the heartbeat");
    link.tick();
    slow.let_through.add_permits(2);
    leave.await;
    let taken = slow.taken.lock();
    assert!(matches!(taken[..], [Notification::Heartbeat(_), Notification::Left { .. }]), "{taken:?}");
}
