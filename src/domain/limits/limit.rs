//! One limit.

use std::fmt;

use super::Window;
use crate::domain::{role::Role, worded_enum::worded_enum};

/// The largest amount, which a structured field can carry (RFC 9651 §3.3.1) and JavaScript can count.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000;
/// The maximum length of a name.
pub const NAME_MAX_BYTES: usize = 50;

/// How much may be used in a window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// The name by which responses refer to it.
    pub name: LimitName,
    /// How much may be used in each window.
    pub amount: u64,
    /// The window.
    pub window: Window,
    /// How much one request uses: at least 1, at most the amount.
    pub cost: u64,
    /// What to do when the database does not answer and nothing is in hand.
    pub on_outage: OnOutage,
    /// Who set it.
    pub set_by: Role,
}

worded_enum! {
    /// What becomes of a request if it can't be counted.
    #[derive(Default, Hash)]
    pub enum OnOutage {
        /// It could not be decided: 503.
        #[default]
        Refuse => "refuse",
        /// It is admitted and not counted.
        Admit => "admit",
    }
}

/// The name of a limit: up to 50 letters, digits, dots, hyphens and underscores, which need no escaping anywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitName(Box<str>);

/// A definition is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// The name.
    #[error("must be 1 to {NAME_MAX_BYTES} letters, digits, dots, hyphens or underscores")]
    Name,
    /// The amount.
    #[error("must be a whole number from 1 to {AMOUNT_MAX}")]
    Amount,
    /// The cost.
    #[error("must be from 1 to the limit, or no request could ever be granted")]
    Cost,
}

impl LimitName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidLimit::Name`].
    pub fn parse(text: &str) -> Result<Self, InvalidLimit> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=NAME_MAX_BYTES).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidLimit::Name)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Limit {
    /// A limit of an administrator that costs 1 a request and refuses in an outage.
    ///
    /// # Errors
    /// [`InvalidLimit::Amount`].
    pub fn new(name: LimitName, amount: u64, window: Window) -> Result<Self, InvalidLimit> {
        Self { name, amount, window, cost: 1, on_outage: OnOutage::default(), set_by: Role::Administrator }.checked()
    }

    /// Whether both limit the same in the same way, whoever set them.
    pub fn is_like(&self, other: &Self) -> bool {
        *self == Self { set_by: self.set_by, ..other.clone() }
    }

    /// Whether it lets through no more than `other`. With another window, nobody can tell.
    pub fn is_within(&self, other: &Self) -> bool {
        let admits_no_more = self.on_outage == other.on_outage || self.on_outage == OnOutage::Refuse;
        self.window == other.window && self.amount <= other.amount && self.cost >= other.cost && admits_no_more
    }

    /// The limit, if its numbers make sense.
    ///
    /// # Errors
    /// [`InvalidLimit`].
    pub fn checked(self) -> Result<Self, InvalidLimit> {
        if !(1..=AMOUNT_MAX).contains(&self.amount) {
            return Err(InvalidLimit::Amount);
        }
        if !(1..=self.amount).contains(&self.cost) { Err(InvalidLimit::Cost) } else { Ok(self) }
    }
}
