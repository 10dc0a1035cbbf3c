//! Limits how many requests of one owner may use a shared resource at once, so that no owner can exclude the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::owner::Owner;

/// The owners with requests in progress. Never more than there are requests, which `server.max_connections` bounds.
pub(crate) struct OwnerTurns {
    most: usize,
    owners: Mutex<HashMap<Owner, Arc<Semaphore>>>,
}

/// A turn of an owner. It ends when this is dropped.
pub(crate) struct Turn {
    // Released before the place is left.
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// The entry of an owner, held by everybody who has a turn or waits for one.
struct Place {
    turns: Arc<OwnerTurns>,
    owner: Owner,
    /// `None` while the place is being left.
    semaphore: Option<Arc<Semaphore>>,
}

impl OwnerTurns {
    /// At most `most` turns of an owner at a time.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, owners: Mutex::default() })
    }

    /// Waits for a turn of this owner, without a time limit.
    pub(crate) async fn take(self: &Arc<Self>, owner: &Owner) -> Turn {
        let place = Place::of(self, owner);
        let semaphore = Arc::clone(place.semaphore.as_ref().expect("it is not being left"));
        let permit = semaphore.acquire_owned().await.expect("it is never closed");
        Turn { _permit: permit, _place: place }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Arc<Semaphore>>> {
        // A panic while the map was locked leaves a valid map.
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn of(turns: &Arc<OwnerTurns>, owner: &Owner) -> Self {
        let mut owners = turns.lock();
        let semaphore = owners.entry(owner.clone()).or_insert_with(|| Arc::new(Semaphore::new(turns.most)));
        Self { turns: Arc::clone(turns), owner: owner.clone(), semaphore: Some(Arc::clone(semaphore)) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut owners = self.turns.lock();
        self.semaphore = None;
        // Everybody else with a place holds a reference of their own, acquired under this lock.
        if owners.get(&self.owner).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            owners.remove(&self.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn owner(subject: &str) -> Owner {
        Owner { issuer: "".into(), subject: subject.into() }
    }

    #[tokio::test]
    async fn one_owner_waits_for_turns_others_do_not_and_nobody_is_remembered() {
        let turns = OwnerTurns::new(2);
        let (alice, bob) = (owner("alice"), owner("bob"));
        let first = turns.take(&alice).await;
        let second = turns.take(&alice).await;
        let mut third = turns.take(&alice).boxed();
        assert!(third.as_mut().now_or_never().is_none(), "it waits");
        drop(turns.take(&bob).now_or_never().expect("a turn"));
        drop(first);
        let third = third.await;
        assert!(turns.take(&alice).now_or_never().is_none(), "nobody has ended");
        assert_eq!(turns.lock().len(), 1);
        drop((second, third));
        assert_eq!(turns.lock().len(), 0);
    }
}
