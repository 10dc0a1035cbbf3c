//! A bounded memory of what happened recently.

use std::{collections::HashMap, hash::Hash};

use parking_lot::Mutex;
use time::OffsetDateTime;

/// Remembers values for a while, and never more than so many. What finds no room is not remembered.
pub(super) struct Recent<K, V> {
    entries: Mutex<HashMap<K, Entry<V>>>,
    most: usize,
}

struct Entry<V> {
    value: V,
    until: OffsetDateTime,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { entries: Mutex::default(), most }
    }

    /// What `read` makes of the value, if there is one.
    pub(super) fn recall<R>(&self, key: &K, now: OffsetDateTime, read: impl FnOnce(&V) -> Option<R>) -> Option<R> {
        self.entries.lock().get(key).filter(|entry| now < entry.until).and_then(|entry| read(&entry.value))
    }

    pub(super) fn remember(&self, key: K, value: V, until: OffsetDateTime, now: OffsetDateTime) {
        let mut entries = self.entries.lock();
        if entries.len() >= self.most {
            entries.retain(|_, entry| now < entry.until);
        }
        if entries.len() < self.most || entries.contains_key(&key) {
            entries.insert(key, Entry { value, until });
        }
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);
    const SOON: OffsetDateTime = datetime!(2030-01-01 00:01 UTC);

    fn recall(recent: &Recent<&str, u8>, key: &'static str, now: OffsetDateTime) -> Option<u8> {
        recent.recall(&key, now, |value| Some(*value))
    }

    #[test]
    fn a_value_is_remembered_until_its_time_is_over() {
        let recent = Recent::new(2);
        recent.remember("a", 1, SOON, NOW);
        assert_eq!(recall(&recent, "a", SOON - Duration::SECOND), Some(1));
        assert_eq!(recall(&recent, "a", SOON), None);
        assert_eq!(recall(&recent, "b", NOW), None);
    }

    #[test]
    fn what_finds_no_room_is_not_remembered_until_something_is_over() {
        let recent = Recent::new(2);
        recent.remember("a", 1, SOON, NOW);
        recent.remember("b", 2, SOON + Duration::MINUTE, NOW);
        recent.remember("c", 3, SOON, NOW);
        assert_eq!(recall(&recent, "c", NOW), None);
        recent.remember("b", 4, SOON + Duration::MINUTE, NOW);
        assert_eq!(recall(&recent, "b", NOW), Some(4));
        recent.remember("c", 5, SOON + Duration::MINUTE, SOON);
        assert_eq!(recall(&recent, "c", SOON), Some(5));
    }
}
