//! The slices of all limits of one holder, and the purse with their credits, in memory.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::{
    purse::{self, Purse},
    purses::SharedPurse,
    slice::{Question, Reading, Slice},
};
use crate::{
    auth::{clock, coherence::MonotonicTime},
    domain::{
        limits::{
            CreditsState, Holder, LIMITS_MAX, Limit, LimitReadings, LimitState, Limits, OnOutage, Price, Spending,
        },
        ports::limits::{SliceGrant, SliceRequest, SliceReturn},
    },
};

/// The bit that stands for credits. Those of limits come from the other end.
pub(super) const CREDITS: u32 = 1 << (u32::BITS - 1);

/// The number of signals that meters share. A waiting request also wakes when another meter with its signal was
/// answered, and looks for nothing; a signal of its own would be a sixth of a meter's memory.
const SIGNALS: usize = 256;
static ANSWERED: [Notify; SIGNALS] = [const { Notify::const_new() }; SIGNALS];

/// The limits of a key or of an owner, with their slices. Shared by everybody who uses it: all findings about a key,
/// and all keys of an owner.
pub(in crate::auth) struct Meter {
    holder: Holder,
    limits: Limits,
    /// One for each limit. A lock of all of them, because a request is charged on all or on none; it is held for some
    /// nanoseconds.
    slices: Mutex<Box<[Slice]>>,
    /// The credits, if there are any. Locked after the slices.
    purse: Option<Arc<SharedPurse>>,
}

/// What stands in the way of a request, as a bit for each limit, and one for credits.
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
    /// When all limits that are exhausted begin anew, and credits that are have been refilled.
    pub(super) turns_at: MonotonicTime,
    /// Whether waiting does not help: the request costs more than a limit allows, or than refills of credits will ever
    /// make.
    pub(super) is_final: bool,
}

/// The locked slices.
pub(super) struct Slices<'a> {
    meter: &'a Meter,
    slices: MutexGuard<'a, Box<[Slice]>>,
    purse: Option<MutexGuard<'a, Purse>>,
}

impl Meter {
    /// A meter that has nothing in hand. What `before`, the holder's meter until now, has in hand of limits that stay
    /// the same is passed on.
    pub(super) fn new(holder: Holder, limits: Limits, purse: Option<Arc<SharedPurse>>, before: Option<&Self>) -> Self {
        let mut before = before.map(Self::lock);
        let slice = |limit: &Limit| before.as_mut().and_then(|before| before.hand_over(limit)).unwrap_or_default();
        let slices = limits.as_slice().iter().map(slice).collect();
        drop(before);
        Self { holder, limits, slices: Mutex::new(slices), purse }
    }

    /// Notified when the database has answered, or has not. Other meters share it: those with the same purse, or with
    /// the same signal.
    pub(super) fn answers(&self) -> &Notify {
        let shared = || &ANSWERED[self.holder.as_u128() as usize % SIGNALS];
        self.purse.as_ref().map_or_else(shared, |purse| purse.answers())
    }

    /// Whether this meter counts exactly these limits, and spends these credits.
    pub(super) fn counts(&self, limits: &Limits, purse: Option<&Arc<SharedPurse>>) -> bool {
        let same_purse = match (&self.purse, purse) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        };
        same_purse && self.limits == *limits
    }

    /// The credits, if there are any.
    pub(super) fn purse(&self) -> Option<&Arc<SharedPurse>> {
        self.purse.as_ref()
    }

    pub(super) fn lock(&self) -> Slices<'_> {
        // Nothing panics while they are locked.
        let slices = self.slices.lock();
        Slices { meter: self, slices, purse: self.purse.as_ref().map(|purse| purse.lock()) }
    }

    /// The limits on which a request is charged.
    pub(super) fn chosen_by(&self, spending: &Spending<'_>) -> u32 {
        let credits = if self.purse.is_some() && spending.applies_to_credits() { CREDITS } else { 0 };
        if spending.applies_to_all() {
            return credits | ((1 << self.limits.as_slice().len()) - 1);
        }
        let applies = |(at, limit): (usize, &Limit)| u32::from(spending.applies_to(limit)) << at;
        self.limits.as_slice().iter().enumerate().map(applies).fold(credits, |bits, bit| bits | bit)
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
        self.lock().slices[at].answered(question, grant, now);
        self.answers().notify_waiters();
    }

    /// The database has not answered, or it is unknown what it did.
    pub(super) fn failed(&self, at: usize, question: Question, now: MonotonicTime) {
        self.lock().slices[at].failed(question, now);
        self.answers().notify_waiters();
    }

    /// Whether an answer about a limit may still come.
    pub(super) fn is_asking(&self) -> bool {
        self.lock().slices.iter().any(Slice::is_asking)
    }

    /// Takes away all that is in hand of limits.
    pub(super) fn give_back(&self) -> Vec<SliceReturn> {
        let mut locked = self.lock();
        let parts = self.limits.as_slice().iter().zip(locked.slices.iter_mut()).filter_map(|(limit, slice)| {
            let (name, period) = (limit.name.clone(), limit.window.period());
            let ends = OffsetDateTime::from_unix_timestamp(slice.window_ends()).ok()?;
            let amount = slice.give_back();
            (amount > 0).then_some(SliceReturn { holder: self.holder, name, period, ends, amount })
        });
        parts.collect()
    }

    /// The question could not be asked.
    pub(super) fn give_up(&self, at: usize, now: MonotonicTime) {
        self.lock().slices[at].give_up(now);
        self.answers().notify_waiters();
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
                    // No window is ever enough for this request.
                    found.is_final |= price.of(limit) > limit.amount;
                }
                Reading::Empty => found.empty |= bit,
                Reading::Unavailable if limit.on_outage == OnOutage::Admit => found.admitting |= bit,
                Reading::Unavailable => found.unavailable |= bit,
            }
        }
        if let Some(purse) = self.purse.as_ref().filter(|_| chosen & CREDITS != 0) {
            match purse.read(price.of_credits(), now) {
                purse::Reading::Enough => {}
                purse::Reading::Exhausted => {
                    found.exhausted |= CREDITS;
                    match purse.enough_at(price.of_credits()) {
                        Some(at) => found.turns_at = found.turns_at.max(at),
                        None => found.is_final = true,
                    }
                }
                purse::Reading::Empty => found.empty |= CREDITS,
                purse::Reading::Unavailable => found.unavailable |= CREDITS,
            }
        }
        found
    }

    /// Those among these limits that refuse in an outage.
    pub(super) fn refusing(&self, limits: u32) -> u32 {
        let refuses = |at: &usize| limits & (1 << at) != 0 && self.meter.limit(*at).on_outage == OnOutage::Refuse;
        // Nobody gives credits away.
        (0..self.slices.len()).filter(refuses).fold(limits & CREDITS, |bits, at| bits | 1 << at)
    }

    /// Charges a request on these limits, all of which have enough. Returns those for which to ask the database in
    /// advance, which has begun.
    pub(super) fn charge(&mut self, chosen: u32, price: Price, now: MonotonicTime) -> u32 {
        let mut low = 0;
        for (at, (limit, slice)) in self.meter.limits.as_slice().iter().zip(self.slices.iter_mut()).enumerate() {
            if chosen & (1 << at) != 0 {
                let cost = price.of(limit);
                slice.charge(cost);
                // Who only looks needs no more.
                if cost > 0 && slice.is_low(limit, now) && slice.begin() {
                    low |= 1 << at;
                }
            }
        }
        if let Some(purse) = self.purse.as_mut().filter(|_| chosen & CREDITS != 0) {
            purse.charge(price.of_credits(), now);
            if purse.begin_supply(now) {
                low |= CREDITS;
            }
        }
        low
    }

    /// A request waits for the answers about these limits. Returns those for which nobody has begun to ask, which has
    /// begun.
    pub(super) fn join(&mut self, limits: u32, price: Price) -> u32 {
        let mut begun = 0;
        for (at, limit, slice) in self.chosen(limits) {
            slice.join(price.of(limit));
            if slice.begin() {
                begun |= 1 << at;
            }
        }
        if let Some(purse) = self.purse.as_mut().filter(|_| limits & CREDITS != 0) {
            purse.join(price.of_credits());
            if purse.begin() {
                begun |= CREDITS;
            }
        }
        begun
    }

    /// The request does not wait any more.
    pub(super) fn leave(&mut self, limits: u32, price: Price) {
        self.chosen(limits).for_each(|(_, limit, slice)| slice.leave(price.of(limit)));
        if let Some(purse) = self.purse.as_mut().filter(|_| limits & CREDITS != 0) {
            purse.leave(price.of_credits());
        }
    }

    fn chosen(&mut self, limits: u32) -> impl Iterator<Item = (usize, &Limit, &mut Slice)> {
        let all = self.meter.limits.as_slice().iter().zip(self.slices.iter_mut()).enumerate();
        all.filter(move |(at, _)| limits & (1 << at) != 0).map(|(at, (limit, slice))| (at, limit, slice))
    }

    /// Takes away what is in hand for this limit, which may have changed. What was taken of a larger amount is void.
    fn hand_over(&mut self, limit: &Limit) -> Option<Slice> {
        let is_counted_as =
            |counted: &Limit| counted.name == limit.name && counted.window.period() == limit.window.period();
        let at = self.meter.limits.as_slice().iter().position(is_counted_as)?;
        let before = self.meter.limit(at).amount;
        (before <= limit.amount).then(|| self.slices[at].hand_over(before != limit.amount))
    }
}

impl LimitReadings for Meter {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn visit(&self, visitor: &mut dyn FnMut(LimitState<'_>)) {
        let now = clock::now();
        // An owner's may be as many again as those of the plan.
        let mut read = [(0, Duration::ZERO); 2 * LIMITS_MAX];
        let locked = self.lock();
        for ((limit, slice), read) in self.limits.as_slice().iter().zip(&*locked.slices).zip(&mut read) {
            *read = slice.remaining(limit, now, clock::wall_second);
        }
        // Not locked while the visitor works.
        drop(locked);
        for (limit, (remaining, resets_in)) in self.limits.as_slice().iter().zip(read) {
            visitor(LimitState { limit, remaining, resets_in });
        }
    }

    fn credits(&self) -> Option<CreditsState> {
        let purse = self.purse.as_ref()?;
        let (remaining, refills_in) = purse.lock().remaining(clock::now());
        Some(CreditsState { remaining, refills_in })
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
    /// Whether nothing limits the key, and it spends no credits.
    pub(super) fn are_none(&self) -> bool {
        self.own.is_none() && self.owner.is_none()
    }

    /// How many limits the key's own meter has: bits of its owner's follow those.
    pub(super) fn own_count(&self) -> usize {
        self.own.as_ref().map_or(0, |meter| meter.limits.as_slice().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_takes_little_memory() {
        // With the two numbers of an `Arc`; its slices are beside it.
        assert!(size_of::<Meter>() + 16 <= 72, "{}", size_of::<Meter>());
    }
}
