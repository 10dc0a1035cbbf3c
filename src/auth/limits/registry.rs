//! The meters in use, by holder.

use std::{
    array,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Notify;

use super::{
    meter::{Meter, Meters},
    purses::Purses,
};
use crate::domain::{
    key_record::KeyRecord,
    limits::{Holder, Limits, SpentCredits},
};

/// The smallest number of meters at which those that nobody uses are looked for.
const SWEEP_AT_LEAST: usize = 1024;

/// The number of signals that meters share. A waiting request also wakes when another meter with its signal was
/// answered, and looks for nothing; a signal of its own would be a sixth of a meter's memory.
const SIGNALS: usize = 256;

/// Finds the meter of a holder. Searched when a row was read, and never for a key in memory, whose finding has its
/// meters. It keeps no meter alive, so there are as many as the memory of keys has places, and at most as many unused
/// entries.
pub(super) struct Registry(Mutex<Listed>);

struct Listed {
    meters: HashMap<Holder, Weak<Meter>>,
    /// At this number of entries, those of unused meters are removed.
    sweep_at: usize,
    signals: [Arc<Notify>; SIGNALS],
}

impl Default for Registry {
    fn default() -> Self {
        let signals = array::from_fn(|_| Arc::default());
        Self(Mutex::new(Listed { meters: HashMap::new(), sweep_at: 0, signals }))
    }
}

impl Registry {
    /// The meters for this key. They are those of earlier reads, as long as these are in use and the limits are the
    /// same.
    pub(super) fn meters(&self, record: &KeyRecord, purses: &Purses) -> Meters {
        let is_limited = !record.limits.is_empty() || !record.owner_limits.is_empty();
        if !is_limited && record.credits.is_none() && record.owner_credits.is_none() {
            return Meters::default();
        }
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut meter = |limits: &Limits, credits: Option<SpentCredits>, holder: &dyn Fn() -> Holder| {
            (!limits.is_empty() || credits.is_some()).then(|| listed.meter(holder(), limits, credits, purses))
        };
        Meters {
            own: meter(&record.limits, record.credits, &|| Holder::of_key(record.id)),
            owner: meter(&record.owner_limits, record.owner_credits, &|| Holder::of_owner(&record.owner)),
        }
    }

    /// All that somebody uses.
    pub(super) fn in_use(&self) -> Vec<Arc<Meter>> {
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.meters.values().filter_map(Weak::upgrade).collect()
    }
}

impl Listed {
    fn meter(&mut self, holder: Holder, limits: &Limits, credits: Option<SpentCredits>, purses: &Purses) -> Arc<Meter> {
        let before = self.meters.get(&holder).and_then(Weak::upgrade);
        let purse = credits.map(|credits| purses.of(credits));
        match before {
            Some(meter) if meter.counts(limits, purse.as_ref()) => meter,
            before => {
                let signal = &self.signals[holder.as_u128() as usize % SIGNALS];
                let meter = Arc::new(Meter::new(holder, limits.clone(), purse, signal, before.as_deref()));
                self.meters.insert(holder, Arc::downgrade(&meter));
                self.sweep();
                meter
            }
        }
    }

    fn sweep(&mut self) {
        if self.meters.len() >= self.sweep_at.max(SWEEP_AT_LEAST) {
            self.meters.retain(|_, meter| meter.strong_count() > 0);
            self.sweep_at = 2 * self.meters.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        api_key::{Environment, KeyId},
        owner::Owner,
    };

    fn limits(text: &str) -> Limits {
        Limits::from_stored(text).expect("limits")
    }

    fn key(number: u128, own: &str, owner: &str) -> KeyRecord {
        let id = KeyId::from(uuid::Uuid::from_u128(number));
        let record = KeyRecord::new(id, Owner { issuer: "".into(), subject: "alice".into() }, Environment::Live);
        KeyRecord { limits: limits(own), owner_limits: limits(owner), ..record }
    }

    const MINUTE: &str = r#"[{"name": "minute", "limit": 10, "window": "1m"}]"#;
    const HOUR: &str = r#"[{"name": "hour", "limit": 10, "window": "1h"}]"#;

    #[test]
    fn a_row_that_is_read_again_has_the_same_meters_and_owners_share_theirs() {
        let (registry, purses) = (Registry::default(), Purses::default());
        assert!(registry.meters(&key(1, "[]", "[]"), &purses).are_none());
        let first = registry.meters(&key(1, MINUTE, HOUR), &purses);
        let again = registry.meters(&key(1, MINUTE, HOUR), &purses);
        let other = registry.meters(&key(2, MINUTE, HOUR), &purses);
        let same = |one: &Option<Arc<Meter>>, other: &Option<Arc<Meter>>| {
            Arc::ptr_eq(one.as_ref().expect("a meter"), other.as_ref().expect("a meter"))
        };
        assert!(same(&first.own, &again.own) && same(&first.owner, &again.owner));
        assert!(!same(&first.own, &other.own) && same(&first.owner, &other.owner));
        let changed = registry.meters(&key(1, HOUR, HOUR), &purses);
        assert!(!same(&first.own, &changed.own) && same(&first.owner, &changed.owner));
    }

    #[test]
    fn meters_that_nobody_uses_are_forgotten() {
        let (registry, purses) = (Registry::default(), Purses::default());
        let kept = registry.meters(&key(0, MINUTE, HOUR), &purses);
        for number in 1..10_000 {
            registry.meters(&key(number, MINUTE, HOUR), &purses);
        }
        let listed = registry.0.lock().expect("no panic").meters.len();
        assert!(listed <= SWEEP_AT_LEAST, "{listed}");
        assert!(!kept.are_none());
    }
}
