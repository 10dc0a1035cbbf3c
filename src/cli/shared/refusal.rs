//! Messages for refused changes, for the operator.

use anyhow::{Context, anyhow};
use keyward::{
    auth::lifecycle::Done,
    domain::{
        counted::counted,
        ledger::{Refusal, Violation},
        limits::CreditsRefused,
        timestamp::span,
    },
};

/// The result of a change to the key that `which` names, or an error.
pub(in crate::cli) fn granted<T>(which: impl std::fmt::Display, done: Done<T>) -> anyhow::Result<T> {
    done.context("it may not have been done; look, and try again")?.map_err(|refusal| match refusal {
        Refusal::NotFound => anyhow!("there is no key {which}"),
        Refusal::KeyRevoked => anyhow!("{which} was revoked, which is final"),
        Refusal::KeyExpired => anyhow!("{which} has expired"),
        Refusal::AlreadyRotated(successor) => anyhow!("{which} has a successor already: {successor}"),
        Refusal::TooManyKeys { most, plan: None } => {
            anyhow!("the owner has {}, the most that keys.max_per_owner allows", counted(most.into(), "key"))
        }
        Refusal::TooManyKeys { most, plan: Some(plan) } => {
            anyhow!("the owner has {}, the most that the plan {plan} allows", counted(most.into(), "key"))
        }
        Refusal::UnknownPlan(plan) => anyhow!("there is no plan {plan:?}"),
        Refusal::DisabledByAdministrator => anyhow!("an administrator has disabled {which}"),
        Refusal::OwnerDisabled => {
            anyhow!("the owner is disabled: no key of theirs is made, or enabled, until the owner is enabled")
        }
        Refusal::VersionMismatch | Refusal::PreconditionFailed => anyhow!("somebody else has changed {which}"),
        Refusal::OtherRequest => anyhow!("the idempotency key came with another command before"),
        Refusal::TooManyNewKeys { retry_after } => {
            let retry_after = span(std::time::Duration::from_secs(retry_after.as_secs() + 1));
            anyhow!("the owner has made as many keys today as keys.max_new_per_day allows; another in {retry_after}")
        }
        // The command line changes keys as administrators do, who have no such limit.
        Refusal::TooManyChanges { .. } => {
            anyhow!("the owner has changed keys as often as keys.max_changes_per_day allows")
        }
        Refusal::Against(violations) => anyhow!("{}", violations.iter().map(violation).collect::<Vec<_>>().join("; ")),
    })
}

fn violation(violation: &Violation) -> String {
    match violation {
        Violation::NameRequired => "keys.require_name requires a name".to_owned(),
        Violation::LifetimeTooLong { longest, plan } => {
            let who = plan.as_ref().map_or_else(|| "keys.max_lifetime".to_owned(), |plan| format!("the plan {plan}"));
            format!("{who} allows {} at most", span(*longest))
        }
        Violation::GracePeriodTooLong(longest) => {
            format!("keys.max_rotation_grace allows a grace period of {} at most", span(*longest))
        }
        Violation::ScopeNotInPlan { scope, plan } => format!("the plan {plan} gives no key the scope {scope}"),
        Violation::EnvironmentNotInPlan { environment, plan } => {
            format!("the plan {plan} has no keys for {}", environment.as_str())
        }
        Violation::ScopeNotHeld(scope) | Violation::ScopeNotForKeys(scope) => format!("only tokens may carry {scope}"),
        Violation::UnknownScope(scope) => {
            format!("no [[scopes]] describes {scope}, and keys.refuse_unknown_scopes is true")
        }
        Violation::Limits(refused) => format!("the limits: {refused}"),
        Violation::Credits(refused @ CreditsRefused::None) => format!(
            "{refused}, a key with `keyward keys update ID --credits 1000`, an owner with `keyward owners limits ID --credits 1000`"
        ),
        Violation::Credits(refused) => format!("the credits: {refused}"),
        Violation::Metadata(error) => format!("the metadata: {error}"),
    }
}
