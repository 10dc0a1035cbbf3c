//! Limits how many requests of one owner, session or the like may use a shared resource at once, so that nobody can
//! exclude the others.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Those with requests in progress. Never more than there are requests, which `server.max_connections` bounds.
pub(crate) struct Turns<Whose: Clone + Eq + Hash> {
    those: Mutex<HashMap<Whose, Arc<Semaphore>>>,
}

/// A turn. It ends when this is dropped.
pub(crate) struct Turn<Whose: Clone + Eq + Hash> {
    // Released before the place is left.
    _permit: OwnedSemaphorePermit,
    _place: Place<Whose>,
}

/// An entry, held by everybody who has a turn or waits for one.
struct Place<Whose: Clone + Eq + Hash> {
    turns: Arc<Turns<Whose>>,
    whose: Whose,
    /// `None` while the place is being left.
    semaphore: Option<Arc<Semaphore>>,
}

impl<Whose: Clone + Eq + Hash> Turns<Whose> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { those: Mutex::default() })
    }

    /// Waits for one of `most` turns, always as many for the same, without a time limit. They come in the order in
    /// which they are waited for.
    pub(crate) async fn take(self: &Arc<Self>, whose: Whose, most: usize) -> Turn<Whose> {
        let place = Place::of(self, whose, most);
        let semaphore = Arc::clone(place.semaphore.as_ref().expect("it is not being left"));
        let permit = semaphore.acquire_owned().await.expect("it is never closed");
        Turn { _permit: permit, _place: place }
    }
}

impl<Whose: Clone + Eq + Hash> Place<Whose> {
    fn of(turns: &Arc<Turns<Whose>>, whose: Whose, most: usize) -> Self {
        let mut those = turns.those.lock();
        let semaphore = Arc::clone(those.entry(whose.clone()).or_insert_with(|| Arc::new(Semaphore::new(most))));
        drop(those);
        Self { turns: Arc::clone(turns), whose, semaphore: Some(semaphore) }
    }
}

impl<Whose: Clone + Eq + Hash> Drop for Place<Whose> {
    fn drop(&mut self) {
        let mut those = self.turns.those.lock();
        self.semaphore = None;
        // Everybody else with a place holds a reference of their own, acquired under this lock.
        if those.get(&self.whose).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            those.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_owner_waits_for_turns_others_do_not_and_nobody_is_remembered() {
        let turns = Turns::new();
        let first = turns.take("alice", 2).await;
        let second = turns.take("alice", 2).await;
        let mut third = turns.take("alice", 2).boxed();
        assert!(third.as_mut().now_or_never().is_none(), "it waits");
        drop(turns.take("bob", 2).now_or_never().expect("a turn"));
        drop(first);
        let third = third.await;
        assert!(turns.take("alice", 2).now_or_never().is_none(), "nobody has ended");
        assert_eq!(turns.those.lock().len(), 1);
        drop((second, third));
        assert_eq!(turns.those.lock().len(), 0);
    }
}
