//! Limits in requests and responses.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    api::wire::{
        actor::Switcher,
        request::{
            bodies::LIMIT,
            fields::{Fields, Read, invalid, list, object, text, whole_number},
        },
        times,
    },
    domain::{
        limits::{
            self, Allowance, AskedLimit, AskedLimits, CREDITS, InvalidLimit, LIMITS_MAX, LimitName, OnOutage, Window,
        },
        role::Role,
    },
};

/// A limit: so much may be used in each window.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limit {
    /// The name by which responses refer to it.
    #[schema(pattern = "^[0-9A-Za-z._-]{1,50}$", example = "minute")]
    name: String,
    /// How much may be used in each window.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64, example = 1000)]
    limit: u64,
    /// The window: seconds, minutes, hours or days, or a calendar `day` or `month` in UTC.
    #[schema(pattern = "^(day|month|[1-9][0-9]*[smhd])$", example = "1m")]
    window: String,
    /// How much one request uses.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64, example = 1)]
    cost: u64,
    /// What becomes of requests that can't be counted, because the database does not answer.
    #[schema(value_type = InOutage)]
    on_outage: &'static str,
    /// Who set it. What an administrator has set, the owner can't change.
    #[schema(value_type = Switcher)]
    set_by: &'static str,
}

/// What becomes of requests that can't be counted, for the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used; a unit test compares it with the domain's")]
pub(crate) enum InOutage {
    Refuse,
    Admit,
}

/// What is left of a limit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitLeft {
    /// The name of the limit.
    #[schema(pattern = "^[0-9A-Za-z._-]{1,50}$", example = "minute")]
    name: String,
    /// Whether it is a limit of the key, or one of the owner, which all of their keys share.
    #[schema(value_type = LimitHolder)]
    of: &'static str,
    /// How much may be used in each window.
    #[schema(minimum = 1)]
    limit: u64,
    /// How much is left in the current window.
    remaining: u64,
    /// When the next window begins.
    #[serde(serialize_with = "times::required")]
    reset_at: OffsetDateTime,
}

/// Whose limit it is, for the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum LimitHolder {
    Key,
    Owner,
}

impl LimitLeft {
    /// What is left of all of these limits at `now`; `None` if there are none.
    pub(crate) fn all(allowance: &Allowance, now: OffsetDateTime) -> Option<Vec<Self>> {
        let mut all = Vec::new();
        for (readings, of) in [(&allowance.of_key, "key"), (&allowance.of_owner, "owner")] {
            let Some(readings) = readings else { continue };
            readings.visit(&mut |state| {
                all.push(Self {
                    name: state.limit.name.as_str().to_owned(),
                    of,
                    limit: state.limit.amount,
                    remaining: state.remaining,
                    reset_at: whole_second(now.saturating_add(state.resets_in.try_into().unwrap_or_default())),
                });
            });
        }
        Some(all).filter(|all| !all.is_empty())
    }
}

/// Windows begin with whole seconds, and we know when but for some milliseconds.
fn whole_second(instant: OffsetDateTime) -> OffsetDateTime {
    let rounded = instant.saturating_add(time::Duration::milliseconds(500));
    rounded.replace_nanosecond(0).unwrap_or(rounded)
}

impl Limit {
    pub(crate) fn new(limit: &limits::Limit) -> Self {
        Self {
            name: limit.name.as_str().to_owned(),
            limit: limit.amount,
            window: limit.window.to_string(),
            cost: limit.cost,
            on_outage: limit.on_outage.as_str(),
            set_by: limit.set_by.as_str(),
        }
    }
}

/// The limits in a body.
pub(crate) fn asked(value: Value) -> Read<AskedLimits> {
    let limits = list(value, LIMITS_MAX, one)?;
    let named_before = |at: usize| limits[..at].iter().any(|earlier| earlier.limit.name == limits[at].limit.name);
    if let Some(at) = (0..limits.len()).find(|at| named_before(*at)) {
        return Err(vec![(format!("/{at}/name"), "conflict", "another limit has this name".to_owned())]);
    }
    let reserved = limits.iter().position(|asked| asked.limit.name.as_str() == CREDITS);
    AskedLimits::new(limits).map_err(|error| {
        let place = reserved.map_or_else(String::new, |at| format!("/{at}/name"));
        vec![(place, "invalid", error.to_string())]
    })
}

/// The limits of an owner in a body, which are always an administrator's.
pub(crate) fn asked_of_owner(value: Value) -> Read<AskedLimits> {
    let limits = asked(value)?;
    let owners = limits.iter().position(|asked| asked.set_by == Some(Role::Owner));
    match owners {
        None => Ok(limits),
        Some(at) => {
            let detail = "only administrators limit owners";
            Err(vec![(format!("/{at}/setBy"), "invalid", detail.to_owned())])
        }
    }
}

fn one(value: Value) -> Read<AskedLimit> {
    let mut fields = Fields::within(object(value)?, String::new(), LIMIT);
    let name = fields.require("name", |value| LimitName::parse(&text(value)?).or_else(refused));
    let amount = fields.require("limit", |value| number(&value));
    let window = fields.require("window", |value| {
        text(value)?.parse::<Window>().or_else(|error| invalid("invalid", error.to_string()))
    });
    let cost = fields.take("cost", |value| number(&value));
    let on_outage = fields.take("onOutage", |value| word(value, OnOutage::of, "must be refuse or admit"));
    let set_by = fields.take("setBy", |value| word(value, Role::of, "must be owner or administrator"));
    let parts = name.zip(amount).zip(window);
    let limit = parts.and_then(|((name, amount), window)| {
        let limit = limits::Limit {
            cost: cost.unwrap_or(1),
            on_outage: on_outage.unwrap_or_default(),
            ..limits::Limit::new(name, amount, window).ok()?
        };
        match limit.checked() {
            Ok(limit) => Some(limit),
            Err(error) => {
                fields.problem("cost", "invalid", error.to_string());
                None
            }
        }
    });
    fields.finish_within(limit.map(|limit| AskedLimit { limit, set_by }))
}

/// What a check costs: 0 looks without spending.
pub(crate) fn cost(value: Value) -> Read<u64> {
    let number = whole_number(&value).filter(|number| *number <= limits::AMOUNT_MAX);
    let detail = || format!("must be a whole number from 0 to {}", limits::AMOUNT_MAX);
    number.map_or_else(|| invalid("invalid", detail()), Ok)
}

/// An amount.
fn number(value: &Value) -> Read<u64> {
    let number = whole_number(value).filter(|number| (1..=limits::AMOUNT_MAX).contains(number));
    number.map_or_else(|| refused(InvalidLimit::Amount), Ok)
}

fn word<T>(value: Value, read: fn(&str) -> Option<T>, expected: &str) -> Read<T> {
    read(&text(value)?).map_or_else(|| invalid("invalid", expected), Ok)
}

fn refused<T>(error: InvalidLimit) -> Read<T> {
    invalid("invalid", error.to_string())
}
