//! What makes a balance of credits grow.

use time::{Date, Duration, Month, OffsetDateTime};

use super::amounts::InvalidCredits;

/// What is added to a balance again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refill {
    /// How much.
    pub amount: u64,
    /// When.
    pub interval: RefillInterval,
}

/// When a balance is refilled: at the beginning of a day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefillInterval {
    /// Every day.
    Daily,
    /// On this day of each month; beyond the end of a month, on its last.
    Monthly(u8),
}

impl RefillInterval {
    /// The words for them.
    pub const WORDS: [&str; 2] = ["daily", "monthly"];

    /// The word in the database and in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Monthly(_) => "monthly",
        }
    }

    /// The day of the month.
    pub fn day(self) -> Option<u8> {
        match self {
            Self::Daily => None,
            Self::Monthly(day) => Some(day),
        }
    }

    /// The interval with this word and day: the first, if none is given.
    ///
    /// # Errors
    /// What is wrong.
    pub fn of(word: &str, day: Option<u64>) -> Result<Self, InvalidCredits> {
        match (word, day) {
            ("daily", None) => Ok(Self::Daily),
            ("daily", Some(_)) => Err(InvalidCredits::DayOfDaily),
            ("monthly", day) => match u8::try_from(day.unwrap_or(1)) {
                Ok(day @ 1..=31) => Ok(Self::Monthly(day)),
                _ => Err(InvalidCredits::Day),
            },
            _ => Err(InvalidCredits::Interval),
        }
    }

    /// When the refill comes that is so many after this one, which is in UTC; `None` if the calendar ends before.
    pub fn after(self, refill: OffsetDateTime, count: u64) -> Option<OffsetDateTime> {
        match self {
            Self::Daily => {
                refill.checked_add(Duration::days(i64::try_from(count).ok().filter(|days| *days < 1 << 32)?))
            }
            Self::Monthly(day) => {
                let before = u64::from(u8::from(refill.month())) - 1;
                let months = before.checked_add(count)?;
                let year = refill.year().checked_add(i32::try_from(months / 12).ok()?)?;
                let month = Month::try_from(u8::try_from(months % 12 + 1).ok()?).ok()?;
                let date = Date::from_calendar_date(year, month, day.min(month.length(year))).ok()?;
                Some(refill.replace_date(date))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn later_refills_come_on_the_same_day_of_their_month() {
        let first = datetime!(2027-11-30 0:00 UTC);
        for (interval, count, expected) in [
            (RefillInterval::Daily, 0, first),
            (RefillInterval::Daily, 32, datetime!(2028-01-01 0:00 UTC)),
            (RefillInterval::Monthly(31), 1, datetime!(2027-12-31 0:00 UTC)),
            (RefillInterval::Monthly(31), 3, datetime!(2028-02-29 0:00 UTC)),
            (RefillInterval::Monthly(30), 14, datetime!(2029-01-30 0:00 UTC)),
        ] {
            assert_eq!(interval.after(first, count), Some(expected), "{interval:?} {count}");
        }
        for interval in [RefillInterval::Daily, RefillInterval::Monthly(1)] {
            assert_eq!(interval.after(first, u64::MAX), None);
            assert_eq!(interval.after(first, 100_000_000), None);
        }
    }

    #[test]
    fn a_monthly_refill_has_a_day_and_a_daily_one_has_none() {
        assert_eq!(RefillInterval::of("daily", None), Ok(RefillInterval::Daily));
        assert_eq!(RefillInterval::of("monthly", None), Ok(RefillInterval::Monthly(1)));
        assert_eq!(RefillInterval::of("monthly", Some(31)), Ok(RefillInterval::Monthly(31)));
        assert_eq!(RefillInterval::of("daily", Some(1)), Err(InvalidCredits::DayOfDaily));
        for day in [0, 32, 257] {
            assert_eq!(RefillInterval::of("monthly", Some(day)), Err(InvalidCredits::Day), "{day}");
        }
        assert_eq!(RefillInterval::of("weekly", None), Err(InvalidCredits::Interval));
    }
}
