//! A report of usage as it appears in responses.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    api::wire::{owner::Owner, times},
    domain::usage::{Usage, UsageGroup, UsageQuery, UseCounts, UseOutcome},
};

/// How often keys were used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// When the first interval begins.
    #[serde(serialize_with = "times::required")]
    pub(super) from: OffsetDateTime,
    /// When the last interval ends.
    #[serde(serialize_with = "times::required")]
    pub(super) to: OffsetDateTime,
    /// The length of the intervals.
    #[schema(value_type = UsageGranularity)]
    pub(super) granularity: &'static str,
    /// When this was read. Uses that were not written by then are not counted; most are written within a minute.
    #[serde(serialize_with = "times::required")]
    pub(super) as_of: OffsetDateTime,
    /// Every interval, also those without any use.
    #[schema(max_items = 1000)]
    pub(super) series: Vec<Point>,
    /// The sums of all intervals.
    pub(super) totals: Counts,
    /// The groups with the most uses in the whole time, if `groupBy` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 100)]
    pub(super) groups: Option<Vec<Group>>,
}

/// The length of intervals, for the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum UsageGranularity {
    Hour,
    Day,
    Month,
}

/// Uses by outcome.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UseCounts)]
pub(super) struct Counts {
    /// The uses that were granted.
    pub(super) granted: u64,
    /// The uses that were refused, by the reason. Reasons for which none was refused are absent.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({"rate_limited": 12}))]
    pub(super) refused: BTreeMap<&'static str, u64>,
}

/// The uses in an interval.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UsagePoint)]
pub(super) struct Point {
    /// When it begins.
    #[serde(serialize_with = "times::required")]
    pub(super) start: OffsetDateTime,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

/// Uses that have something in common.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UsageGroup)]
pub(super) struct Group {
    /// The owner of the keys, or of the key; absent for other groups, and for keys whose owner was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) owner: Option<Owner>,
    /// The plan that the owners of the keys are on now, if grouped by plan; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) plan: Option<String>,
    /// The key, if grouped by key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9A-Za-z]{22}$")]
    pub(super) key_id: Option<String>,
    /// The outcome, if grouped by outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, example = "rate_limited")]
    pub(super) outcome: Option<&'static str>,
    /// The tag, if grouped by tag; empty for uses without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) tag: Option<String>,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

impl UsageReport {
    /// The report, with every interval of its time.
    pub fn new(query: &UsageQuery, usage: Usage) -> Self {
        let mut totals = UseCounts::default();
        let mut counted = usage.series.into_iter().peekable();
        let series = query.period.starts().map(|start| {
            let counts = counted.next_if(|(at, _)| *at == start).map(|(_, counts)| counts).unwrap_or_default();
            totals.add_all(&counts);
            Point { start, counts: Counts::from(counts) }
        });
        let series = series.collect();
        Self {
            from: query.period.from,
            to: query.period.to,
            granularity: query.period.granularity.as_str(),
            as_of: usage.as_of,
            series,
            totals: totals.into(),
            groups: query.groups.map(|_| usage.groups.into_iter().map(Group::from).collect()),
        }
    }

    /// When each interval begins, with the uses that were granted and refused in it.
    pub fn bars(&self) -> impl Iterator<Item = (OffsetDateTime, u64, u64)> {
        self.series.iter().map(|point| (point.start, point.counts.granted, point.counts.all_refused()))
    }

    /// When the report was made, if its time goes on: the last uses may be missing.
    pub fn unfinished_as_of(&self) -> Option<OffsetDateTime> {
        (self.to > self.as_of).then_some(self.as_of)
    }

    /// All uses that were granted, and those that were refused by the reason.
    pub fn totals(&self) -> (u64, &BTreeMap<&'static str, u64>) {
        (self.totals.granted, &self.totals.refused)
    }

    /// What each group has in common, with the uses that were granted and refused.
    pub fn group_bars(&self) -> impl Iterator<Item = (String, u64, u64)> {
        let groups = self.groups.iter().flatten();
        groups.map(|group| (group.name(), group.counts.granted, group.counts.all_refused()))
    }
}

impl Counts {
    pub(super) fn all_refused(&self) -> u64 {
        self.refused.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl Group {
    /// The key, the outcome, the tag, the plan or the owner.
    fn name(&self) -> String {
        let named = self
            .key_id
            .clone()
            .or(self.outcome.map(str::to_owned))
            .or_else(|| self.tag.clone())
            .or_else(|| self.plan.clone());
        let owner = || self.owner.as_ref().map(|owner| owner.subject.clone());
        named.or_else(owner).filter(|name| !name.is_empty()).unwrap_or_else(|| "-".to_owned())
    }
}

impl From<UseCounts> for Counts {
    fn from(counts: UseCounts) -> Self {
        let refused = counts.refused().map(|(reason, count)| (reason.as_str(), count));
        Self { granted: counts.of(UseOutcome::Granted), refused: refused.collect() }
    }
}

impl From<UsageGroup> for Group {
    fn from(group: UsageGroup) -> Self {
        Self {
            owner: group.owner.as_ref().map(Owner::new),
            plan: group.plan,
            key_id: group.key.map(|id| id.to_string()),
            outcome: group.outcome.map(UseOutcome::as_str),
            tag: group.tag,
            counts: group.counts.into(),
        }
    }
}
