//! Requests to change the limits that all keys of an owner share, and their outcomes.

use time::OffsetDateTime;

use crate::domain::{
    limits::{AskedLimits, Limits},
    owner::Owner,
    precondition::Preconditions,
};

/// Replaces the limits of an owner.
#[derive(Clone, Debug)]
pub struct OwnerLimitsChange {
    /// The owner.
    pub owner: Owner,
    /// The complete new limits.
    pub limits: AskedLimits,
    /// The preconditions on the limits until now.
    pub preconditions: Preconditions,
    /// The time of the change.
    pub at: OffsetDateTime,
}

/// The limits of an owner after a change.
#[derive(Clone, Debug)]
pub struct OwnerLimitsChanged {
    /// The limits.
    pub limits: Limits,
    /// Whether it was the change that made them so.
    pub changed: bool,
}
