//! Plans: named sets of limits and caps that owners are on.

use std::{fmt, num::NonZeroI64, str::FromStr, time::Duration};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::domain::{
    api_key::Environment,
    limits::{AskedCredits, CreditRules, Credits, LimitName, Limits, Refill},
    role::Role,
    scope::Scopes,
    text::KeyDescription,
    timestamp::SECONDS_MAX,
    version,
    worded_enum::worded_enum,
};

/// The maximum number of plans. Services have a handful; a thousand leave room for plans of single customers, and keep
/// a list of all of them short.
pub const PLANS_MAX: u32 = 1000;
/// The maximum of a plan's `max_keys`: that of `keys.max_per_owner`.
pub const PLAN_KEYS_MAX: u32 = 1_000_000;

/// The name of a plan, in the form of a limit's: up to 50 letters, digits, dots, hyphens and underscores, which need no
/// escaping anywhere. Not only dots: `.` and `..` are no names in the path of a URL (RFC 3986 §3.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanName(LimitName);

/// The text is no name of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 50 letters, digits, dots, hyphens or underscores, not only dots")]
pub struct InvalidPlanName;

impl PlanName {
    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name that the database has, which an earlier version may have taken.
    ///
    /// # Errors
    /// [`InvalidPlanName`] if no version has.
    pub fn from_stored(text: &str) -> Result<Self, InvalidPlanName> {
        LimitName::parse(text).map(Self).map_err(|_| InvalidPlanName)
    }
}

impl FromStr for PlanName {
    type Err = InvalidPlanName;

    fn from_str(text: &str) -> Result<Self, InvalidPlanName> {
        if text.bytes().all(|byte| byte == b'.') { Err(InvalidPlanName) } else { Self::from_stored(text) }
    }
}

impl fmt::Display for PlanName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a plan gives to an owner who is on it, and what it caps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanContent {
    /// Who it is for.
    pub description: Option<KeyDescription>,
    /// The limits that all keys of an owner share.
    pub limits: Limits,
    /// The credits that an owner gets who is put on it and has none of their own.
    pub credits: Option<PlanCredits>,
    /// The caps on the owner's keys.
    pub caps: Caps,
}

/// Credits that a plan gives, and that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanCredits {
    /// The balance that an owner begins with.
    pub amount: u64,
    /// A refill adds nothing beyond this.
    pub max: Option<u64>,
    /// The refill, if there is one.
    pub refill: Option<Refill>,
}

impl PlanCredits {
    /// Those that somebody asks for; `None` without a balance.
    pub fn asked(asked: &AskedCredits) -> Option<Self> {
        Some(Self { amount: asked.remaining?, max: asked.max.flatten(), refill: asked.refill.flatten() })
    }

    /// The rules of an owner's balance. No owner can change what a plan gives.
    pub fn rules(&self) -> CreditRules {
        CreditRules { max: self.max, refill: self.refill, set_by: Role::Administrator }
    }

    /// For the audit.
    pub fn to_json(&self) -> Value {
        let mut told = self.rules().to_json();
        if let Some(members) = told.as_object_mut() {
            members.remove("setBy");
        }
        told["amount"] = json!(self.amount);
        told
    }
}

impl fmt::Display for PlanCredits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.amount)?;
        if let Some(Refill { amount, interval }) = self.refill {
            write!(formatter, ", {amount} more {}", interval.as_str())?;
        }
        if let Some(max) = self.max {
            write!(formatter, ", up to {max}")?;
        }
        Ok(())
    }
}

/// Caps on the keys of an owner. `None`: what the configuration allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// The maximum number of keys that are neither revoked nor expired.
    pub max_keys: Option<u32>,
    /// The maximum lifetime of a key, in whole seconds.
    pub max_lifetime: Option<Duration>,
    /// The scopes that keys may be given.
    pub scopes: Option<Scopes>,
    /// The environments of keys, without duplicates.
    pub environments: Option<Vec<Environment>>,
}

/// A cap that no plan can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCap {
    /// The number of keys.
    #[error("must be a whole number from 1 to {PLAN_KEYS_MAX}")]
    Keys,
    /// The lifetime.
    #[error("must be a whole number of seconds from 1 to {SECONDS_MAX}")]
    Lifetime,
    /// No environment.
    #[error("names none: leave it out to allow all")]
    Environments,
}

impl Caps {
    /// A cap on the number of keys.
    ///
    /// # Errors
    /// [`InvalidCap::Keys`].
    pub fn most_keys(number: u64) -> Result<u32, InvalidCap> {
        u32::try_from(number).ok().filter(|number| (1..=PLAN_KEYS_MAX).contains(number)).ok_or(InvalidCap::Keys)
    }

    /// A cap on lifetimes.
    ///
    /// # Errors
    /// [`InvalidCap::Lifetime`].
    pub fn longest(seconds: u64) -> Result<Duration, InvalidCap> {
        let is_possible = (1..=SECONDS_MAX).contains(&seconds);
        if is_possible { Ok(Duration::from_secs(seconds)) } else { Err(InvalidCap::Lifetime) }
    }

    /// The environments that are named, each once.
    ///
    /// # Errors
    /// [`InvalidCap::Environments`] if there are none.
    pub fn only(named: &[Environment]) -> Result<Vec<Environment>, InvalidCap> {
        let environments: Vec<_> = Environment::ALL.into_iter().filter(|one| named.contains(one)).collect();
        if environments.is_empty() { Err(InvalidCap::Environments) } else { Ok(environments) }
    }
}

/// A plan as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub name: PlanName,
    /// What it gives and caps.
    pub content: PlanContent,
    /// When it was made or changed.
    pub updated_at: OffsetDateTime,
}

impl Plan {
    /// Changes whenever the plan does, also when it is deleted and made again.
    pub fn version(&self) -> NonZeroI64 {
        let Caps { max_keys, max_lifetime, scopes, environments } = &self.content.caps;
        let description = self.content.description.as_ref().map(KeyDescription::as_str);
        let (limits, at) = (self.content.limits.to_stored(), self.updated_at.unix_timestamp_nanos() / 1000);
        let credits = &self.content.credits;
        let text = format!(
            "{description:?} {limits} {credits:?} {max_keys:?} {max_lifetime:?} {scopes:?} {environments:?} {at}"
        );
        version::of_text(&text)
    }
}

worded_enum! {
    /// Who has assigned a plan to an owner.
    pub enum AssignedBy {
        /// An administrator, whom no token overrules.
        Administrator => "administrator",
        /// The claim of a token.
        Claim => "claim",
    }
}

/// The plan that an owner is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedPlan {
    /// Its name.
    pub plan: PlanName,
    /// Who has assigned it.
    pub by: AssignedBy,
}

/// What an owner is given: by their plan, and by administrators.
#[derive(Clone, Debug, Default)]
pub struct Allotment {
    /// The plan, with who has assigned it.
    pub plan: Option<(Plan, AssignedBy)>,
    /// The limits that all keys of the owner share: those of the owner, and those of the plan that they don't replace.
    pub limits: Limits,
    /// The credits that all keys of the owner share, as they are now.
    pub credits: Option<Credits>,
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_plan_has_another_version_once_anything_is_different() {
        let plan = || {
            let caps = Caps {
                max_keys: Some(3),
                max_lifetime: Some(Duration::from_secs(86_400)),
                scopes: Scopes::parse(["a"]).ok(),
                environments: Some(vec![Environment::Test]),
            };
            let content = PlanContent { caps, ..PlanContent::default() };
            Plan { name: "free".parse().expect("a name"), content, updated_at: datetime!(2026-11-29 12:00 UTC) }
        };
        let mut others = [plan(), plan(), plan(), plan(), plan(), plan(), plan()];
        others[0].content.caps.max_keys = None;
        others[1].content.caps.scopes = Some(Scopes::default());
        others[2].content.caps.environments = None;
        others[3].content.description = "for everybody".parse().ok();
        others[4].content.caps.max_lifetime = Some(Duration::from_secs(86_401));
        others[5].updated_at += time::Duration::microseconds(1);
        others[6].content.credits = Some(PlanCredits { amount: 1, max: None, refill: None });
        let versions: std::collections::BTreeSet<_> = others.iter().chain([&plan()]).map(Plan::version).collect();
        assert_eq!(versions.len(), 8);
        assert_eq!(plan().version(), plan().version());
    }
}
