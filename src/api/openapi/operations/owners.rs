//! Owners and plans.

use super::{
    super::{
        bodies::{body, optional_body},
        operation::Operation,
        parameters::{self, header, query},
    },
    Describe, PAGE, TAG,
};
use crate::api::wire::{
    failure::{Missing, Reason},
    request::queries::{OF_AN_OWNER, OF_OWNERS, OF_PLANS},
};

pub(super) const OPERATIONS: &[(&str, Describe)] = &[
    ("GET /v1/owners", |_| {
        Operation::new("listOwners", "List owners")
            .takes_checked(query(OF_OWNERS))
            .takes(query(OF_AN_OWNER))
            .answers_with(200, "A page of owners", "OwnerList", PAGE)
            .stored()
    }),
    ("GET /v1/owners/{id}", |_| {
        Operation::new("showOwner", "Show an owner")
            .takes([parameters::owner_id_in_path()])
            .answers(200, "The owner", "OwnerDetails")
            .fails([Reason::NotFound(Missing::Route)])
            .stored()
    }),
    ("GET /v1/owners/{id}/limits", |_| {
        Operation::new("showOwnerLimits", "Show the limits and credits that all keys of an owner share")
            .takes([parameters::owner_id_in_path()])
            .conditional()
            .answers_with(200, "The limits", "OwnerLimits", TAG)
            .answers_without_json(304, "Not modified", TAG)
            .fails([Reason::NotFound(Missing::Route)])
            .stored()
    }),
    ("PUT /v1/owners/{id}/limits", |_| {
        Operation::new("replaceOwnerLimits", "Replace the limits and credits that all keys of an owner share")
            .takes([parameters::owner_id_in_path()])
            .conditional()
            .reads(body("OwnerLimitsToSet"))
            .answers_with(200, "Applied on every replica", "ChangedOwnerLimits", TAG)
            .fails([Reason::NotFound(Missing::Route), Reason::PreconditionFailed])
            .stored()
    }),
    ("GET /v1/plan", |_| {
        Operation::new("showOwnPlan", "Show your plan").answers(200, "The plan and the limits", "OwnPlan").stored()
    }),
    ("GET /v1/owners/{id}/plan", |_| {
        Operation::new("showOwnerPlan", "Show the plan of an owner")
            .takes([parameters::owner_id_in_path()])
            .answers(200, "The plan and the limits", "OwnerPlan")
            .fails([Reason::NotFound(Missing::Route)])
            .stored()
    }),
    ("PUT /v1/owners/{id}/plan", |_| {
        Operation::new("assignPlan", "Put an owner on a plan")
            .takes([parameters::owner_id_in_path()])
            .reads(body("OwnerPlanToSet"))
            .answers(200, "Applied on every replica", "AssignedPlan")
            .fails([Reason::NotFound(Missing::Route)])
            .stored()
    }),
    ("GET /v1/plans", |_| {
        Operation::new("listPlans", "List plans")
            .takes_checked(query(OF_PLANS))
            .answers_with(200, "A page of plans", "PlanList", PAGE)
            .stored()
    }),
    ("GET /v1/plans/{name}", |_| {
        Operation::new("showPlan", "Show a plan")
            .takes([parameters::plan_in_path()])
            .conditional()
            .answers_with(200, "The plan", "Plan", TAG)
            .answers_without_json(304, "Not modified", TAG)
            .fails([Reason::NotFound(Missing::Route)])
            .stored()
    }),
    ("PUT /v1/plans/{name}", |_| {
        Operation::new("replacePlan", "Create or replace a plan")
            .takes_checked([parameters::plan_in_path()])
            .conditional()
            .reads(body("PlanToSet"))
            .answers_with(200, "Applied on every replica", "ChangedPlan", TAG)
            .answers_with(201, "Created", "ChangedPlan", TAG)
            .fails([Reason::PreconditionFailed, Reason::TooManyPlans])
            .stored()
    }),
    ("DELETE /v1/plans/{name}", |_| {
        Operation::new("deletePlan", "Delete a plan that nobody is on")
            .takes([parameters::plan_in_path()])
            .conditional()
            .answers_without_json(204, "Deleted", &[])
            .fails([Reason::NotFound(Missing::Route), Reason::PreconditionFailed, Reason::PlanInUse(3)])
            .stored()
    }),
    ("POST /v1/owners/{id}/credits", |_| {
        Operation::new("topUpOwner", "Top up the credits that all keys of an owner share")
            .takes([parameters::owner_id_in_path()])
            .takes_checked([header("Idempotency-Key")])
            .reads(body("TopUp"))
            .answers(200, "Applied on every replica", "ChangedOwnerLimits")
            .fails([Reason::NotFound(Missing::Route), Reason::IdempotencyKeyReused])
            .stored()
    }),
    ("POST /v1/owners/{id}/disable", |_| switch_owner("disableOwner", "Disable an owner")),
    ("POST /v1/owners/{id}/enable", |_| switch_owner("enableOwner", "Enable an owner")),
];

fn switch_owner(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, summary)
        .takes([parameters::owner_id_in_path()])
        .reads(optional_body("Reason"))
        .answers(200, "Applied on every replica", "SwitchedOwner")
        .fails([Reason::NotFound(Missing::Route)])
        .stored()
}
