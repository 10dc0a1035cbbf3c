//! Plans as they appear in responses.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    api::wire::{
        confirmation::Confirmation,
        credits::{Credits, Refill},
        environment::Environment,
        limits::Limit,
        owner::Owner,
        times,
    },
    auth::lifecycle::Applied,
    domain::{
        owner, plan,
        plan_changes::{PlanAssigned, PlanChanged, PlanDid},
    },
};

/// A plan: the limits that all keys of an owner share, and the caps on these keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The name of the plan.
    #[schema(pattern = "^[0-9A-Za-z._-]{1,50}$", example = "pro")]
    name: String,
    /// Who it is for.
    #[schema(required, min_length = 1, max_length = 1000, example = "for customers who pay")]
    description: Option<String>,
    /// The limits that all keys of an owner share. A limit of the owner with the same name replaces one of the plan.
    #[schema(max_items = 10)]
    limits: Vec<Limit>,
    /// What an owner gets who is put on the plan and has no credits of their own; `null`: nothing.
    #[schema(required)]
    credits: Option<PlanCredits>,
    /// The most keys of an owner that are neither revoked nor expired; `null`: as many as the configuration allows.
    #[schema(required, minimum = 1, maximum = 1_000_000, example = 50)]
    max_keys: Option<u32>,
    /// The longest lifetime of a key, in seconds; `null`: as the configuration allows.
    #[schema(required, minimum = 1, example = 31_536_000)]
    max_lifetime: Option<u64>,
    /// The scopes that keys may be given; `null`: any.
    #[schema(required, max_items = 100, example = json!(["orders:read"]))]
    scopes: Option<Vec<String>>,
    /// The environments of keys; `null`: any.
    #[schema(required, min_items = 1, max_items = 2, value_type = Option<Vec<Environment>>)]
    environments: Option<Vec<&'static str>>,
    /// When the plan was made or changed.
    #[serde(serialize_with = "times::required")]
    updated_at: OffsetDateTime,
}

/// Credits that a plan gives, and that go with it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanCredits {
    /// The balance that an owner begins with.
    #[schema(example = 10_000)]
    amount: u64,
    /// A refill adds nothing beyond this.
    #[schema(required, minimum = 1)]
    max: Option<u64>,
    /// What is added again and again.
    #[schema(required)]
    refill: Option<Refill>,
}

/// A page of plans, ordered by name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanList {
    pub(super) plans: Vec<Plan>,
    /// The `cursor` of the next page; `null` on the last page.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
}

/// A plan that every replica applies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedPlan {
    #[serde(flatten)]
    plan: Plan,
    /// Whether this request has created or changed it.
    changed: bool,
    #[serde(flatten)]
    confirmation: Confirmation,
}

/// What the caller is given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnPlan {
    /// The plan; `null` if there is none.
    #[schema(required)]
    plan: Option<Plan>,
    /// All limits that the caller's keys share: those of the plan, and those that an administrator has set on the
    /// caller.
    #[schema(max_items = 20)]
    limits: Vec<Limit>,
    /// The credits that the caller's keys share, as they are now; `null` if there are none.
    #[schema(required)]
    credits: Option<Credits>,
}

/// What an owner is given.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerPlan {
    /// The owner.
    owner: Owner,
    /// The name of the plan; `null` if the owner is on none.
    #[schema(required, pattern = "^[0-9A-Za-z._-]{1,50}$", example = "pro")]
    plan: Option<String>,
    /// Who has assigned it: an administrator, or the claim of a token.
    #[schema(required, value_type = Option<Assigner>)]
    assigned_by: Option<&'static str>,
    /// All limits that the owner's keys share: those of the plan, and those of the owner.
    #[schema(max_items = 20)]
    limits: Vec<Limit>,
    /// The credits that the owner's keys share, as they are now; `null` if there are none.
    #[schema(required)]
    credits: Option<Credits>,
}

/// Who has assigned a plan, for the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used; a unit test compares it with the domain's")]
enum Assigner {
    Administrator,
    Claim,
}

/// The plan of an owner, which every replica applies.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssignedPlan {
    /// The owner.
    owner: Owner,
    /// The name of the plan; `null` if the owner is on none.
    #[schema(required, pattern = "^[0-9A-Za-z._-]{1,50}$", example = "pro")]
    plan: Option<String>,
    /// Whether this request has changed it.
    changed: bool,
    #[serde(flatten)]
    confirmation: Confirmation,
}

impl Plan {
    /// This plan.
    pub fn new(plan: &plan::Plan) -> Self {
        let plan::PlanContent { description, limits, credits, caps } = &plan.content;
        Self {
            name: plan.name.as_str().to_owned(),
            description: description.as_ref().map(|description| description.as_str().to_owned()),
            limits: limits.as_slice().iter().map(Limit::new).collect(),
            credits: credits.map(|plan::PlanCredits { amount, max, refill }| PlanCredits {
                amount,
                max,
                refill: refill.map(Refill::new),
            }),
            max_keys: caps.max_keys,
            max_lifetime: caps.max_lifetime.map(|span| span.as_secs()),
            scopes: caps.scopes.as_ref().map(|scopes| scopes.iter().map(str::to_owned).collect()),
            environments: caps.environments.as_ref().map(|all| all.iter().map(|one| one.as_str()).collect()),
            updated_at: plan.updated_at,
        }
    }
}

impl ChangedPlan {
    pub(super) fn new(changed: &Applied<PlanChanged>) -> Self {
        let confirmation = Confirmation::new(&changed.propagated);
        let has_changed = changed.outcome.did != PlanDid::Nothing;
        Self { plan: Plan::new(&changed.outcome.plan), changed: has_changed, confirmation }
    }
}

impl OwnPlan {
    pub(super) fn new(allotment: &plan::Allotment) -> Self {
        Self {
            plan: allotment.plan.as_ref().map(|(plan, _)| Plan::new(plan)),
            limits: allotment.limits.as_slice().iter().map(Limit::new).collect(),
            credits: allotment.credits.as_ref().map(Credits::new),
        }
    }
}

impl OwnerPlan {
    /// What this owner is given.
    pub fn new(owner: &owner::Owner, allotment: &plan::Allotment) -> Self {
        let (plan, by) = allotment.plan.as_ref().map(|(plan, by)| (plan.name.as_str().to_owned(), by.as_str())).unzip();
        Self {
            owner: Owner::new(owner),
            plan,
            assigned_by: by,
            limits: allotment.limits.as_slice().iter().map(Limit::new).collect(),
            credits: allotment.credits.as_ref().map(Credits::new),
        }
    }
}

impl AssignedPlan {
    pub(super) fn new(owner: &owner::Owner, planned: &Applied<PlanAssigned>) -> Self {
        let plan = planned.outcome.plan.as_ref().map(|assigned| assigned.plan.as_str().to_owned());
        Self {
            owner: Owner::new(owner),
            plan,
            changed: planned.outcome.changed,
            confirmation: Confirmation::new(&planned.propagated),
        }
    }
}
