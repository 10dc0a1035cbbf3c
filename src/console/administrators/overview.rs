//! What an administrator sees first.

use actix_web::{HttpRequest, web::Data};
use askama::Template;
use time::{Duration, OffsetDateTime};

use crate::{
    console::{
        access::visitor::{Area, Visitor},
        fault::{Answer, Fault, shown},
        frame::{Frame, When},
        services::Console,
        texts::EN,
        usage::{self, KeyUses},
    },
    domain::{
        ledger::Reach,
        listing::{KeyCount, Risk},
        ports::surveys::RiskCount,
        usage::{Granularity, Period, Usage, UsageFilter, UsageQuery, UseCounts, UseOutcome},
    },
};

/// The number of keys that are named.
const KEYS: u32 = 10;

/// Keys to look at: the query of the list that has them, what they are, and why.
const CARDS: [(Risk, &str, &str, &str); 5] = [
    (Risk::Leaked, "leaked=yes", EN.leaked_keys, EN.leaked_keys_hint),
    (Risk::ExpiringInUse, "state=active&expiring_days=7&used_days=7", EN.expire_in_use, EN.expire_in_use_hint),
    (Risk::NeverExpires, "state=active&expires=never", EN.never_expire, EN.never_expire_hint),
    (Risk::Unused, "state=active&unused_days=90&sort=createdAt", EN.unused_90, EN.unused_90_hint),
    (Risk::Unlimited, "state=active&limited=no", EN.unlimited, EN.unlimited_hint),
];

#[derive(Template)]
#[template(path = "administrators/overview.html")]
struct OverviewPage {
    frame: Frame,
    cards: Vec<Card>,
    /// When the first of them was counted; `None` if none was.
    counted: Option<When>,
    refusals: Vec<Refusals>,
    as_of: When,
    /// Those with the most uses; `None` if they are not known.
    busiest: Option<Busiest>,
    is_all: bool,
}

struct Card {
    address: String,
    number: String,
    title: &'static str,
    hint: &'static str,
}

struct Refusals {
    reason: &'static str,
    day: u64,
    week: u64,
}

struct Busiest {
    keys: Vec<KeyUses>,
    found: When,
}

/// `GET /console/overview`
pub(in crate::console) async fn overview(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let now = OffsetDateTime::now_utc();
    let outage = |error| Fault::outage(&request, &error);
    let counts = console.surveys.risks().await.map_err(outage)?;
    // From the sums of all keys, so that it costs the same however many keys there are.
    let used = async |from, granularity| {
        let period = Period::new(Some(from), None, granularity, now).unwrap_or_else(|_| Period::usual(now));
        let query = UsageQuery { period, filter: UsageFilter::default(), groups: None };
        usage::report(&request, &console, &query, &Reach::Any).await
    };
    let day = used(now - Duration::hours(23), Granularity::Hour).await?;
    let week = used(now - Duration::days(6), Granularity::Day).await?;
    // Without them, the rest of the page is worth having.
    let busiest = match console.surveys.busiest(KEYS).await {
        Ok(None) => None,
        Ok(Some(busiest)) => Some(Busiest {
            keys: KeyUses::of(&request, &console, &busiest.keys, &Reach::Any).await?,
            found: busiest.found_at.into(),
        }),
        Err(error) => {
            console.gate.log_outage(&request, &mut |suppressed| {
                tracing::warn!(%error, suppressed, "could not read the busiest keys; the overview is shown without them");
            });
            None
        }
    };
    shown(&OverviewPage {
        frame: visitor.frame("overview", EN.overview),
        cards: cards(&counts),
        counted: counts.iter().map(|one| one.counted_at).min().map(When::from),
        refusals: refusals(&day, &week),
        as_of: day.as_of.into(),
        busiest,
        is_all: true,
    })
}

fn cards(counts: &[RiskCount]) -> Vec<Card> {
    let card = |(risk, query, title, hint)| {
        let count = counts.iter().find(|one| one.risk == risk).map(|one| one.count);
        Card { address: format!("{}?{query}", Area::All.path()), number: number(count), title, hint }
    };
    CARDS.into_iter().map(card).collect()
}

/// A dash if they were not counted yet.
fn number(count: Option<KeyCount>) -> String {
    count.map_or("–".to_owned(), |count| format!("{}{}", count.number, if count.complete { "" } else { "+" }))
}

/// The reasons for which keys were refused within the longer time.
fn refusals(day: &Usage, week: &Usage) -> Vec<Refusals> {
    let sums = |usage: &Usage| {
        let mut sums = UseCounts::default();
        usage.series.iter().for_each(|(_, counts)| sums.add_all(counts));
        sums
    };
    let (day, week) = (sums(day), sums(week));
    let refusals = UseOutcome::ALL.into_iter().filter(|outcome| *outcome != UseOutcome::Granted);
    let refusals =
        refusals.map(|outcome| Refusals { reason: outcome.as_str(), day: day.of(outcome), week: week.of(outcome) });
    refusals.filter(|one| one.day > 0 || one.week > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::{access::form::Form, keys::selection};

    #[test]
    fn each_risk_has_a_card_that_opens_the_list_which_is_counted() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        for risk in Risk::ALL {
            let card = CARDS.iter().find(|(of, ..)| *of == risk);
            let (_, query, ..) = card.unwrap_or_else(|| panic!("{risk:?} has no card"));
            let (filter, order) = selection(&mut Form::of_text(query), &Reach::Any, now);
            assert_eq!((filter.to_string(), order), (risk.filter(now).to_string(), risk.order()));
        }
    }
}
