//! The section `[keys]`: the form of API keys, and the secrets that protect them.
//!
//! - `validate`: its allowed values
//! - `scopes`: the scopes that keys are given, as `[[scopes]]` describes them

#[cfg(feature = "server")]
mod scopes;
#[cfg(feature = "server")]
pub(super) mod validate;

use std::time::Duration;

use crate::domain::{
    api_key::{Environment, Pepper, Prefix},
    ledger::Quota,
    scope::catalogue::Catalogue,
};

/// The form of API keys, and the secrets that protect them.
pub struct Keys {
    /// The first part of every key.
    pub prefix: Prefix,
    /// The environment of keys that are created without naming one.
    pub environment: Environment,
    /// At least one pepper; the first is current, the others only verify older keys.
    pub peppers: Vec<Pepper>,
    /// The policy for keys.
    pub policy: KeyPolicy,
    /// How long revoked and expired keys are kept; `None`: for ever.
    pub retention: Option<Duration>,
}

/// The policy for keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    /// The maximum lifetime; `None`: unlimited.
    pub max_lifetime: Option<Duration>,
    /// The maximum number of living keys per owner; `None`: unlimited.
    pub max_per_owner: Option<u32>,
    /// The maximum number of keys that an owner may create within a day; `None`: unlimited.
    pub max_new_per_day: Option<u32>,
    /// The maximum number of changes that an owner may make to keys within a day; `None`: unlimited.
    pub max_changes_per_day: Option<u32>,
    /// Whether a key needs a name.
    pub require_name: bool,
    /// The scopes that are described, for whoever chooses among them.
    pub catalogue: Catalogue,
    /// Whether a key can't be given a scope that is not described.
    pub refuse_unknown_scopes: bool,
    /// How long a rotated key keeps working by default.
    pub rotation_grace: Duration,
    /// The longest that a rotation may ask for.
    pub max_rotation_grace: Duration,
}

impl KeyPolicy {
    /// The limits on an owner's keys.
    pub fn quota(&self) -> Quota {
        Quota { living: self.max_per_owner, plan: None, made_in_a_day: self.max_new_per_day }
    }
}
