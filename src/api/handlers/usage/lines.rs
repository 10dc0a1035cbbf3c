//! A report of usage as CSV, for spreadsheets: one line for each interval, or for each group if there are groups.

use super::report::{Counts, Group, Point, UsageReport};
use crate::domain::{csv::line, timestamp, usage::UseOutcome};

/// The report as CSV (RFC 4180), with a header line. There is a column for each reason of a refusal, whether it occurs
/// or not.
pub fn usage_csv(report: &UsageReport) -> String {
    match &report.groups {
        None => {
            let header = header(&["start"]);
            report.series.iter().fold(header, |text, point| text + &of_point(point))
        }
        Some(groups) => {
            let header = header(&["keyId", "ownerIssuer", "ownerSubject", "outcome", "tag", "plan"]);
            groups.iter().fold(header, |text, group| text + &of_group(group))
        }
    }
}

fn header(first: &[&'static str]) -> String {
    let reasons = reasons().map(UseOutcome::as_str);
    line(&first.iter().copied().chain(["granted", "refused"]).chain(reasons).collect::<Vec<_>>())
}

fn of_point(point: &Point) -> String {
    line(&[vec![timestamp::write(point.start)], numbers(&point.counts)].concat())
}

fn of_group(group: &Group) -> String {
    let owner = group.owner.as_ref().map(|owner| (owner.issuer.clone(), owner.subject.clone()));
    let (issuer, subject) = owner.unwrap_or_default();
    let outcome = group.outcome.unwrap_or_default().to_owned();
    let (tag, plan) = (group.tag.clone().unwrap_or_default(), group.plan.clone().unwrap_or_default());
    let first = vec![group.key_id.clone().unwrap_or_default(), issuer, subject, outcome, tag, plan];
    line(&[first, numbers(&group.counts)].concat())
}

fn numbers(counts: &Counts) -> Vec<String> {
    let by_reason = reasons().map(|reason| counts.refused.get(reason.as_str()).copied().unwrap_or_default());
    [counts.granted, counts.all_refused()].into_iter().chain(by_reason).map(|number| number.to_string()).collect()
}

fn reasons() -> impl Iterator<Item = UseOutcome> {
    UseOutcome::ALL.into_iter().filter(|outcome| *outcome != UseOutcome::Granted)
}
