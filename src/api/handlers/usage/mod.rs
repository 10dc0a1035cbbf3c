//! `/v1/keys/{id}/usage`, `/v1/usage` and `/v1/admin/usage`: how often keys were used. The same handlers serve owners
//! and administrators; the caller's reach is in the [`Caller`].
//!
//! - `report`: a report as it appears in responses
//! - `lines`: the same as CSV

mod lines;
mod report;

use actix_web::{
    HttpRequest,
    http::header::{Accept, Header, VARY},
    web::{Data, Path},
};
use time::OffsetDateTime;

pub use self::{lines::usage_csv, report::UsageReport};
use super::keys::key_id;
use crate::{
    api::{
        services::{Services, read_failed},
        wire::{
            failure::{Answer, Missing, Reason},
            request::{
                parameters::Parameters,
                queries::{OF_AN_OWNER, OF_USAGE, OF_USAGE_GROUPS, OF_USAGE_PLANS, Query},
            },
            times::now,
        },
    },
    auth::lifecycle::Caller,
    domain::{
        api_key::KeyId,
        csv,
        ledger::Reach,
        usage::{
            AskedPeriod, GROUPS_DEFAULT, GROUPS_MAX, Granularity, Grouping, InvalidPeriod, Period, UsageFilter,
            UsageQuery, UsageTags, UseOutcome,
        },
    },
};

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
}

impl Format {
    fn read(word: &str) -> Result<Self, String> {
        match word {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => Err("json or csv".to_owned()),
        }
    }

    /// The format that the client prefers (RFC 9110 §12.5.1); JSON if it names none of them.
    fn accepted(request: &HttpRequest) -> Self {
        let ranked = Accept::parse(request).map(|accept| accept.ranked()).unwrap_or_default();
        let known = |media: &actix_web::mime::Mime| match media.essence_str() {
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            "text/csv" | "text/*" => Some(Self::Csv),
            _ => None,
        };
        ranked.iter().find_map(known).unwrap_or(Self::Json)
    }
}

/// `GET /v1/keys/{id}/usage`
pub(crate) async fn of_key(request: HttpRequest, caller: Caller, services: Data<Services>, id: Path<String>) -> Answer {
    let id = key_id(&id)?;
    let (query, format) = of_one(&request, id)?;
    let key = services.ledger.show(id, &caller.reach).await.map_err(read_failed(&request))?;
    let key = key.ok_or(Reason::NotFound(Missing::Key))?;
    let filter = UsageFilter { owner: Some(key.record.owner), ..query.filter };
    answer(&request, &services, &caller, format, UsageQuery { filter, ..query }).await
}

/// `GET /v1/usage`
pub(crate) async fn report(request: HttpRequest, caller: Caller, services: Data<Services>) -> Answer {
    let (query, format) = of_many(&request, &caller.reach)?;
    answer(&request, &services, &caller, format, query).await
}

/// The report about one key that a request asks for, and its format.
pub(crate) fn of_one(request: &HttpRequest, id: KeyId) -> Result<(UsageQuery, Format), Reason> {
    let mut parameters = Parameters::of(request, &[OF_USAGE]);
    let format = format(request, &mut parameters);
    let query = query(&mut parameters, Some(id), &Reach::Any, false, now());
    parameters.finish().map(|()| (query, format))
}

/// The same for a report about all keys within reach. Only callers who reach every owner's keys can name an owner or
/// a plan.
pub(crate) fn of_many(request: &HttpRequest, reach: &Reach) -> Result<(UsageQuery, Format), Reason> {
    let known: Query = match reach {
        Reach::Own(_) => &[OF_USAGE, OF_USAGE_GROUPS],
        Reach::Any => &[OF_USAGE, OF_USAGE_GROUPS, OF_USAGE_PLANS, OF_AN_OWNER],
    };
    let mut parameters = Parameters::of(request, known);
    let format = format(request, &mut parameters);
    let key = parameters.take_parsed("keyId");
    let query = query(&mut parameters, key, reach, true, now());
    parameters.finish().map(|()| (query, format))
}

fn format(request: &HttpRequest, parameters: &mut Parameters) -> Format {
    parameters.take("format", Format::read).unwrap_or_else(|| Format::accepted(request))
}

async fn answer(
    request: &HttpRequest,
    services: &Services,
    caller: &Caller,
    format: Format,
    query: UsageQuery,
) -> Answer {
    let usage = services
        .usage
        .usage(&query, &caller.reach)
        .await
        .map_err(read_failed(request))?
        .map_err(Reason::ReportTooLarge)?;
    let report = UsageReport::new(&query, usage);
    let mut response = actix_web::HttpResponse::Ok();
    response.insert_header((VARY, "Accept"));
    Ok(match format {
        Format::Json => response.json(report),
        Format::Csv => response.content_type(csv::CSV).body(usage_csv(&report)),
    })
}

/// The report that a query asks for. `grouped`: whether it may ask for groups, and name an owner or a plan.
fn query(
    parameters: &mut Parameters,
    key: Option<KeyId>,
    reach: &Reach,
    grouped: bool,
    now: OffsetDateTime,
) -> UsageQuery {
    let words = |all: &[&str]| format!("must be one of {}", all.join(", "));
    let granularity = parameters.take("granularity", |word| {
        Granularity::of(word).ok_or_else(|| words(&Granularity::ALL.map(Granularity::as_str)))
    });
    let (from, to) = (parameters.take_instant("from"), parameters.take_instant("to"));
    let outcome = parameters
        .take("outcome", |word| UseOutcome::of(word).ok_or_else(|| words(&UseOutcome::ALL.map(UseOutcome::as_str))));
    let tag = parameters.take("tag", |text| {
        let fits = text.is_empty() || UsageTags::is_name(text);
        fits.then(|| text.to_owned()).ok_or_else(|| "must be a tag, or nothing for uses without a tag".to_owned())
    });
    let (mut groups, mut owner, mut plan) = (None, None, None);
    if grouped {
        let possible = |grouping: &Grouping| !grouping.is_of_owners() || reach.owner().is_none();
        let grouping = parameters.take("groupBy", |word| {
            let all = Grouping::ALL.into_iter().filter(possible).map(Grouping::as_str);
            Grouping::of(word).filter(possible).ok_or_else(|| words(&all.collect::<Vec<_>>()))
        });
        let most = parameters.take("top", |text| match text.parse() {
            Ok(most) if (1..=GROUPS_MAX).contains(&most) => Ok(most),
            _ => Err(format!("a whole number from 1 to {GROUPS_MAX}")),
        });
        if most.is_some() && grouping.is_none() {
            parameters.problem("top", "conflict", "is the number of groups: give groupBy as well");
        }
        groups = grouping.map(|grouping| (grouping, most.unwrap_or(GROUPS_DEFAULT)));
        owner = match reach.owner() {
            Some(owner) => Some(owner.clone()),
            None => parameters.owner(),
        };
        if reach.owner().is_none() {
            plan = parameters.take_parsed("plan");
        }
    }
    let asked = AskedPeriod { from, to, granularity: granularity.unwrap_or_default() };
    let filter = UsageFilter { key, owner, plan, outcome, tag };
    UsageQuery::new(asked, filter.clone(), groups, now).unwrap_or_else(|invalid| {
        let by_key = groups.is_some_and(|(grouping, _)| grouping.is_by_key());
        let place = match invalid {
            InvalidPeriod::Empty => "to",
            InvalidPeriod::TooManyPoints => "from",
            InvalidPeriod::TooLongForEachKey => {
                if by_key {
                    "groupBy"
                } else {
                    "plan"
                }
            }
        };
        parameters.problem(place, "conflict", invalid.to_string());
        UsageQuery { period: Period::usual(now), filter, groups }
    })
}
