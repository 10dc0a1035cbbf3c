//! Plans as pages show them.

use crate::{
    console::{
        access::form::Form,
        keys::{complain, refusal},
        texts::{EN, WHY_NOT},
    },
    domain::{
        limits::Limit,
        plan::{Caps, PLANS_MAX, Plan},
        plan_changes::PlanRefusal,
        timestamp,
    },
};

/// A plan in a list or on a page of its own.
pub(in crate::console) struct PlanView {
    pub(in crate::console) name: String,
    pub(in crate::console) description: Option<String>,
    pub(in crate::console) limits: Vec<String>,
    pub(in crate::console) credits: Option<String>,
    pub(in crate::console) max_keys: String,
    pub(in crate::console) max_lifetime: String,
    pub(in crate::console) scopes: String,
    pub(in crate::console) environments: String,
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        let Caps { max_keys, max_lifetime, scopes, environments } = &plan.content.caps;
        let any = || EN.any.to_owned();
        let words = |all: Vec<&str>| if all.is_empty() { EN.none.to_owned() } else { all.join(" ") };
        Self {
            name: plan.name.to_string(),
            description: plan.content.description.as_ref().map(|text| text.as_str().to_owned()),
            limits: plan.content.limits.as_slice().iter().map(Limit::to_string).collect(),
            credits: plan.content.credits.map(|credits| credits.to_string()),
            max_keys: max_keys.map_or_else(any, |most| most.to_string()),
            max_lifetime: max_lifetime.map_or_else(any, timestamp::span),
            scopes: scopes.as_ref().map_or_else(any, |scopes| words(scopes.iter().collect())),
            environments: environments
                .as_ref()
                .map_or_else(any, |all| words(all.iter().map(|one| one.as_str()).collect())),
        }
    }
}

/// Why a change was refused, for whoever wanted it.
pub(in crate::console) fn plan_refusal(refused: &PlanRefusal) -> String {
    match refused {
        PlanRefusal::NotFound => WHY_NOT.no_such_plan.to_owned(),
        PlanRefusal::Refused(refused) => refusal(refused),
        PlanRefusal::InUse(owners) => format!("{} {owners}", WHY_NOT.plan_in_use),
        PlanRefusal::TooMany => format!("{} {PLANS_MAX}", WHY_NOT.too_many_plans),
    }
}

/// Tells why a change of a plan was refused beside the fields that it is about.
pub(super) fn complain_of_plan(form: &mut Form, refused: &PlanRefusal) {
    match refused {
        PlanRefusal::Refused(refused) => complain(form, refused),
        refused => form.problem("form", plan_refusal(refused)),
    }
}
