//! What makes a balance of credits grow.

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
