//! The purses in use, by holder.

use std::{
    array,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::purse::Purse;
use crate::{
    auth::coherence::MonotonicTime,
    domain::limits::{Holder, SpentCredits},
};

/// Into how many parts they are divided, so that whoever looks at all of them holds nobody up.
pub(super) const PARTS: usize = 64;

/// The credits of a key or of an owner, for as long as this replica has something to do with them. Unlike a meter, it
/// outlives changes of the key and its place in memory, because what it has in hand has to be given back.
pub(in crate::auth) struct SharedPurse {
    purse: Mutex<Purse>,
    answered: Notify,
}

impl SharedPurse {
    pub(super) fn new(purse: Purse) -> Self {
        Self { purse: Mutex::new(purse), answered: Notify::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Purse> {
        self.purse.lock()
    }

    /// Notified when the database has answered, or has not.
    pub(super) fn answers(&self) -> &Notify {
        &self.answered
    }

    pub(super) fn tell_waiting(&self) {
        self.answered.notify_waiters();
    }
}

/// Finds the purse of a holder. It keeps a purse as long as a key in memory needs it, or until all is settled that it
/// has ever had. So there are as many as the memory of keys has places, and those of keys that were forgotten in the
/// last half minute.
pub(super) struct Purses {
    parts: [Mutex<HashMap<Holder, Arc<SharedPurse>>>; PARTS],
    /// The number of the next purse.
    next: AtomicU64,
}

impl Default for Purses {
    fn default() -> Self {
        Self { parts: array::from_fn(|_| Mutex::default()), next: AtomicU64::new(1) }
    }
}

impl Purses {
    /// The purse that has these credits, as of this version.
    pub(super) fn of(&self, credits: SpentCredits) -> Arc<SharedPurse> {
        let mut part = self.part(credits.holder.as_u128() as usize % PARTS);
        let begin = || {
            let number = self.next.fetch_add(1, Relaxed);
            Arc::new(SharedPurse::new(Purse::new(credits.holder, number, credits.version)))
        };
        let purse = Arc::clone(part.entry(credits.holder).or_insert_with(begin));
        drop(part);
        purse.lock().follow(credits.version);
        purse
    }

    /// Those in this part that begin to give back what they have: what nobody has used for a while, or everything.
    /// Forgets those that nobody needs.
    pub(super) fn begin_returns(&self, part: usize, now: MonotonicTime, everything: bool) -> Vec<Arc<SharedPurse>> {
        let mut begun = Vec::new();
        self.part(part).retain(|_, shared| {
            let mut purse = shared.lock();
            if purse.begin_return(now, everything) {
                begun.push(Arc::clone(shared));
            }
            !purse.is_settled() || Arc::strong_count(shared) > 1
        });
        begun
    }

    /// Whether there is no purse.
    pub(super) fn are_none(&self) -> bool {
        (0..PARTS).all(|part| self.part(part).is_empty())
    }

    /// Whether all is settled.
    pub(super) fn are_settled(&self) -> bool {
        (0..PARTS).all(|part| self.part(part).values().all(|purse| purse.lock().is_settled()))
    }

    fn part(&self, part: usize) -> MutexGuard<'_, HashMap<Holder, Arc<SharedPurse>>> {
        self.parts[part].lock()
    }
}
