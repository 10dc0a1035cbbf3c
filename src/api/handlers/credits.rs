//! Credits in requests and responses, and the routes that top them up.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data, Path},
};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    keys::{log_change, representation::Confirmation},
    owner_limits::ChangedOwnerLimits,
};
use crate::{
    api::{
        access::root_span::in_request,
        services::{Services, unavailable},
        wire::{
            actor::Switcher,
            failure::{Answer, Missing, Reason},
            owner_id,
            request::{
                bodies::{CREDITS, REFILL, TOP_UP},
                fields::{Fields, Read, invalid, object, parsed, text, whole_number},
                idempotency,
            },
            times::{self, now},
        },
    },
    auth::lifecycle::{Caller, KeyTopUp},
    domain::{
        limits::{self, AMOUNT_MAX, Allowance, AskedCredits, InvalidCredits, RefillInterval, TopUp},
        owner_limits::{OwnerCredits, OwnerLimitsChange},
        precondition::Preconditions,
        role::Role,
        text::ChangeReason,
    },
    telemetry::outage::millis,
};

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

/// The credits in a body.
pub(crate) fn asked(value: Value) -> Read<AskedCredits> {
    let mut fields = Fields::within(object(value)?, String::new(), CREDITS);
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
    let asked = asked(value)?;
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
    let number = whole_number(value).filter(|number| (1..=AMOUNT_MAX).contains(number));
    number.map_or_else(|| refused(InvalidCredits::Amount), Ok)
}

pub(crate) fn balance(value: &Value) -> Read<u64> {
    let number = whole_number(value).filter(|number| *number <= AMOUNT_MAX);
    number.map_or_else(|| refused(InvalidCredits::Balance), Ok)
}

fn refused<T>(error: InvalidCredits) -> Read<T> {
    invalid("invalid", error.to_string())
}

/// `POST /v1/keys/{id}/credits`: answers once every replica applies the change.
pub(crate) async fn top_up_key(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let (id, now) = (super::keys::key_id(&id)?, now());
    let (top_up, reason) = read_top_up(&request, &body)?;
    let once = idempotency::of(&request, &caller, &body)?;
    let order = KeyTopUp { id, top_up, reason, once };
    let changed = services.lifecycle.top_up(order, caller, now).await;
    let changed = changed.map_err(unavailable(&request, "top up a key"))??;
    log_change(&request, &changed, "top up a key");
    Ok(super::keys::shown(&services, &changed.key, now))
}

/// `POST /v1/admin/owners/{id}/credits`: the same for the credits that all keys of an owner share.
pub(crate) async fn top_up_owner(
    request: HttpRequest,
    caller: Caller,
    services: Data<Services>,
    id: Path<String>,
    body: Bytes,
) -> Answer {
    let owner = owner_id::read(&id).ok_or(Reason::NotFound(Missing::Owner))?;
    let (top_up, reason) = read_top_up(&request, &body)?;
    let once = idempotency::of(&request, &caller, &body)?;
    let change = OwnerLimitsChange {
        owner: owner.clone(),
        limits: None,
        credits: OwnerCredits::TopUp(top_up),
        reason,
        once,
        preconditions: Preconditions::default(),
        at: now(),
    };
    let limited = services.lifecycle.limit_owner(change, caller).await;
    let limited = limited.map_err(unavailable(&request, "top up an owner"))??;
    let confirmation = Confirmation::new(&limited.propagated);
    in_request(&request, || {
        let Confirmation { replicas_confirmed, replicas_expired, .. } = confirmation;
        let (took_ms, owner) = (millis(limited.propagated.took), id.as_str());
        tracing::info!(owner, took_ms, replicas_confirmed, replicas_expired, "topped up an owner");
    });
    Ok(HttpResponse::Ok().json(ChangedOwnerLimits::new(&owner, &limited)))
}

fn read_top_up(request: &HttpRequest, body: &Bytes) -> Result<(TopUp, Option<ChangeReason>), Reason> {
    let mut fields = Fields::of(request, body, TOP_UP)?;
    let operation = fields.require("operation", text);
    let sum = fields.require("amount", |value| balance(&value));
    let reason = fields.take("reason", parsed);
    let top_up = match (operation.as_deref(), sum) {
        (Some("add"), Some(0)) => {
            fields.problem("amount", "invalid", InvalidCredits::Amount.to_string());
            None
        }
        (Some("add"), sum) => sum.map(TopUp::Add),
        (Some("set"), sum) => sum.map(TopUp::Set),
        (Some(_), _) => {
            fields.problem("operation", "invalid", "must be add or set");
            None
        }
        (None, _) => None,
    };
    fields.finish(top_up.map(|top_up| (top_up, reason)))
}
