//! Reports of usage: what is asked, and the answer.

use time::OffsetDateTime;

use super::{AskedPeriod, InvalidPeriod, Period, UseOutcome};
use crate::domain::{api_key::KeyId, owner::Owner, plan::PlanName, worded_enum::worded_enum};

/// The number of groups in a report if nobody says so.
pub const GROUPS_DEFAULT: u32 = 10;
/// The maximum number of groups in a report.
pub const GROUPS_MAX: u32 = 100;

/// The maximum number of counts that a report of some keys reads: what a database reads in half a second. There is one
/// for each key, hour or day, outcome and tag.
const COUNTS_MAX: u32 = 400_000;

/// The report would read more counts than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys have more than {0} counts in this time: choose a shorter time, days instead of hours, or one key")]
pub struct TooManyCounts(pub u32);

/// Which uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Only those of this key.
    pub key: Option<KeyId>,
    /// Only those of this owner's keys.
    pub owner: Option<Owner>,
    /// Only those of keys whose owners are on this plan now.
    pub plan: Option<PlanName>,
    /// Only those with this outcome.
    pub outcome: Option<UseOutcome>,
    /// Only those with this tag; those without any for an empty text.
    pub tag: Option<String>,
}

worded_enum! {
    /// By what uses are grouped.
    pub enum Grouping {
        /// By the owner of the key.
        Owner => "owner",
        /// By the plan that the owner of the key is on now.
        Plan => "plan",
        /// By key.
        Key => "key",
        /// By outcome.
        Outcome => "outcome",
        /// By tag.
        Tag => "tag",
    }
}

impl Grouping {
    /// Whether the groups are keys, or made of keys.
    pub fn is_by_key(self) -> bool {
        matches!(self, Self::Owner | Self::Plan | Self::Key)
    }

    /// Whether the groups tell owners apart, of whom a caller may see only one.
    pub fn is_of_owners(self) -> bool {
        matches!(self, Self::Owner | Self::Plan)
    }
}

/// A report that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    /// When.
    pub period: Period,
    /// Which uses.
    pub filter: UsageFilter,
    /// The groups with the most uses, and how many of them.
    pub groups: Option<(Grouping, u32)>,
}

impl UsageQuery {
    /// The report about this time, widened to whole intervals.
    ///
    /// # Errors
    /// [`InvalidPeriod`].
    pub fn new(
        asked: AskedPeriod,
        filter: UsageFilter,
        groups: Option<(Grouping, u32)>,
        now: OffsetDateTime,
    ) -> Result<Self, InvalidPeriod> {
        let period = Period::new(asked.from, asked.to, asked.granularity, now)?;
        let query = Self { period, filter, groups };
        if !query.reads_each_key() {
            return Ok(query);
        }
        Ok(Self { period: period.for_each_key(asked.from.is_some())?, ..query })
    }

    /// The maximum number of counts that it reads, if it is [of some keys](Self::is_of_some_keys). For groups, each is
    /// read twice.
    pub fn most_counts(&self) -> u32 {
        if self.groups.is_some() { COUNTS_MAX / 2 } else { COUNTS_MAX }
    }

    /// Whether it is about the keys of an owner or of a plan, or one key. There are sums of all keys, and their groups
    /// reach over a bounded time.
    pub fn is_of_some_keys(&self) -> bool {
        let UsageFilter { key, owner, plan, .. } = &self.filter;
        key.is_some() || owner.is_some() || plan.is_some()
    }

    /// Whether the uses of every owner's keys are looked at one by one: there are no sums of those on a plan.
    fn reads_each_key(&self) -> bool {
        let UsageFilter { key, owner, plan, .. } = &self.filter;
        let by_key = self.groups.is_some_and(|(grouping, _)| grouping.is_by_key());
        key.is_none() && owner.is_none() && (by_key || plan.is_some())
    }
}

/// Uses by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UseCounts([u64; UseOutcome::COUNT]);

impl UseCounts {
    /// Adds uses. Those with an outcome of a newer version are left out.
    pub fn add(&mut self, outcome: Option<UseOutcome>, count: u64) {
        if let Some(outcome) = outcome {
            let sum = &mut self.0[outcome.place()];
            *sum = sum.saturating_add(count);
        }
    }

    /// Adds all uses of another.
    pub fn add_all(&mut self, other: &Self) {
        UseOutcome::ALL.into_iter().for_each(|outcome| self.add(Some(outcome), other.of(outcome)));
    }

    /// The uses with this outcome.
    pub fn of(&self, outcome: UseOutcome) -> u64 {
        self.0[outcome.place()]
    }

    /// The uses that were refused, by the reason, without those that did not happen.
    pub fn refused(&self) -> impl Iterator<Item = (UseOutcome, u64)> {
        let refusals = UseOutcome::ALL.into_iter().filter(|outcome| *outcome != UseOutcome::Granted);
        refusals.map(|outcome| (outcome, self.of(outcome))).filter(|(_, count)| *count > 0)
    }

    /// All uses.
    pub fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Uses that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageGroup {
    /// The owner, if grouped by owner or key; `None` if they are not known any more.
    pub owner: Option<Owner>,
    /// The plan, if grouped by plan; empty for owners on none.
    pub plan: Option<String>,
    /// The key, if grouped by key.
    pub key: Option<KeyId>,
    /// The outcome, if grouped by outcome.
    pub outcome: Option<UseOutcome>,
    /// The tag, if grouped by tag.
    pub tag: Option<String>,
    /// How many there are.
    pub counts: UseCounts,
}

/// The uses of a key on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDay {
    /// The key.
    pub key: KeyId,
    /// When the day began.
    pub day: OffsetDateTime,
    /// The uses that were granted.
    pub granted: u64,
    /// Those that were not.
    pub refused: u64,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The store's clock at the time of the report. Uses that a replica has not written by then are not in it.
    pub as_of: OffsetDateTime,
    /// The intervals with uses, by their begin. The others are absent.
    pub series: Vec<(OffsetDateTime, UseCounts)>,
    /// The groups that were asked for, those with the most uses first.
    pub groups: Vec<UsageGroup>,
}
