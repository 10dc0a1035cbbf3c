//! The time that a report is about, in intervals of one length, in UTC.

use time::{Date, Duration, Month, OffsetDateTime, Time};

use crate::domain::worded_enum::worded_enum;

/// The maximum number of intervals in a report: more than a plot can show.
pub const POINTS_MAX: usize = 1000;

worded_enum! {
    /// The length of the intervals, in words that Postgres understands as well.
    #[derive(Default)]
    pub enum Granularity {
        /// Hours.
        Hour => "hour",
        /// Days in UTC.
        #[default]
        Day => "day",
        /// Calendar months in UTC.
        Month => "month",
    }
}

/// Whole intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// When the first begins.
    pub from: OffsetDateTime,
    /// When the last ends.
    pub to: OffsetDateTime,
    /// Their length.
    pub granularity: Granularity,
}

/// The time that is asked for can't be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeriod {
    /// It ends before it begins.
    #[error("must be later than from")]
    Empty,
    /// It has too many intervals.
    #[error(
        "there are more than {POINTS_MAX} intervals between from and to: choose a shorter time, or a coarser granularity"
    )]
    TooManyPoints,
    /// It is too long to look at the uses of every owner's keys one by one.
    #[error(
        "groups of all owners' keys, and reports of a plan, reach over at most 7 days, or 6 hours by hour, and never over \
         months: choose a shorter time, or an owner"
    )]
    TooLongForEachKey,
}

/// The time that somebody asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskedPeriod {
    /// When it begins; `None`: as usual.
    pub from: Option<OffsetDateTime>,
    /// When it ends; `None`: now.
    pub to: Option<OffsetDateTime>,
    /// In intervals of this length.
    pub granularity: Granularity,
}

impl Granularity {
    /// When the interval that contains an instant begins.
    pub fn begin(self, instant: OffsetDateTime) -> OffsetDateTime {
        let instant = instant.to_offset(time::UtcOffset::UTC);
        let hour = || Time::from_hms(instant.hour(), 0, 0).unwrap_or(Time::MIDNIGHT);
        match self {
            Self::Hour => instant.replace_time(hour()),
            Self::Day => instant.replace_time(Time::MIDNIGHT),
            Self::Month => instant.replace_date(first_of(instant.date())).replace_time(Time::MIDNIGHT),
        }
    }

    /// When the interval ends that begins at `begin`; the same instant at the end of the calendar.
    pub fn end(self, begin: OffsetDateTime) -> OffsetDateTime {
        let later = match self {
            Self::Hour => begin.checked_add(Duration::HOUR),
            Self::Day => begin.checked_add(Duration::DAY),
            // Every month has at most 31 days, and the next at least 28.
            Self::Month => begin.checked_add(Duration::days(31)).map(|later| self.begin(later)),
        };
        later.unwrap_or(begin)
    }

    /// How far back a report reaches if nobody says so: a day of hours, a month of days, a year of months. Also enough
    /// to see the same time of the day, of the week and of the year before.
    fn usual(self, last: OffsetDateTime) -> OffsetDateTime {
        let earlier = match self {
            Self::Hour => last.checked_sub(Duration::hours(23)),
            Self::Day => last.checked_sub(Duration::days(29)),
            Self::Month => Date::from_calendar_date(last.year() - 1, last.month().next(), 1)
                .ok()
                .map(|date| last.replace_date(date))
                .map(|date| if last.month() == Month::December { next_year(date) } else { date }),
        };
        earlier.unwrap_or(last)
    }
}

/// January after December is in the same year as that.
fn next_year(instant: OffsetDateTime) -> OffsetDateTime {
    instant.replace_year(instant.year() + 1).unwrap_or(instant)
}

fn first_of(date: Date) -> Date {
    date.replace_day(1).unwrap_or(date)
}

impl Period {
    /// The intervals that contain any of the time from `from` until `to`. Without `to`, they end with the one that
    /// contains `now`; without `from`, there are as many as usual.
    ///
    /// # Errors
    /// [`InvalidPeriod`].
    pub fn new(
        from: Option<OffsetDateTime>,
        to: Option<OffsetDateTime>,
        granularity: Granularity,
        now: OffsetDateTime,
    ) -> Result<Self, InvalidPeriod> {
        let to = match to {
            Some(to) if granularity.begin(to) == to => to,
            to => granularity.end(granularity.begin(to.unwrap_or(now))),
        };
        let last = granularity.begin(to - Duration::NANOSECOND);
        let from = from.map_or_else(|| granularity.usual(last), |from| granularity.begin(from));
        if from >= to {
            return Err(InvalidPeriod::Empty);
        }
        let period = Self { from, to, granularity };
        if period.starts().nth(POINTS_MAX).is_some() { Err(InvalidPeriod::TooManyPoints) } else { Ok(period) }
    }

    /// The last 30 days until `now`.
    pub fn usual(now: OffsetDateTime) -> Self {
        let granularity = Granularity::default();
        let last = granularity.begin(now);
        Self { from: granularity.usual(last), to: granularity.end(last), granularity }
    }

    /// When each interval begins.
    pub fn starts(self) -> impl Iterator<Item = OffsetDateTime> {
        let next = move |start: &OffsetDateTime| {
            let next = self.granularity.end(*start);
            (next > *start && next < self.to).then_some(next)
        };
        std::iter::successors(Some(self.from), next)
    }

    /// The same where the uses of every owner's keys are looked at one by one, of which there may be some hundred
    /// thousand in a day. As long as that is possible, unless somebody has chosen when it begins.
    ///
    /// # Errors
    /// [`InvalidPeriod::TooLongForEachKey`].
    pub(super) fn for_each_key(self, is_chosen: bool) -> Result<Self, InvalidPeriod> {
        let (interval, most) = match self.granularity {
            Granularity::Hour => (Duration::HOUR, 6),
            Granularity::Day => (Duration::DAY, 7),
            Granularity::Month => return Err(InvalidPeriod::TooLongForEachKey),
        };
        if !is_chosen {
            return Ok(Self { from: self.to - interval * most, ..self });
        }
        // The last 7 days reach into 8, unless they end at midnight.
        if self.to - self.from > interval * (most + 1) { Err(InvalidPeriod::TooLongForEachKey) } else { Ok(self) }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:34:56.789 UTC);

    #[test]
    fn intervals_are_whole_hours_days_and_months_in_utc() {
        for (granularity, begin, end) in [
            (Granularity::Hour, datetime!(2026-11-23 12:00 UTC), datetime!(2026-11-23 13:00 UTC)),
            (Granularity::Day, datetime!(2026-11-23 0:00 UTC), datetime!(2026-11-24 0:00 UTC)),
            (Granularity::Month, datetime!(2026-11-01 0:00 UTC), datetime!(2026-12-01 0:00 UTC)),
        ] {
            assert_eq!(granularity.begin(NOW), begin);
            assert_eq!(granularity.begin(NOW.to_offset(time::macros::offset!(+13))), begin);
            assert_eq!(granularity.end(begin), end);
        }
    }

    #[test]
    fn without_times_it_is_the_last_day_month_or_year_until_now() {
        for (granularity, from, points) in [
            (Granularity::Hour, datetime!(2026-11-22 13:00 UTC), 24),
            (Granularity::Day, datetime!(2026-10-25 0:00 UTC), 30),
            (Granularity::Month, datetime!(2025-12-01 0:00 UTC), 12),
        ] {
            let period = Period::new(None, None, granularity, NOW).expect("a period");
            assert_eq!((period.from, period.starts().count()), (from, points));
            assert_eq!(period.to, granularity.end(granularity.begin(NOW)));
        }
        let december = Period::new(None, None, Granularity::Month, datetime!(2026-12-31 23:59 UTC));
        assert_eq!(december.expect("a period").from, datetime!(2026-01-01 0:00 UTC));
    }

    #[test]
    fn a_time_is_widened_to_whole_intervals() {
        let period = Period::new(Some(NOW), Some(NOW), Granularity::Month, NOW).expect("one month");
        assert_eq!(period.starts().collect::<Vec<_>>(), [datetime!(2026-11-01 0:00 UTC)]);
        let end = datetime!(2026-03-01 0:00 UTC);
        let period = Period::new(Some(datetime!(2026-01-31 5:00 UTC)), Some(end), Granularity::Month, NOW);
        assert_eq!(period.expect("two months").starts().count(), 2);
    }

    #[test]
    fn what_looks_at_each_key_reaches_over_days_or_hours() {
        let of = |from: Option<OffsetDateTime>, granularity| {
            let period = Period::new(from, None, granularity, NOW).expect("a period");
            period.for_each_key(from.is_some()).map(|period| period.starts().count())
        };
        let (too_long, second) = (Err(InvalidPeriod::TooLongForEachKey), Duration::SECOND);
        for (granularity, longest, points) in
            [(Granularity::Hour, Duration::hours(6), 6), (Granularity::Day, Duration::days(7), 7)]
        {
            assert_eq!(of(None, granularity), Ok(points));
            assert_eq!(of(Some(NOW - longest), granularity), Ok(points + 1), "{granularity:?}");
            assert_eq!(of(Some(granularity.begin(NOW - longest) - second), granularity), too_long, "{granularity:?}");
        }
        assert_eq!(of(None, Granularity::Month), too_long);
        assert_eq!(of(Some(NOW), Granularity::Month), too_long);
    }

    #[test]
    fn what_is_empty_or_too_long_is_refused() {
        let period = |from, to| Period::new(Some(from), Some(to), Granularity::Hour, NOW);
        let (begin, day) = (datetime!(2026-01-01 0:00 UTC), Duration::DAY);
        assert_eq!(period(begin, begin), Err(InvalidPeriod::Empty));
        assert_eq!(period(begin, begin - day), Err(InvalidPeriod::Empty));
        assert!(period(begin, begin + Duration::hours(1000)).is_ok());
        assert_eq!(period(begin, begin + Duration::hours(1001)), Err(InvalidPeriod::TooManyPoints));
        let all = period(datetime!(0000-01-01 0:00 UTC), datetime!(9999-12-31 23:59:59 UTC));
        assert_eq!(all, Err(InvalidPeriod::TooManyPoints));
    }
}
