//! The slices of all limits of one holder, in memory.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::slice::{Question, Reading, Slice};
use crate::{
    auth::{clock, coherence::MonotonicTime},
    domain::{
        limits::{Holder, Limit, LimitReadings, LimitState, Limits, OnOutage, Price, Spending},
        ports::limits::{SliceGrant, SliceRequest},
    },
};

/// The limits of a key or of an owner, with their slices. Shared by everybody who uses it: all findings about a key, and all
/// keys of an owner.
pub(in crate::auth) struct Meter {
    holder: Holder,
    limits: Limits,
    /// One for each limit. A lock of all of them, because a request is charged on all or on none; it is held for some
    /// nanoseconds.
    slices: Mutex<Box<[Slice]>>,
    /// Notified when the database has answered, or has not.
    pub(super) changed: Notify,
}

/// What stands in the way of a request, as a bit for each limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Obstacles {
    /// These are exhausted.
    pub(super) exhausted: u32,
    /// The database has to be asked for these.
    pub(super) empty: u32,
    /// The database does not answer about these, which refuse then.
    pub(super) unavailable: u32,
    /// The database does not answer about these, which admit then.
    pub(super) admitting: u32,
    /// When all of those that are exhausted begin anew.
    pub(super) turns_at: MonotonicTime,
}

/// The locked slices.
pub(super) struct Slices<'a> {
    meter: &'a Meter,
    slices: MutexGuard<'a, Box<[Slice]>>,
}

impl Meter {
    /// A meter that has nothing in hand. What `before`, the holder's meter until now, has in hand of limits that stay the same
    /// is passed on.
    pub(super) fn new(holder: Holder, limits: Limits, before: Option<&Self>) -> Self {
        let mut before = before.map(Self::lock);
        let slice = |limit: &Limit| before.as_mut().and_then(|before| before.hand_over(limit)).unwrap_or_default();
        let slices = limits.as_slice().iter().map(slice).collect();
        drop(before);
        Self { holder, limits, slices: Mutex::new(slices), changed: Notify::new() }
    }

    /// Whether this meter counts exactly these limits.
    pub(super) fn counts(&self, limits: &Limits) -> bool {
        self.limits == *limits
    }

    pub(super) fn lock(&self) -> Slices<'_> {
        // Nothing panics while they are locked.
        Slices { meter: self, slices: self.slices.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// The limits on which a request is charged.
    pub(super) fn chosen_by(&self, spending: &Spending<'_>) -> u32 {
        let applies = |(at, limit): (usize, &Limit)| u32::from(spending.applies_to(limit)) << at;
        self.limits.as_slice().iter().enumerate().map(applies).fold(0, |bits, bit| bits | bit)
    }

    fn limit(&self, at: usize) -> &Limit {
        &self.limits.as_slice()[at]
    }

    /// The question about a limit for which one was begun, sent after `now`.
    pub(super) fn ask(&self, at: usize, now: MonotonicTime) -> (Question, SliceRequest) {
        let limit = self.limit(at);
        let question = self.lock().slices[at].ask(limit, now);
        let Question { least, need, want, .. } = question;
        let (name, period) = (limit.name.clone(), limit.window.period());
        (question, SliceRequest { holder: self.holder, name, period, amount: limit.amount, least, need, want })
    }

    /// The database has answered.
    pub(super) fn answered(&self, at: usize, question: Question, grant: &SliceGrant, now: MonotonicTime) {
        self.lock().slices[at].answered(self.limit(at), question, grant, now);
        self.changed.notify_waiters();
    }

    /// The database has not answered, or it is unknown what it did.
    pub(super) fn failed(&self, at: usize, question: Question, now: MonotonicTime) {
        self.lock().slices[at].failed(question, now);
        self.changed.notify_waiters();
    }

    /// The question could not be asked.
    pub(super) fn give_up(&self, at: usize, now: MonotonicTime) {
        self.lock().slices[at].give_up(now);
        self.changed.notify_waiters();
    }
}

impl Slices<'_> {
    /// What stands in the way of a request at `now` that is charged with this price on these limits.
    pub(super) fn obstacles(&self, chosen: u32, price: Price, now: MonotonicTime) -> Obstacles {
        let mut found = Obstacles::default();
        for (at, (limit, slice)) in self.meter.limits.as_slice().iter().zip(&*self.slices).enumerate() {
            let bit = 1 << at;
            if chosen & bit == 0 {
                continue;
            }
            match slice.read(limit, price.of(limit), now) {
                Reading::Enough => {}
                Reading::Exhausted => {
                    found.exhausted |= bit;
                    found.turns_at = found.turns_at.max(slice.turns_at());
                }
                Reading::Empty => found.empty |= bit,
                Reading::Unavailable if limit.on_outage == OnOutage::Admit => found.admitting |= bit,
                Reading::Unavailable => found.unavailable |= bit,
            }
        }
        found
    }

    /// Those among these limits that refuse in an outage.
    pub(super) fn refusing(&self, limits: u32) -> u32 {
        let refuses = |at: &usize| limits & (1 << at) != 0 && self.meter.limit(*at).on_outage == OnOutage::Refuse;
        (0..self.slices.len()).filter(refuses).fold(0, |bits, at| bits | 1 << at)
    }

    /// Charges a request on these limits, all of which have enough. Returns those for which to ask the database in advance,
    /// which has begun.
    pub(super) fn charge(&mut self, chosen: u32, price: Price, now: MonotonicTime) -> u32 {
        let mut low = 0;
        for (at, (limit, slice)) in self.meter.limits.as_slice().iter().zip(self.slices.iter_mut()).enumerate() {
            if chosen & (1 << at) != 0 {
                slice.charge(price.of(limit));
                if slice.is_low(limit, now) && slice.begin() {
                    low |= 1 << at;
                }
            }
        }
        low
    }

    /// A request waits for the answers about these limits. Returns those for which nobody has begun to ask, which has begun.
    pub(super) fn join(&mut self, limits: u32, price: Price) -> u32 {
        let mut begun = 0;
        for (at, limit, slice) in self.chosen(limits) {
            slice.join(price.of(limit));
            if slice.begin() {
                begun |= 1 << at;
            }
        }
        begun
    }

    /// The request does not wait any more.
    pub(super) fn leave(&mut self, limits: u32, price: Price) {
        self.chosen(limits).for_each(|(_, limit, slice)| slice.leave(price.of(limit)));
    }

    fn chosen(&mut self, limits: u32) -> impl Iterator<Item = (usize, &Limit, &mut Slice)> {
        let all = self.meter.limits.as_slice().iter().zip(self.slices.iter_mut()).enumerate();
        all.filter(move |(at, _)| limits & (1 << at) != 0).map(|(at, (limit, slice))| (at, limit, slice))
    }

    /// Takes away what is in hand of this limit.
    fn hand_over(&mut self, limit: &Limit) -> Option<Slice> {
        let at = self.meter.limits.as_slice().iter().position(|counted| counted == limit)?;
        Some(self.slices[at].hand_over())
    }
}

impl LimitReadings for Meter {
    fn visit(&self, visitor: &mut dyn FnMut(LimitState<'_>)) {
        let now = clock::now();
        for (at, limit) in self.limits.as_slice().iter().enumerate() {
            // Not locked while the visitor works.
            let (remaining, resets_in): (u64, Duration) = self.lock().slices[at].remaining(limit, now);
            visitor(LimitState { limit, remaining, resets_in });
        }
    }

    fn count(&self) -> usize {
        self.limits.as_slice().len()
    }
}

/// The meters for a key: its own, and its owner's. Both are `None` for most keys.
#[derive(Clone, Default)]
pub(in crate::auth) struct Meters {
    /// Of the key.
    pub(super) own: Option<Arc<Meter>>,
    /// Of its owner.
    pub(super) owner: Option<Arc<Meter>>,
}

impl Meters {
    /// Whether nothing limits the key.
    pub(super) fn are_none(&self) -> bool {
        self.own.is_none() && self.owner.is_none()
    }

    /// How many limits the key's own meter has: bits of its owner's follow those.
    pub(super) fn own_count(&self) -> usize {
        self.own.as_ref().map_or(0, |meter| meter.count())
    }
}
