//! How often keys were used.

use actix_web::{HttpRequest, web::Data};
use askama::Template;
use time::OffsetDateTime;

use super::{
    access::{
        form::Form,
        visitor::{Area, Visitor},
    },
    chart::{Chart, granularity},
    fault::{Answer, Fault, shown},
    frame::{Frame, Name},
    keys::{KeyLink, KeyNames, owner_name},
    services::Console,
    texts::{EN, WHY_NOT},
};
use crate::domain::{
    ledger::Reach,
    usage::{Granularity, Grouping, Period, TooManyCounts, Usage, UsageFilter, UsageGroup, UsageQuery, UseOutcome},
};

/// The number of keys that are named.
const KEYS: u32 = 20;

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    frame: Frame,
    chart: Chart,
    keys: Vec<KeyUses>,
    is_all: bool,
    owner: String,
}

/// A key and its uses.
pub(super) struct KeyUses {
    pub(super) key: Option<KeyLink>,
    pub(super) owner: Name,
    pub(super) granted: u64,
    pub(super) refused: u64,
}

impl KeyUses {
    /// Each of these keys, with its name.
    pub(super) async fn of(
        request: &HttpRequest,
        console: &Console,
        groups: &[UsageGroup],
        reach: &Reach,
    ) -> Result<Vec<Self>, Fault> {
        let names = KeyNames::of(request, console, groups.iter().filter_map(|group| group.key), reach).await?;
        let uses = |group: &UsageGroup| {
            let granted = group.counts.of(UseOutcome::Granted);
            Self {
                key: group.key.map(|key| names.link(key)),
                owner: Name::new(&group.owner.as_ref().map(owner_name).unwrap_or_default()),
                granted,
                refused: group.counts.sum() - granted,
            }
        };
        Ok(groups.iter().map(uses).collect())
    }
}

/// `GET /console/usage`; with `all`, that of everybody, for administrators.
pub(super) async fn show(request: HttpRequest, console: Data<Console>, visitor: Visitor) -> Answer {
    let mut form = Form::of_query(&request);
    let is_all = form.text("all").is_some();
    let reach = visitor.caller(if is_all { Area::All } else { Area::Own })?.reach;
    let owner = form.owner(&reach);
    form.refuse_problems()?;
    let now = OffsetDateTime::now_utc();
    let period = period(granularity(form.text("by")), now);
    let filter = UsageFilter { owner: owner.clone(), ..UsageFilter::default() };
    let query = UsageQuery { period, filter: filter.clone(), groups: None };
    let usage = report(&request, &console, &query, &reach).await?;
    let keys = if is_all && owner.is_none() {
        // There may be a million keys of everybody, so those of today were found in the background.
        let busiest = console.surveys.busiest(KEYS).await.map_err(|error| Fault::outage(&request, &error))?;
        busiest.map(|busiest| busiest.keys).unwrap_or_default()
    } else {
        let groups = UsageQuery { period, filter, groups: Some((Grouping::Key, KEYS)) };
        report(&request, &console, &groups, &reach).await?.groups
    };
    let (here, title) = if is_all { ("all-usage", EN.all_usage) } else { ("usage", EN.usage) };
    shown(&UsagePage {
        frame: visitor.frame(here, title),
        chart: Chart::new(period, usage),
        keys: KeyUses::of(&request, &console, &keys, &reach).await?,
        is_all,
        owner: form.shown("owner"),
    })
}

/// A report, unless it would read too much.
pub(super) async fn report(
    request: &HttpRequest,
    console: &Console,
    query: &UsageQuery,
    reach: &Reach,
) -> Result<Usage, Fault> {
    let usage = console.usage.usage(query, reach).await.map_err(|error| Fault::outage(request, &error))?;
    usage.map_err(|TooManyCounts(_)| Fault::Refused(WHY_NOT.report_too_large.to_owned()))
}

/// As long as usual: a day of hours, or a month of days.
pub(super) fn period(granularity: Granularity, now: OffsetDateTime) -> Period {
    Period::new(None, None, granularity, now).unwrap_or_else(|_| Period::usual(now))
}
