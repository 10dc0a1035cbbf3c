//! Balances in memory. What `exchange_credits` and its like do in the database, for tests without one; a test compares
//! the two.

use std::collections::BTreeMap;

use keyward::domain::{
    limits::{Holder, Refill, RefillInterval},
    ports::limits::{CreditGrant, CreditOutcome, CreditRequest},
};
use time::{Date, Month, OffsetDateTime, Time};

/// The most that a balance may be.
const MOST: u64 = 1_000_000_000_000;

/// The rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CreditTable {
    balances: BTreeMap<Holder, Balance>,
    slices: BTreeMap<(Holder, u128), Slice>,
    /// The safeguards that are taken away.
    pub without: Without,
    /// The number of the latest change.
    version: i64,
}

/// The safeguards that a test can take away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Without {
    /// A message that comes after a later one changes nothing.
    pub order: bool,
    /// What was taken of an earlier balance is void.
    pub epoch: bool,
    /// What a silent replica has in hand counts as spent.
    pub caution: bool,
    /// What a purse does not mention goes back.
    pub recovery: bool,
    /// What was granted is taken from the balance at once.
    pub deduction: bool,
}

/// A balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Balance {
    pub remaining: u64,
    pub unsettled: u64,
    pub spent: u64,
    pub granted: u64,
    pub max: Option<u64>,
    pub refill: Option<Refill>,
    pub next_refill: Option<OffsetDateTime>,
    epoch: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Slice {
    purse: u64,
    message: u64,
    epoch: i64,
    used: u64,
    held: u64,
}

impl Balance {
    /// Whether no credit has appeared or disappeared.
    pub fn adds_up(&self) -> bool {
        self.spent + self.remaining + self.unsettled == self.granted
    }

    /// With the refills that are due.
    #[must_use]
    pub fn refilled(mut self, at: OffsetDateTime) -> Self {
        let (Some(refill), Some(next)) = (self.refill, self.next_refill) else { return self };
        if next > at {
            return self;
        }
        let following = next_refill(refill.interval, at);
        let mut periods = 0;
        let mut due = next;
        while due < following {
            periods += 1;
            due = next_refill(refill.interval, due);
        }
        let room = self.max.unwrap_or(MOST).saturating_sub(self.remaining + self.unsettled);
        let added = (periods * refill.amount).min(room);
        self.remaining += added;
        self.granted += added;
        self.next_refill = Some(following);
        self
    }
}

/// The first refill after an instant.
pub fn next_refill(interval: RefillInterval, after: OffsetDateTime) -> OffsetDateTime {
    let date = after.to_offset(time::UtcOffset::UTC).date();
    match interval {
        RefillInterval::Daily => date.next_day().expect("a day").with_time(Time::MIDNIGHT).assume_utc(),
        RefillInterval::Monthly(day) => {
            let of = |year: i32, month: Month| {
                let day = day.min(month.length(year));
                Date::from_calendar_date(year, month, day).expect("a date").with_time(Time::MIDNIGHT).assume_utc()
            };
            let this = of(date.year(), date.month());
            if this > after {
                return this;
            }
            let month = date.month().next();
            of(date.year() + i32::from(month == Month::January), month)
        }
    }
}

impl CreditTable {
    /// Gives a holder exactly so many credits. What was taken before is void.
    pub fn set(&mut self, holder: Holder, remaining: u64) {
        self.version += 1;
        let balance = self.balances.entry(holder).or_default();
        balance.granted = balance.granted - balance.remaining + remaining;
        balance.remaining = remaining;
        balance.epoch = self.version;
    }

    /// Adds to a balance.
    pub fn add(&mut self, holder: Holder, amount: u64) {
        self.version += 1;
        let balance = self.balances.get_mut(&holder).expect("a balance");
        balance.remaining += amount;
        balance.granted += amount;
    }

    /// Sets how a balance is refilled.
    pub fn refill(&mut self, holder: Holder, max: Option<u64>, refill: Refill, next: OffsetDateTime) {
        let balance = self.balances.get_mut(&holder).expect("a balance");
        (balance.max, balance.refill, balance.next_refill) = (max, Some(refill), Some(next));
    }

    /// The number of the latest change by somebody.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// A balance, if there is one.
    pub fn balance(&self, holder: Holder) -> Option<Balance> {
        self.balances.get(&holder).copied()
    }

    /// What the slices have in all.
    pub fn held(&self, holder: Holder) -> u64 {
        self.slices.iter().filter(|((of, _), _)| *of == holder).map(|(_, slice)| slice.held).sum()
    }

    /// What the slices have of the balance that was set last.
    pub fn held_now(&self, holder: Holder) -> u64 {
        let epoch = self.balances.get(&holder).map(|balance| balance.epoch);
        let current = self.slices.iter().filter(|((of, _), slice)| *of == holder && Some(slice.epoch) == epoch);
        current.map(|(_, slice)| slice.held).sum()
    }

    /// Settles what a silent replica has.
    pub fn settle(&mut self, holder: Holder, replica: u128) {
        let Some(slice) = self.slices.remove(&(holder, replica)) else { return };
        let balance = self.balances.get_mut(&holder).expect("a balance");
        balance.unsettled -= slice.held;
        if self.without.caution {
            balance.remaining += slice.held;
        } else {
            balance.spent += slice.held;
        }
    }

    /// Decides on a message of a replica while the database's clock shows `at`.
    pub fn exchange(&mut self, replica: u128, request: &CreditRequest, at: OffsetDateTime) -> CreditGrant {
        let answer = |outcome, granted, balance: &Balance, held: u64| CreditGrant {
            outcome,
            granted,
            left: balance.remaining,
            elsewhere: balance.unsettled - held,
            next_refill: balance.next_refill,
            refill: balance.refill,
            max: balance.max,
            at,
        };
        let Some(stored) = self.balances.get(&request.holder) else {
            return answer(CreditOutcome::Gone, 0, &Balance { next_refill: None, ..Balance::default() }, 0);
        };
        let mut balance = stored.refilled(at);
        let place = (request.holder, replica);
        let known = self.slices.get(&place).copied();
        let held = known.map_or(0, |slice| slice.held);
        if request.want > 0 && request.in_hand == 0 && held == 0 && balance.remaining < request.least {
            return answer(CreditOutcome::Refused, 0, &balance, 0);
        }
        let is_late = known.is_some_and(|slice| (request.purse, request.message) <= (slice.purse, slice.message));
        if is_late && !self.without.order {
            return answer(CreditOutcome::Late, 0, &balance, held);
        }
        let continued = known.filter(|slice| slice.purse == request.purse);
        let mut slice = continued.unwrap_or_else(|| {
            balance.spent += held;
            balance.unsettled -= held;
            Slice { purse: request.purse, message: 0, epoch: balance.epoch, used: request.used, held: 0 }
        });
        let more = request.used.saturating_sub(slice.used).min(slice.held);
        balance.spent += more;
        balance.unsettled -= more;
        slice.held -= more;
        (slice.used, slice.message) = (request.used, request.message);
        if self.without.epoch {
            slice.epoch = balance.epoch;
        }
        let mut granted = 0;
        let outcome = if slice.epoch != balance.epoch && request.in_hand > 0 {
            CreditOutcome::Changed
        } else {
            let back = if self.without.recovery { 0 } else { slice.held.saturating_sub(request.in_hand) };
            balance.unsettled -= back;
            slice.held -= back;
            if slice.epoch == balance.epoch {
                balance.remaining += back;
            } else {
                balance.granted -= back;
                slice.epoch = balance.epoch;
            }
            if request.want > 0 && balance.remaining >= request.least {
                granted = request.want.min(request.need.max(balance.remaining / 8)).min(balance.remaining);
                if !self.without.deduction {
                    balance.remaining -= granted;
                    balance.unsettled += granted;
                    slice.held += granted;
                }
            }
            CreditOutcome::Done
        };
        let decided = answer(outcome, granted, &balance, slice.held);
        self.balances.insert(request.holder, balance);
        self.slices.insert(place, slice);
        decided
    }
}
