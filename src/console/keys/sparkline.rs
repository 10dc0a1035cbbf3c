//! The uses of a key in the last 30 days, as small as a row of a list.

use std::collections::HashMap;

use actix_web::HttpRequest;
use time::OffsetDateTime;

use crate::{
    console::{fault::Fault, services::Console, texts::EN},
    domain::{
        api_key::KeyId,
        ledger::Reach,
        usage::{KeyDay, Period},
    },
};

/// How far apart the bars are, and how high the highest is, in the units of the drawing.
const STEP: usize = 3;
const HEIGHT: u64 = 20;

/// The uses of a key.
#[derive(Default)]
pub(crate) struct Sparkline {
    /// The size of the drawing.
    pub(crate) width: usize,
    pub(crate) height: u64,
    /// A line for each day with uses, as the `d` of a path (SVG 2 §9.3). One path, because a page has fifty of them.
    pub(crate) granted: String,
    /// The same for refused ones, on top of those.
    pub(crate) refused: String,
    /// What it shows, in words.
    pub(crate) text: String,
    pub(crate) sum: u64,
}

/// The sparklines of these keys, in their order. One question for all of them.
pub(super) async fn of_keys(
    request: &HttpRequest,
    console: &Console,
    keys: &[KeyId],
    reach: &Reach,
    now: OffsetDateTime,
) -> Result<Vec<Sparkline>, Fault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let period = Period::usual(now);
    let days = console.usage.days_of_keys(keys, period, reach).await;
    let mut of_key: HashMap<KeyId, Vec<KeyDay>> = HashMap::new();
    for day in days.map_err(|error| Fault::outage(request, &error))? {
        of_key.entry(day.key).or_default().push(day);
    }
    Ok(keys.iter().map(|key| Sparkline::new(period, of_key.remove(key).unwrap_or_default())).collect())
}

impl Sparkline {
    fn new(period: Period, mut days: Vec<KeyDay>) -> Self {
        days.sort_unstable_by_key(|day| day.day);
        let most = days.iter().map(|day| day.granted.saturating_add(day.refused)).max().unwrap_or_default();
        // The smallest count can be seen, too.
        let scaled = |count: u64| {
            let part = u128::from(count) * u128::from(HEIGHT) / u128::from(most.max(1));
            u64::try_from(part).unwrap_or(HEIGHT).max(u64::from(count > 0))
        };
        let mut line = Self { width: period.starts().count() * STEP, height: HEIGHT, ..Self::default() };
        let mut refused_sum: u64 = 0;
        for KeyDay { day, granted, refused, .. } in days {
            let place = period.starts().position(|start| start == day).unwrap_or_default();
            let x = place * STEP + STEP / 2;
            let top = scaled(granted.saturating_add(refused)).min(HEIGHT);
            let of_refused = scaled(refused).min(top);
            let of_granted = top - of_refused;
            if of_granted > 0 {
                line.granted.push_str(&format!("M{x} {HEIGHT}v-{of_granted}"));
            }
            if of_refused > 0 {
                line.refused.push_str(&format!("M{x} {}v-{of_refused}", HEIGHT - of_granted));
            }
            line.sum = line.sum.saturating_add(granted).saturating_add(refused);
            refused_sum = refused_sum.saturating_add(refused);
        }
        line.text = match (line.sum, refused_sum) {
            (0, _) => EN.no_uses.to_owned(),
            (sum, 0) => format!("{sum} {}", EN.uses_in_30_days),
            (sum, refused) => format!("{sum} {}, {refused} {}", EN.uses_in_30_days, EN.refused_uses),
        };
        line
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn every_day_with_uses_has_a_line_and_the_highest_fills_the_height() {
        let now = datetime!(2026-11-29 12:30 UTC);
        let key = KeyId::from(uuid::Uuid::from_u128(1));
        let day = |day, granted, refused| KeyDay { key, day, granted, refused };
        let days = vec![day(datetime!(2026-11-29 0:00 UTC), 30, 10), day(datetime!(2026-11-28 0:00 UTC), 1, 0)];
        let line = Sparkline::new(Period::usual(now), days);
        assert_eq!((line.width, line.granted.as_str(), line.refused.as_str()), (90, "M85 20v-1M88 20v-15", "M88 5v-5"));
        assert_eq!(line.text, "41 uses in 30 days, 10 refused");
        assert_eq!(Sparkline::new(Period::usual(now), Vec::new()).text, "no uses");
    }
}
