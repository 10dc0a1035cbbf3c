//! What an administrator sees first.

use actix_web::{HttpRequest, web::Data};
use askama::Template;
use time::{Duration, OffsetDateTime};

use crate::{
    console::{
        access::{
            form::Form,
            visitor::{Area, Visitor},
        },
        fault::{Answer, Fault, shown},
        frame::{Frame, When},
        keys::selection,
        services::Console,
        texts::EN,
        usage::KeyUses,
    },
    domain::{
        ledger::Reach,
        listing::KeyCount,
        usage::{Granularity, Grouping, Period, Usage, UsageFilter, UsageQuery, UseCounts, UseOutcome},
    },
};

/// The number of keys that are named.
const KEYS: u32 = 10;

/// Keys to look at: the query of the list that has them, what they are, and why. A card counts what its list shows, because both
/// read the same query. Of keys that nobody has used, the oldest come first.
const CARDS: [(&str, &str, &str); 5] = [
    ("leaked=yes", EN.leaked_keys, EN.leaked_keys_hint),
    ("state=active&expiring_days=7&used_days=7", EN.expire_in_use, EN.expire_in_use_hint),
    ("state=active&expires=never", EN.never_expire, EN.never_expire_hint),
    ("state=active&unused_days=90&sort=createdAt", EN.unused_90, EN.unused_90_hint),
    ("state=active&limited=no", EN.unlimited, EN.unlimited_hint),
];

#[derive(Template)]
#[template(path = "staff/overview.html")]
struct OverviewPage {
    frame: Frame,
    cards: Vec<Card>,
    refusals: Vec<Refusals>,
    /// Those with the most uses, if they were found in time.
    busiest: Option<Vec<KeyUses>>,
    is_all: bool,
    as_of: When,
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

/// `GET /console/overview`
pub(in crate::console) async fn overview(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    visitor.demand_administrator()?;
    let now = OffsetDateTime::now_utc();
    let outage = |error| Fault::outage(&request, &error);
    let mut cards = Vec::with_capacity(CARDS.len());
    for (query, title, hint) in CARDS {
        let (filter, _) = selection(&mut Form::of_text(query), &Reach::Any, now);
        let count = console.ledger.count(&filter, now).await.map_err(outage)?;
        let address = format!("{}?{query}", Area::All.path());
        cards.push(Card { address, number: number(count), title, hint });
    }
    // From the sums of all keys, so that it costs the same however many keys there are.
    let used = async |from, granularity, groups| {
        let period = Period::new(Some(from), None, granularity, now).unwrap_or_else(|_| Period::usual(now));
        let query = UsageQuery { period, filter: UsageFilter::default(), groups };
        console.usage.usage(&query, &Reach::Any).await
    };
    let day = used(now - Duration::hours(23), Granularity::Hour, None).await.map_err(outage)?;
    let week = used(now - Duration::days(6), Granularity::Day, None).await.map_err(outage)?;
    // Keys are looked at one by one, for this day only. If too many were used today for the time that a statement has, the rest
    // of the page is worth having.
    let busiest = match used(now, Granularity::Day, Some((Grouping::Key, KEYS))).await {
        Ok(today) => Some(today.groups.iter().map(KeyUses::from).collect()),
        Err(error) => {
            console.gate.log_outage(&request, &mut |suppressed| {
                tracing::warn!(%error, suppressed, "could not find the busiest keys; the overview is shown without them");
            });
            None
        }
    };
    shown(&OverviewPage {
        frame: visitor.frame("overview", EN.overview),
        cards,
        refusals: refusals(&day, &week),
        busiest,
        is_all: true,
        as_of: day.as_of.into(),
    })
}

fn number(count: KeyCount) -> String {
    format!("{}{}", count.number, if count.complete { "" } else { "+" })
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
