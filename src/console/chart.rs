//! Uses as a bar chart, and as a table for those who can't see it.

use time::{OffsetDateTime, UtcOffset, macros::format_description};

use super::{frame::When, texts::EN};
use crate::domain::usage::{Granularity, Period, Usage, UseCounts, UseOutcome};

/// The size of the drawing, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;
/// The part of a bar's place that it fills.
const FILLED: f64 = 0.8;

/// A chart.
pub(super) struct Chart {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) bars: Vec<Bar>,
    /// The most uses in an interval.
    pub(super) most: u64,
    pub(super) from: String,
    pub(super) to: String,
    /// Outcomes with their sums: those with any uses.
    pub(super) totals: Vec<(&'static str, u64)>,
    pub(super) sum: u64,
    pub(super) as_of: When,
    /// The word for another granularity, which the page can be asked for.
    pub(super) other: &'static str,
    pub(super) by: &'static str,
}

/// An interval.
pub(super) struct Bar {
    pub(super) x: String,
    pub(super) width: String,
    pub(super) granted_y: String,
    pub(super) granted_height: String,
    pub(super) refused_y: String,
    pub(super) refused_height: String,
    pub(super) label: String,
    pub(super) granted: u64,
    pub(super) refused: u64,
    /// The uses by outcome, in the order of the chart's totals.
    pub(super) outcomes: Vec<u64>,
}

/// The granularity with this word: days, unless it is hours.
pub(super) fn granularity(word: Option<&str>) -> Granularity {
    if word == Some("hour") { Granularity::Hour } else { Granularity::Day }
}

impl Chart {
    /// A chart of a report about this time.
    pub(super) fn new(period: Period, usage: Usage) -> Self {
        let mut totals = UseCounts::default();
        let mut counted = usage.series.into_iter().peekable();
        let series: Vec<(OffsetDateTime, UseCounts)> = period
            .starts()
            .map(|start| {
                let counts = counted.next_if(|(at, _)| *at == start).map(|(_, counts)| counts).unwrap_or_default();
                totals.add_all(&counts);
                (start, counts)
            })
            .collect();
        let seen: Vec<UseOutcome> = UseOutcome::ALL.into_iter().filter(|outcome| totals.of(*outcome) > 0).collect();
        let most = series.iter().map(|(_, counts)| counts.sum()).max().unwrap_or_default();
        let place = WIDTH / series.len().max(1) as f64;
        let scale = HEIGHT / most.max(1) as f64;
        let bar = |(at, (start, counts)): (usize, &(OffsetDateTime, UseCounts))| {
            let granted = counts.of(UseOutcome::Granted);
            let refused = counts.sum() - granted;
            let (granted_height, refused_height) = (granted as f64 * scale, refused as f64 * scale);
            Bar {
                x: number(at as f64 * place),
                width: number(place * FILLED),
                granted_y: number(HEIGHT - granted_height),
                granted_height: number(granted_height),
                refused_y: number(HEIGHT - granted_height - refused_height),
                refused_height: number(refused_height),
                label: label(*start, period.granularity),
                granted,
                refused,
                outcomes: seen.iter().map(|outcome| counts.of(*outcome)).collect(),
            }
        };
        let ends = |start: Option<&(OffsetDateTime, UseCounts)>| {
            start.map_or_else(String::new, |(start, _)| label(*start, period.granularity))
        };
        let is_hourly = period.granularity == Granularity::Hour;
        Self {
            width: WIDTH,
            height: HEIGHT,
            bars: series.iter().enumerate().map(bar).collect(),
            most,
            from: ends(series.first()),
            to: ends(series.last()),
            totals: seen.iter().map(|outcome| (outcome.as_str(), totals.of(*outcome))).collect(),
            sum: totals.sum(),
            as_of: usage.as_of.into(),
            other: if is_hourly { "day" } else { "hour" },
            by: if is_hourly { EN.by_day } else { EN.by_hour },
        }
    }
}

fn number(value: f64) -> String {
    format!("{value:.2}")
}

fn label(start: OffsetDateTime, granularity: Granularity) -> String {
    let start = start.to_offset(UtcOffset::UTC);
    let text = match granularity {
        Granularity::Hour => start.format(format_description!("[year]-[month]-[day] [hour]:00 UTC")),
        Granularity::Day => start.format(format_description!("[year]-[month]-[day]")),
        Granularity::Month => start.format(format_description!("[year]-[month]")),
    };
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn bars_fill_the_height_and_every_interval_has_one() {
        let now = datetime!(2026-11-29 12:30 UTC);
        let period = Period::new(None, None, Granularity::Hour, now).expect("a period");
        let mut counts = UseCounts::default();
        counts.add(Some(UseOutcome::Granted), 3);
        counts.add(Some(UseOutcome::RateLimited), 1);
        let usage = Usage { as_of: now, series: vec![(datetime!(2026-11-29 12:00 UTC), counts)], groups: Vec::new() };
        let chart = Chart::new(period, usage);
        assert_eq!((chart.bars.len(), chart.most, chart.sum), (24, 4, 4));
        let last = chart.bars.last().expect("a bar");
        assert_eq!(
            (last.granted_height.as_str(), last.refused_y.as_str(), last.refused_height.as_str()),
            ("120.00", "0.00", "40.00")
        );
        assert_eq!(chart.totals, [("granted", 3), ("rate_limited", 1)]);
        assert_eq!(last.outcomes, [3, 1]);
        assert_eq!(chart.to, "2026-11-29 12:00 UTC");
    }
}
