//! Credits in requests and responses. The routes that top them up are in `top_ups`.

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    api::wire::{
        actor::Switcher,
        request::{
            bodies::{CREDITS, REFILL},
            fields::{Fields, Read, invalid, object, text, whole_number},
        },
        times,
    },
    domain::{
        limits::{self, Allowance, AskedCredits, InvalidCredits, RefillInterval},
        role::Role,
    },
};

/// Members of credits that clients can't change.
const READ_ONLY: [&str; 5] = ["unsettled", "spent", "granted", "nextRefillAt", "fromPlan"];

/// Credits: a balance that requests spend.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credits {
    /// What nobody has taken yet.
    #[schema(example = 9_200)]
    remaining: u64,
    /// What replicas have in hand, or have spent and not reported yet.
    #[schema(example = 60)]
    unsettled: u64,
    /// What was spent: `granted` without what is left and unsettled.
    #[schema(example = 740)]
    spent: u64,
    /// All that was ever given, without what was taken away again.
    #[schema(example = 10_000)]
    granted: u64,
    /// A refill adds nothing beyond this.
    #[schema(required, minimum = 1)]
    max: Option<u64>,
    /// What is added again and again.
    #[schema(required)]
    refill: Option<Refill>,
    /// When the next refill comes.
    #[serde(serialize_with = "times::optional")]
    #[schema(required)]
    next_refill_at: Option<OffsetDateTime>,
    /// Who has set them. What an administrator has set, the owner can't change.
    #[schema(value_type = Switcher)]
    set_by: &'static str,
    /// Whether they came with the owner's plan, and go with it. Then the plan's refill is theirs.
    from_plan: bool,
}

/// What is added to credits again and again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refill {
    /// How much.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64, example = 10_000)]
    amount: u64,
    /// How often: at the beginning of a day in UTC.
    #[schema(value_type = Interval)]
    interval: &'static str,
    /// The day of the month, if it is monthly; beyond the end of a month, its last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 31)]
    day: Option<u8>,
}

/// How often credits are refilled, for the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum Interval {
    Daily,
    Monthly,
}

/// What is left of credits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreditsLeft {
    /// What this replica knows to be left; of the key's credits and its owner's, the fewer.
    remaining: u64,
}

impl CreditsLeft {
    /// What is left of all credits that the key spends; `None` if it spends none.
    pub(crate) fn of(allowance: &Allowance) -> Option<Self> {
        let mut least: Option<u64> = None;
        allowance.visit_credits(&mut |state, _| {
            least = Some(least.map_or(state.remaining, |least| least.min(state.remaining)));
        });
        least.map(|remaining| Self { remaining })
    }
}

impl Credits {
    pub(crate) fn new(credits: &limits::Credits) -> Self {
        Self {
            remaining: credits.remaining,
            unsettled: credits.unsettled,
            spent: credits.granted.saturating_sub(credits.remaining + credits.unsettled),
            granted: credits.granted,
            max: credits.rules.max,
            refill: credits.rules.refill.map(Refill::new),
            next_refill_at: credits.next_refill_at,
            set_by: credits.rules.set_by.as_str(),
            from_plan: credits.from_plan,
        }
    }
}

impl Refill {
    pub(crate) fn new(refill: limits::Refill) -> Self {
        let limits::Refill { amount, interval } = refill;
        Self { amount, interval: interval.as_str(), day: interval.day() }
    }
}

/// The credits in a body. A client may send back what it was shown: what nobody can change is ignored, and so is the
/// balance if it is the one that was shown, because some of it may have been spent since.
pub(crate) fn asked(value: Value) -> Read<AskedCredits> {
    let mut members = object(value)?;
    if is_as_shown(&members) {
        members.remove("remaining");
    }
    READ_ONLY.iter().for_each(|name| _ = members.remove(*name));
    read(members)
}

/// Whether `spent + remaining + unsettled = granted`: nobody has changed one of these numbers since they were shown.
fn is_as_shown(members: &Map<String, Value>) -> bool {
    let number = |name: &str| members.get(name).and_then(whole_number);
    let parts = ["remaining", "unsettled", "spent"].map(number);
    let sum = parts.into_iter().try_fold(0_u64, |sum, part| sum.checked_add(part?));
    sum.is_some() && sum == number("granted")
}

fn read(members: Map<String, Value>) -> Read<AskedCredits> {
    let mut fields = Fields::within(members, String::new(), CREDITS);
    let asked = AskedCredits {
        remaining: fields.take("remaining", |value| balance(&value)),
        max: fields.take_nullable("max", |value| amount(&value)),
        refill: fields.take_nullable("refill", refill),
        set_by: fields.take("setBy", |value| {
            Role::of(&text(value)?).map_or_else(|| invalid("invalid", "must be owner or administrator"), Ok)
        }),
    };
    fields.finish_within(Some(asked))
}

/// The same, where there are none yet.
pub(crate) fn asked_anew(value: Value) -> Read<AskedCredits> {
    let asked = read(object(value)?)?;
    if asked.remaining.is_none() {
        return Err(vec![("/remaining".to_owned(), "required", "must be there".to_owned())]);
    }
    Ok(asked)
}

pub(crate) fn refill(value: Value) -> Read<limits::Refill> {
    let mut fields = Fields::within(object(value)?, String::new(), REFILL);
    let amount = fields.require("amount", |value| amount(&value));
    let day = fields.take("day", |value| whole_number(&value).map_or_else(|| refused(InvalidCredits::Day), Ok));
    let interval = fields.require("interval", |value| {
        let word = text(value)?;
        if RefillInterval::WORDS.contains(&word.as_str()) { Ok(word) } else { refused(InvalidCredits::Interval) }
    });
    let interval = interval.and_then(|word| match RefillInterval::of(&word, day) {
        Ok(interval) => Some(interval),
        Err(error) => {
            fields.problem("day", "invalid", error.to_string());
            None
        }
    });
    let refill = amount.zip(interval).map(|(amount, interval)| limits::Refill { amount, interval });
    fields.finish_within(refill)
}

pub(crate) fn amount(value: &Value) -> Read<u64> {
    whole_number(value).ok_or(InvalidCredits::Amount).and_then(limits::amount).or_else(refused)
}

pub(crate) fn balance(value: &Value) -> Read<u64> {
    whole_number(value).ok_or(InvalidCredits::Balance).and_then(limits::balance).or_else(refused)
}

fn refused<T>(error: InvalidCredits) -> Read<T> {
    invalid("invalid", error.to_string())
}
