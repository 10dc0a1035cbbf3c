//! `keyward owners plan`: shows which plan an owner is on, and puts them on another, directly on the database.

use keyward::{
    api::OwnerPlan,
    config::KeyPolicy,
    domain::{
        ledger::Reach,
        plan::PlanName,
        plan_changes::{OnWordOf, PlanAssignment},
    },
};

use crate::cli::{
    plans::done,
    shared::{
        Desk, WhichOwner,
        limits::written,
        now, operator,
        output::print,
        print_json,
        table::{facts, or_dash},
        tell_if_without_keys,
    },
};

/// Show which plan an owner is on, or put them on another. Returns when every replica applies it.
#[derive(clap::Args)]
#[command(after_help = "\
No token changes a plan that is set here.

Examples:
  keyward owners plan AGFsaWNl
  keyward owners plan AGFsaWNl --set pro
  keyward owners plan --subject alice --none")]
pub(super) struct OwnersPlan {
    #[command(flatten)]
    which: WhichOwner,
    /// The plan to put the owner on.
    #[arg(long, value_name = "NAME")]
    set: Option<PlanName>,
    /// Take the owner off any plan, until a token claims one.
    #[arg(long, conflicts_with = "set")]
    none: bool,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl OwnersPlan {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let owner = self.which.read_to_change(desk).await?;
        if self.none || self.set.is_some() {
            let name = self.set.as_ref().map(ToString::to_string).unwrap_or_default();
            let on_word_of = OnWordOf::Administrator;
            let assignment = PlanAssignment {
                owner: owner.clone(),
                plan: self.set,
                on_word_of,
                instead_of: None,
                reason: None,
                at: now(),
            };
            let operator = operator();
            let lifecycle = desk.lifecycle(KeyPolicy::default());
            done(name, lifecycle.assign_plan(assignment, operator.reach, operator.author).await)?;
            desk.wait_for_everybody().await;
        }
        tell_if_without_keys(&owner, desk).await?;
        let allotment = desk.plans().allotment(&owner, &Reach::Any).await?;
        if self.json {
            return print_json(&OwnerPlan::new(&owner, &allotment));
        }
        let (plan, by) =
            allotment.plan.as_ref().map(|(plan, by)| (plan.name.as_str(), by.as_str())).unwrap_or_default();
        let told = facts([
            ("plan", or_dash(plan)),
            ("assigned by", or_dash(by)),
            ("limits", written(&allotment.limits)),
            ("credits", allotment.credits.as_ref().map_or_else(|| or_dash(""), ToString::to_string)),
        ]);
        Ok(print(told)?)
    }
}
