//! `keyward usage`: how often keys were used, directly from the database.

use std::fmt::Write;

use anyhow::bail;
use keyward::{
    api::{UsageReport, usage_csv},
    config::Sources,
    domain::{
        api_key::KeyId,
        escape::escaped,
        ledger::Reach,
        plan::PlanName,
        ports::usage::UsageStore,
        timestamp,
        usage::{AskedPeriod, GROUPS_DEFAULT, GROUPS_MAX, Granularity, Grouping, UsageFilter, UsageQuery, UseOutcome},
    },
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::shared::{DatabaseOptions, Desk, Misuse, OwnerOptions, now, output::print, print_json, values};

/// The width of the longest bar, so that a line fits on a terminal of 80 columns.
const BAR: u64 = 32;
const GRANTED: &str = "█";
const REFUSED: &str = "░";

/// See how often keys were used, on the database directly.
#[derive(clap::Args)]
#[command(after_help = "\
INSTANT is a time such as 2030-01-31T12:00:00Z, or a span such as 7d: so long ago.
Without a key and an owner, it is about the keys of everybody.

Examples:
  keyward usage 0352mXAgJX8YoWA3E5sR9r
  keyward usage 0352mXAgJX8YoWA3E5sR9r --granularity hour --from 48h
  keyward usage --subject alice --granularity month
  keyward usage --outcome rate_limited --from 7d --group-by owner
  keyward usage --from 24h --group-by plan
  keyward usage --subject alice --group-by key --top 20 --json
  keyward usage --from 90d --csv > usage.csv")]
pub(super) struct Usage {
    /// The key's id: the 22 characters after keyward_live_, as lists and logs show it.
    #[arg(value_name = "KEY", conflicts_with_all = ["owner", "subject"])]
    key: Option<KeyId>,
    #[command(flatten)]
    owner: OwnerOptions,
    /// Only the keys of owners who are on this plan now.
    #[arg(long, value_name = "NAME")]
    plan: Option<PlanName>,
    /// Where it begins; widened to a whole hour, day or month.
    #[arg(long, value_name = "INSTANT", value_parser = values::past)]
    from: Option<OffsetDateTime>,
    /// Where it ends; widened to a whole hour, day or month.
    #[arg(long, value_name = "INSTANT", value_parser = values::past)]
    to: Option<OffsetDateTime>,
    /// The length of the intervals, in UTC.
    #[arg(long, value_name = "LENGTH", value_parser = values::granularity(), default_value = "day")]
    granularity: Granularity,
    /// Only uses with this outcome.
    #[arg(long, value_name = "OUTCOME", value_parser = values::use_outcome())]
    outcome: Option<UseOutcome>,
    /// Only uses with this tag; empty for those without one.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The groups with the most uses in place of the intervals.
    #[arg(long, value_name = "WHAT", value_parser = values::grouping())]
    group_by: Option<Grouping>,
    /// The number of groups.
    #[arg(long, value_name = "COUNT", requires = "group_by", default_value_t = GROUPS_DEFAULT,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(GROUPS_MAX)))]
    top: u32,
    /// Print JSON, as the API has it.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV, as the API has it.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    database: DatabaseOptions,
}

impl Usage {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<()> {
        let Self { key, owner, plan, from, to, granularity, outcome, tag, group_by, top, json, csv, database } = self;
        database.work(sources, async |desk| {
            let filter = UsageFilter { key, owner: owner.read(&desk.settings)?, plan, outcome, tag };
            let (asked, groups) = (AskedPeriod { from, to, granularity }, group_by.map(|grouping| (grouping, top)));
            let query = UsageQuery::new(asked, filter, groups, now());
            let query = query.map_err(|invalid| Misuse(format!("--from, --to: {invalid}")))?;
            let report = report(desk, &query).await?;
            if json {
                return print_json(&report);
            }
            Ok(print(if csv { usage_csv(&report) } else { drawn(&query, &report) })?)
        })
    }
}

async fn report(desk: &Desk, query: &UsageQuery) -> anyhow::Result<UsageReport> {
    let usage = desk.store.usage(query, &Reach::Any).await??;
    // The uses of a key that was deleted are still there.
    if let Some(id) = query.filter.key
        && usage.series.is_empty()
        && desk.ledger().show(id, &Reach::Any).await?.is_none()
    {
        bail!("there is no key {id}");
    }
    Ok(UsageReport::new(query, usage))
}

/// A bar for each interval, or for each group, with the sums below.
fn drawn(query: &UsageQuery, report: &UsageReport) -> String {
    let bars: Vec<(String, u64, u64)> = if query.groups.is_some() {
        report.group_bars().map(|(name, granted, refused)| (escaped(&name), granted, refused)).collect()
    } else {
        let start = |at| written(query.period.granularity, at);
        report.bars().map(|(at, granted, refused)| (start(at), granted, refused)).collect()
    };
    let mut text = chart(&bars);
    let (granted, refused) = report.totals();
    let _ = writeln!(
        text,
        "\nFrom {} to {}: {GRANTED} {granted} granted, {REFUSED} {} refused",
        timestamp::write(query.period.from),
        timestamp::write(query.period.to),
        refused.values().sum::<u64>()
    );
    for (reason, count) in refused {
        let _ = writeln!(text, "  {count} {reason}");
    }
    if let Some(at) = report.unfinished_as_of() {
        let _ = writeln!(text, "As of {}: uses of the last minute may be missing", timestamp::write(at));
    }
    text
}

fn written(granularity: Granularity, at: OffsetDateTime) -> String {
    let format: &[BorrowedFormatItem<'_>] = match granularity {
        Granularity::Hour => format_description!("[year]-[month]-[day] [hour]:[minute]Z"),
        Granularity::Day => format_description!("[year]-[month]-[day]"),
        Granularity::Month => format_description!("[year]-[month]"),
    };
    at.format(format).unwrap_or_default()
}

/// A line for each bar: its name, the numbers of granted and refused uses, and both as a bar.
fn chart(bars: &[(String, u64, u64)]) -> String {
    let most = bars.iter().map(|(_, granted, refused)| granted.saturating_add(*refused)).max().unwrap_or(0).max(1);
    let width = |column: fn(&(String, u64, u64)) -> String| {
        bars.iter().map(|bar| column(bar).chars().count()).max().unwrap_or(0)
    };
    let (names, grants, refusals) =
        (width(|bar| bar.0.clone()), width(|bar| bar.1.to_string()), width(|bar| bar.2.to_string()));
    let mut text = String::new();
    for (name, granted, refused) in bars {
        let drawn = GRANTED.repeat(cells(*granted, most)) + &REFUSED.repeat(cells(*refused, most));
        let line = format!("{name:names$}  {granted:>grants$}  {refused:>refusals$}  {drawn}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// How long a bar is: what is not nothing has at least one cell.
fn cells(count: u64, most: u64) -> usize {
    let cells = (u128::from(count) * u128::from(BAR)).div_ceil(u128::from(most));
    usize::try_from(cells).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share_of_the_longest_and_never_vanish() {
        let bar = |name: &str, granted, refused| (name.to_owned(), granted, refused);
        let text = chart(&[bar("a", 1000, 0), bar("bb", 0, 0), bar("c", 500, 1), bar("d", u64::MAX / 2, 0)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], format!("bb  {:>19}  0", 0));
        assert!(lines[0].ends_with(&format!("1000  0  {GRANTED}")), "{text}");
        assert!(lines[2].ends_with(&format!("500  1  {GRANTED}{REFUSED}")), "{text}");
        assert!(lines[3].ends_with(&GRANTED.repeat(32)), "{text}");
    }

    #[test]
    fn a_chart_of_nothing_is_no_failure() {
        assert_eq!(chart(&[]), "");
        assert_eq!(chart(&[("a".to_owned(), 0, 0)]), "a  0  0\n");
    }
}
