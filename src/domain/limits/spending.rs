//! What a request uses of limits, and what the use is called.

use super::{CREDITS, Limit, LimitName};
use crate::domain::usage::UsageTag;

/// What a request uses of the limits that apply to it, and what the use is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending<'a> {
    /// What it uses of each limit, in place of the limit's own cost. With 0, it looks without using anything.
    pub cost: Option<u64>,
    /// It uses no less than this, whatever the cost.
    pub at_least: u64,
    /// The names of the limits that apply; all, if there are none.
    pub only: &'a [LimitName],
    /// What the use is called in reports.
    pub tag: UsageTag,
    /// Whether nothing is used of any limit, and none refuses it: it would be granted without the key, too.
    pub free: bool,
    /// Whether another check of the same request has used the key already: nothing is used, and no use is counted.
    pub used_already: bool,
}

/// What a request uses of each limit that applies to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    cost: Option<u64>,
    at_least: u64,
}

impl Spending<'_> {
    /// What the request uses of each limit that applies.
    pub fn price(&self) -> Price {
        Price { cost: self.cost, at_least: self.at_least }
    }

    /// Whether all limits apply, as they mostly do.
    pub fn applies_to_all(&self) -> bool {
        !self.free && self.only.is_empty()
    }

    /// Whether this limit applies.
    pub fn applies_to(&self, limit: &Limit) -> bool {
        !self.free && (self.only.is_empty() || self.only.contains(&limit.name))
    }

    /// Whether credits are spent.
    pub fn applies_to_credits(&self) -> bool {
        !self.free && (self.only.is_empty() || self.only.iter().any(|name| name.as_str() == CREDITS))
    }
}

impl Price {
    /// What the request uses of this limit.
    pub fn of(self, limit: &Limit) -> u64 {
        self.cost.unwrap_or(limit.cost).max(self.at_least)
    }

    /// What the request uses of credits.
    pub fn of_credits(self) -> u64 {
        self.cost.unwrap_or(1).max(self.at_least)
    }
}
