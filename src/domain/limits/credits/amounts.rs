//! Amounts of credits as requests, options and forms have them.

use std::str::FromStr;

use crate::domain::limits::AMOUNT_MAX;

/// Credits are invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredits {
    /// An amount.
    #[error("must be a whole number from 1 to {AMOUNT_MAX}")]
    Amount,
    /// A balance.
    #[error("must be a whole number from 0 to {AMOUNT_MAX}")]
    Balance,
    /// What a top-up does.
    #[error("must be add or set")]
    Operation,
    /// The interval.
    #[error("must be daily or monthly")]
    Interval,
    /// The day of the month.
    #[error("must be a day of the month, from 1 to 31")]
    Day,
    /// A daily refill has no day.
    #[error("only a monthly refill has a day")]
    DayOfDaily,
}

/// An amount: at least 1.
///
/// # Errors
/// [`InvalidCredits::Amount`].
pub fn amount(number: u64) -> Result<u64, InvalidCredits> {
    if (1..=AMOUNT_MAX).contains(&number) { Ok(number) } else { Err(InvalidCredits::Amount) }
}

/// A balance, which may be 0.
///
/// # Errors
/// [`InvalidCredits::Balance`].
pub fn balance(number: u64) -> Result<u64, InvalidCredits> {
    if number <= AMOUNT_MAX { Ok(number) } else { Err(InvalidCredits::Balance) }
}

/// A request to add to a balance, or to set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopUp {
    /// So much more.
    Add(u64),
    /// Exactly so much.
    Set(u64),
}

/// What a top-up does with its amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopUpOperation {
    /// It adds it.
    Add,
    /// It makes it the balance.
    Set,
}

impl TopUpOperation {
    /// Every valid text of an operation.
    pub const WORDS: [&'static str; 2] = ["add", "set"];

    /// The top-up with this balance or amount.
    ///
    /// # Errors
    /// [`InvalidCredits`].
    pub fn with(self, number: u64) -> Result<TopUp, InvalidCredits> {
        match self {
            Self::Add => amount(number).map(TopUp::Add),
            Self::Set => balance(number).map(TopUp::Set),
        }
    }
}

impl FromStr for TopUpOperation {
    type Err = InvalidCredits;

    fn from_str(text: &str) -> Result<Self, InvalidCredits> {
        let [add, set] = Self::WORDS;
        match text {
            text if text == add => Ok(Self::Add),
            text if text == set => Ok(Self::Set),
            _ => Err(InvalidCredits::Operation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_is_set_to_nothing_but_nothing_is_added_to_none() {
        let of = |word: &str, number| word.parse::<TopUpOperation>().and_then(|operation| operation.with(number));
        assert_eq!(of("set", 0), Ok(TopUp::Set(0)));
        assert_eq!(of("add", 0), Err(InvalidCredits::Amount));
        assert_eq!(of("add", AMOUNT_MAX), Ok(TopUp::Add(AMOUNT_MAX)));
        assert_eq!(of("add", AMOUNT_MAX + 1), Err(InvalidCredits::Amount));
        assert_eq!(of("set", AMOUNT_MAX + 1), Err(InvalidCredits::Balance));
        assert_eq!(of("Add", 1), Err(InvalidCredits::Operation));
    }
}
