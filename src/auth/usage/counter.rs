//! The uses of one key that are not written yet.

use std::sync::{
    Arc, OnceLock,
    atomic::{
        AtomicU32,
        Ordering::{Relaxed, SeqCst},
    },
};

use parking_lot::Mutex;
use time::OffsetDateTime;

use crate::{
    domain::{
        api_key::KeyId,
        key_record::LastUse,
        usage::{UsageTag, UseOutcome},
    },
    telemetry::metrics::counting::Counter,
};

/// The mark of a counter that is not in the list.
const UNLISTED: u32 = 0;

/// The uses of one key. What is known about a key in memory points to it, so that counting searches nothing. About 170
/// bytes, and 60 more for each tag that the key is used with.
pub(in crate::auth) struct KeyUses {
    key: KeyId,
    /// The hour of the uses, in hours since 1970, while this is in the list; otherwise [`UNLISTED`].
    hour: AtomicU32,
    /// The minute in which the last use was noted, so that further uses within it are not.
    noted: AtomicU32,
    last: Mutex<Option<LastUse>>,
    untagged: Tally,
    /// Those with tags, in the order of their first use.
    tagged: Next,
    /// Counts uses that are lost with this.
    lost: Arc<Counter>,
}

/// Uses by outcome.
#[derive(Default)]
struct Tally([AtomicU32; UseOutcome::COUNT]);

/// The uses with one tag.
struct Tagged {
    tag: UsageTag,
    tally: Tally,
    next: Next,
}

/// The uses with a further tag, if there are any. A list, because few tags are used with one key, and it needs no lock.
type Next = OnceLock<Box<Tagged>>;

/// Uses that were taken from a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) key: KeyId,
    pub(super) hour: u32,
    pub(super) outcome: UseOutcome,
    pub(super) tag: UsageTag,
    pub(super) count: u32,
}

/// Whether a counter has to be put into the list, or has counts of an earlier hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListState {
    /// It is listed with this hour.
    Listed,
    /// It is listed with an earlier hour.
    Earlier,
    /// It is not listed.
    Unlisted,
}

/// The hour of an instant. Suffices until the year 491,000.
pub(super) fn hour_of(at: OffsetDateTime) -> u32 {
    u32::try_from(at.unix_timestamp() / 3600).map_or(1, |hour| hour.max(1))
}

impl KeyUses {
    /// A counter for this key. Uses that it holds when it is dropped are added to `lost`.
    pub(super) fn new(key: KeyId, lost: Arc<Counter>) -> Self {
        Self {
            key,
            hour: AtomicU32::new(UNLISTED),
            noted: AtomicU32::new(0),
            last: Mutex::default(),
            untagged: Tally::default(),
            tagged: Next::new(),
            lost,
        }
    }

    /// Counts one use. To be preceded and followed by a look at its [`list_state`](Self::list_state).
    pub(super) fn count(&self, outcome: UseOutcome, tag: UsageTag) {
        self.tally(tag).0[outcome.place()].fetch_add(1, SeqCst);
    }

    fn tally(&self, tag: UsageTag) -> &Tally {
        if !tag.is_some() {
            return &self.untagged;
        }
        let mut next = &self.tagged;
        loop {
            let new = || Box::new(Tagged { tag, tally: Tally::default(), next: Next::new() });
            let tagged = next.get_or_init(new);
            if tagged.tag == tag {
                return &tagged.tally;
            }
            next = &tagged.next;
        }
    }

    /// Notes when and from where the key was used, once a minute.
    pub(super) fn note(&self, at: OffsetDateTime, from: Option<std::net::IpAddr>) {
        // Suffices until the year 10136.
        let minute = (at.unix_timestamp() / 60) as u32;
        if self.noted.load(Relaxed) != minute && self.noted.swap(minute, Relaxed) != minute {
            *self.last.lock() = Some(LastUse { at, from });
        }
    }

    /// Whether it has to be listed, from the point of view of a use in this hour.
    pub(super) fn list_state(&self, hour: u32) -> ListState {
        match self.hour.load(SeqCst) {
            UNLISTED => ListState::Unlisted,
            listed if listed < hour => ListState::Earlier,
            _ => ListState::Listed,
        }
    }

    /// Marks it as listed. Returns whether it was not before. Only while the list is locked.
    pub(super) fn list(&self, hour: u32) -> bool {
        self.hour.compare_exchange(UNLISTED, hour, SeqCst, SeqCst).is_ok()
    }

    /// Uses from now on are of this hour. Returns the hour of those until now, if it is earlier. Only while the list is
    /// locked.
    pub(super) fn turn(&self, hour: u32) -> Option<u32> {
        let earlier = self.hour.load(SeqCst);
        let turns = earlier != UNLISTED && earlier < hour;
        turns.then(|| {
            self.hour.store(hour, SeqCst);
            earlier
        })
    }

    /// Marks it as not listed, and returns its hour. Only while the list is locked.
    pub(super) fn unlist(&self) -> u32 {
        self.hour.swap(UNLISTED, SeqCst)
    }

    /// Takes all counts out.
    pub(super) fn take(&self, hour: u32, mut each: impl FnMut(Taken)) {
        let mut take = |tally: &Tally, tag: UsageTag| {
            for outcome in UseOutcome::ALL {
                let count = &tally.0[outcome.place()];
                let count = if count.load(SeqCst) == 0 { 0 } else { count.swap(0, SeqCst) };
                if count > 0 {
                    each(Taken { key: self.key, hour, outcome, tag, count });
                }
            }
        };
        take(&self.untagged, UsageTag::default());
        let mut next = self.tagged.get();
        while let Some(tagged) = next {
            take(&tagged.tally, tagged.tag);
            next = tagged.next.get();
        }
    }

    /// Takes the last use out.
    pub(super) fn take_last(&self) -> Option<(KeyId, LastUse)> {
        self.last.lock().take().map(|last| (self.key, last))
    }
}

impl Drop for KeyUses {
    /// Only a counter for which the list had no room holds anything then.
    fn drop(&mut self) {
        let mut lost = 0;
        self.take(1, |taken| lost += u64::from(taken.count));
        if lost > 0 {
            self.lost.add(lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_takes_little_memory() {
        // With the two numbers of an `Arc`.
        assert!(size_of::<KeyUses>() + 16 <= 176, "{}", size_of::<KeyUses>());
        assert!(size_of::<Tagged>() <= 64, "{}", size_of::<Tagged>());
    }
}
