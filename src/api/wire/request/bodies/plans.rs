//! The fields of plans.

use serde_json::json;

use super::{Body, amount, described, list_of_limits, or_null, scopes, seconds};
use crate::{
    api::wire::request::schema::{line, plan_name, reference},
    domain::{api_key::Environment, limits::AMOUNT_MAX, plan::PLAN_KEYS_MAX, text::DESCRIPTION_MAX},
};

pub(crate) const PLAN: Body = &[&[
    ("description", || or_null(line(DESCRIPTION_MAX))),
    ("limits", || described(list_of_limits(&["array", "null"]), "The limits that all keys of an owner share.")),
    ("credits", || {
        let about = "What an owner gets who is put on the plan and has no credits of their own.";
        json!({ "anyOf": [reference("PlanCreditsToSet"), { "type": "null" }], "description": about })
    }),
    ("maxKeys", || {
        let about = "The most keys of an owner that are neither revoked nor expired.";
        or_null(json!({ "type": "integer", "minimum": 1, "maximum": PLAN_KEYS_MAX, "description": about }))
    }),
    ("maxLifetime", || seconds("The longest lifetime of a key, in seconds.")),
    ("scopes", || described(scopes(), "The scopes that keys may be given; without the member, any.")),
    ("environments", || {
        let about = "The environments of keys; without the member, any.";
        json!({
            "type": ["array", "null"],
            "minItems": 1,
            "maxItems": Environment::ALL.len(),
            "items": reference("Environment"),
            "description": about,
        })
    }),
]];
/// Credits within a plan.
pub(crate) const PLAN_CREDITS: Body = &[&[
    ("amount", || {
        let about = "The balance that an owner begins with.";
        json!({ "type": "integer", "minimum": 0, "maximum": AMOUNT_MAX, "description": about })
    }),
    ("max", || or_null(amount("A refill adds nothing beyond this."))),
    ("refill", || {
        let about = "What is added again and again.";
        json!({ "anyOf": [reference("RefillToSet"), { "type": "null" }], "description": about })
    }),
]];
pub(crate) const OWNER_PLAN: Body = &[&[("plan", || {
    let about = "The name of the plan. `null` takes the owner off any plan, until a token claims one.";
    or_null(described(plan_name(), about))
})]];
