//! The meters in use, by holder, and the limits that they count.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::{
    meter::{Meter, Meters},
    purses::Purses,
};
use crate::domain::{
    key_record::KeyRecord,
    limits::{Holder, Limits, SpentCredits},
};

/// The smallest number of entries at which those that nobody uses are looked for.
const SWEEP_AT_LEAST: usize = 1024;

/// Finds the meter of a holder. Searched when a row was read, and never for a key in memory, whose finding has its
/// meters. It keeps no meter alive, so there are as many as the memory of keys has places, and at most as many unused
/// entries.
#[derive(Default)]
pub(super) struct Registry(Mutex<Listed>);

#[derive(Default)]
struct Listed {
    meters: HashMap<Holder, Weak<Meter>>,
    /// At this number of entries, those of unused meters are removed.
    sweep_meters_at: usize,
    /// Limits that are the same are in memory once: most keys have those of a plan, or of one recipe. Of those that
    /// nobody uses, there are at most as many as of others.
    limits: HashSet<Limits>,
    /// At this number of entries, those that nobody uses are removed.
    sweep_limits_at: usize,
}

impl Registry {
    /// The meters for this key. They are those of earlier reads, as long as these are in use and the limits are the
    /// same. The record gets the copies of its limits that others have already.
    pub(super) fn meters(&self, record: &mut KeyRecord, purses: &Purses) -> Meters {
        let is_limited = !record.limits.is_empty() || !record.owner_limits.is_empty();
        if !is_limited && record.credits.is_none() && record.owner_credits.is_none() {
            return Meters::default();
        }
        let mut listed = self.0.lock();
        listed.share(&mut record.limits);
        listed.share(&mut record.owner_limits);
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
        let listed = self.0.lock();
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
                let meter = Arc::new(Meter::new(holder, limits.clone(), purse, before.as_deref()));
                self.meters.insert(holder, Arc::downgrade(&meter));
                self.sweep_meters();
                meter
            }
        }
    }

    fn sweep_meters(&mut self) {
        if self.meters.len() >= self.sweep_meters_at.max(SWEEP_AT_LEAST) {
            self.meters.retain(|_, meter| meter.strong_count() > 0);
            self.sweep_meters_at = 2 * self.meters.len();
        }
    }

    /// Replaces these limits with the copy that is in use, or makes them that.
    fn share(&mut self, limits: &mut Limits) {
        if limits.is_empty() {
            return;
        }
        if let Some(known) = self.limits.get(limits) {
            *limits = known.clone();
            return;
        }
        if self.limits.len() >= self.sweep_limits_at.max(SWEEP_AT_LEAST) {
            self.limits.retain(|limits| !limits.are_unshared());
            self.sweep_limits_at = 2 * self.limits.len();
        }
        self.limits.insert(limits.clone());
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

    fn meters(registry: &Registry, purses: &Purses, mut key: KeyRecord) -> Meters {
        registry.meters(&mut key, purses)
    }

    const MINUTE: &str = r#"[{"name": "minute", "limit": 10, "window": "1m"}]"#;
    const HOUR: &str = r#"[{"name": "hour", "limit": 10, "window": "1h"}]"#;

    #[test]
    fn a_row_that_is_read_again_has_the_same_meters_and_owners_share_theirs() {
        let (registry, purses) = (Registry::default(), Purses::default());
        assert!(meters(&registry, &purses, key(1, "[]", "[]")).are_none());
        let first = meters(&registry, &purses, key(1, MINUTE, HOUR));
        let again = meters(&registry, &purses, key(1, MINUTE, HOUR));
        let other = meters(&registry, &purses, key(2, MINUTE, HOUR));
        let same = |one: &Option<Arc<Meter>>, other: &Option<Arc<Meter>>| {
            Arc::ptr_eq(one.as_ref().expect("a meter"), other.as_ref().expect("a meter"))
        };
        assert!(same(&first.own, &again.own) && same(&first.owner, &again.owner));
        assert!(!same(&first.own, &other.own) && same(&first.owner, &other.owner));
        let changed = meters(&registry, &purses, key(1, HOUR, HOUR));
        assert!(!same(&first.own, &changed.own) && same(&first.owner, &changed.owner));
    }

    #[test]
    fn meters_that_nobody_uses_are_forgotten() {
        let (registry, purses) = (Registry::default(), Purses::default());
        let kept = meters(&registry, &purses, key(0, MINUTE, HOUR));
        for number in 1..10_000 {
            meters(&registry, &purses, key(number, MINUTE, HOUR));
        }
        let listed = registry.0.lock().meters.len();
        assert!(listed <= SWEEP_AT_LEAST, "{listed}");
        assert!(!kept.are_none());
    }

    #[test]
    fn limits_that_are_the_same_are_in_memory_once_and_others_are_forgotten_with_the_last_key() {
        let (registry, purses) = (Registry::default(), Purses::default());
        let of = |number: u128, amount: u128| {
            let own = format!(r#"[{{"name": "minute", "limit": {amount}, "window": "1m"}}]"#);
            let mut key = key(number, &own, HOUR);
            let meters = registry.meters(&mut key, &purses);
            (key, meters)
        };
        let kept: Vec<_> = (0..100).map(|number| of(number, 1 + number % 2)).collect();
        let place = |(key, _): &(KeyRecord, Meters)| key.limits.as_slice().as_ptr();
        assert!(kept.iter().enumerate().all(|(at, one)| place(one) == place(&kept[at % 2])));
        let of_owner = |(key, _): &(KeyRecord, Meters)| key.owner_limits.as_slice().as_ptr();
        assert!(kept.iter().all(|one| of_owner(one) == of_owner(&kept[0])));
        for number in 100..10_000 {
            of(number, number);
        }
        let listed = registry.0.lock().limits.len();
        assert!(listed <= SWEEP_AT_LEAST, "{listed}");
        assert_eq!(place(&of(20_000, 1)), place(&kept[0]), "those in use are known");
    }
}
