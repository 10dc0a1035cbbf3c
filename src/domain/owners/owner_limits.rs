//! Requests to change the limits that all keys of an owner share, and their outcomes.

use std::num::NonZeroI64;

use time::OffsetDateTime;

use crate::domain::{
    ledger::IdempotentRequest,
    limits::{AskedCredits, AskedLimits, Credits, Limits, TopUp},
    owner::Owner,
    precondition::Preconditions,
    text::ChangeReason,
};

/// Replaces the limits of an owner.
#[derive(Clone, Debug)]
pub struct OwnerLimitsChange {
    /// The owner.
    pub owner: Owner,
    /// The complete new limits; `None` leaves them.
    pub limits: Option<AskedLimits>,
    /// The change of the credits.
    pub credits: OwnerCredits,
    /// The reason, for the audit.
    pub reason: Option<ChangeReason>,
    /// The idempotent request, if repeating it must not change the credits again.
    pub once: Option<IdempotentRequest>,
    /// The preconditions on the limits until now.
    pub preconditions: Preconditions,
    /// How much credit must have been granted in all until now; `None`: whatever it is.
    pub granted: Option<u64>,
    /// The time of the change.
    pub at: OffsetDateTime,
}

/// What becomes of an owner's credits.
#[derive(Clone, Debug)]
pub enum OwnerCredits {
    /// They stay as they are.
    Keep,
    /// They are to be these; `None` for none.
    Ask(Option<AskedCredits>),
    /// They are topped up.
    TopUp(TopUp),
}

/// What limits an owner.
#[derive(Clone, Debug, Default)]
pub struct OwnerAllowance {
    /// The limits.
    pub limits: Limits,
    /// The credits.
    pub credits: Option<Credits>,
}

impl OwnerAllowance {
    /// Changes whenever somebody changes the limits or the rules of the credits; spending changes nothing.
    pub fn version(&self) -> NonZeroI64 {
        match &self.credits {
            None => self.limits.version(),
            Some(credits) => self.limits.version_with(&credits.rules),
        }
    }
}

/// The limits of an owner after a change.
#[derive(Clone, Debug)]
pub struct OwnerLimitsChanged {
    /// What limits the owner.
    pub allowance: OwnerAllowance,
    /// Whether it was the change that made them so.
    pub changed: bool,
}
