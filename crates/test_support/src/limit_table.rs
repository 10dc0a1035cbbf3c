//! The counters of limits in memory. What `take_slices` does in the database, for tests without one; a test compares
//! the two.

use std::collections::BTreeMap;

use keyward::domain::{
    limits::{Holder, Window},
    ports::limits::{SliceGrant, SliceRequest, SliceReturn},
};
use time::{Duration, OffsetDateTime};

/// The longest time for which a clock that was set back is waited for.
const LONGEST_WAIT: i64 = 300;

/// The rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LimitTable(BTreeMap<(Holder, String, i32), Counter>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Counter {
    begins: i64,
    taken: u64,
}

impl LimitTable {
    /// A replica gives back what it will not use.
    pub fn give_back(&mut self, part: &SliceReturn) {
        let place = (part.holder, part.name.as_str().to_owned(), part.period);
        if let Some(counter) = self.0.get_mut(&place)
            && window(part.period).span_at(counter.begins).ends == part.ends.unix_timestamp()
        {
            counter.taken = counter.taken.saturating_sub(part.amount);
        }
    }

    /// How much was taken in the windows that are counted now, of all limits together.
    pub fn taken(&self) -> u64 {
        self.0.values().map(|counter| counter.taken).sum()
    }

    /// Decides on a request while the database's clock shows `at`.
    pub fn take(&mut self, request: &SliceRequest, at: OffsetDateTime) -> SliceGrant {
        let span = window(request.period).span_at(at.unix_timestamp());
        let place = (request.holder, request.name.as_str().to_owned(), request.period);
        let counter = self.0.entry(place).or_insert(Counter { begins: i64::MIN, taken: 0 });
        let (mut granted, mut left) = (0, 0);
        let is_later = counter.begins > span.begins;
        if !is_later || counter.begins > at.unix_timestamp() + LONGEST_WAIT {
            if counter.begins != span.begins {
                *counter = Counter { begins: span.begins, taken: 0 };
            }
            left = request.amount.saturating_sub(counter.taken);
            if left >= request.least {
                granted = request.want.min(request.need.max(left / 8)).min(left);
                counter.taken += granted;
                left -= granted;
            }
        }
        let instant = |second| OffsetDateTime::UNIX_EPOCH + Duration::seconds(second);
        SliceGrant { granted, left, ends: instant(span.ends), at }
    }
}

fn window(period: i32) -> Window {
    match u32::try_from(period).expect("a period") {
        0 => Window::Month,
        seconds => Window::Seconds(seconds),
    }
}
