//! Changes of the limits on a key. An owner limits their own keys; what an administrator has limited, only an
//! administrator can loosen.

use super::{CREDITS, InvalidLimits, Limit, LimitName, Limits};
use crate::domain::role::Role;

/// A limit that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedLimit {
    /// The limit. Its `set_by` says nothing yet.
    pub limit: Limit,
    /// Whose limit it is to be, if the request says so.
    pub set_by: Option<Role>,
}

/// The complete limits that somebody asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedLimits(Vec<AskedLimit>);

/// Why the limits can't be these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsRefused {
    /// They are no valid limits together.
    #[error(transparent)]
    Invalid(#[from] InvalidLimits),
    /// Only an administrator can set or change this one.
    #[error("only an administrator can set or change the limit {name}")]
    SetByAdministrator {
        /// Its place among those that are asked for.
        at: usize,
        /// Its name.
        name: LimitName,
    },
}

impl AskedLimits {
    /// Limits with names that differ.
    ///
    /// # Errors
    /// [`InvalidLimits`].
    pub fn new(asked: Vec<AskedLimit>) -> Result<Self, InvalidLimits> {
        Limits::new(asked.iter().map(|asked| asked.limit.clone()).collect())?;
        // Those that were set when there were no credits are still read.
        if asked.iter().any(|asked| asked.limit.name.as_str() == CREDITS) {
            return Err(InvalidLimits::Reserved);
        }
        Ok(Self(asked))
    }

    /// Each limit.
    pub fn iter(&self) -> impl Iterator<Item = &AskedLimit> {
        self.0.iter()
    }

    /// The limits that replace `current` if somebody in this role asks for these. Those that an administrator has set
    /// stay as they are, whatever an owner asks for.
    ///
    /// # Errors
    /// [`LimitsRefused`].
    pub fn applied_to(&self, current: &Limits, role: Role) -> Result<Limits, LimitsRefused> {
        let named = |name: &LimitName| current.as_slice().iter().find(|limit| limit.name == *name);
        let mut limits = Vec::new();
        for (at, asked) in self.0.iter().enumerate() {
            let name = &asked.limit.name;
            let set_by = asked.set_by_in(named(name), role);
            let set_by = set_by.ok_or_else(|| LimitsRefused::SetByAdministrator { at, name: name.clone() })?;
            limits.push(Limit { set_by, ..asked.limit.clone() });
        }
        if role == Role::Owner {
            let is_kept = |limit: &&Limit| {
                limit.set_by == Role::Administrator && self.0.iter().all(|asked| asked.limit.name != limit.name)
            };
            limits.extend(current.as_slice().iter().filter(is_kept).cloned());
        }
        Ok(Limits::new(limits)?)
    }
}

impl AskedLimit {
    /// Who has set this limit, if somebody in this role asks for it; `None` if only an administrator can. `before`: the
    /// one that has its name now.
    fn set_by_in(&self, before: Option<&Limit>, role: Role) -> Option<Role> {
        let same = before.filter(|before| before.is_like(&self.limit));
        let is_administrators = before.is_some_and(|before| before.set_by == Role::Administrator);
        match role {
            // What an administrator sends back unchanged is still whose it was.
            Role::Administrator => Some(self.set_by.or(same.map(|same| same.set_by)).unwrap_or(role)),
            Role::Owner if is_administrators && same.is_some() && self.set_by != Some(role) => {
                Some(Role::Administrator)
            }
            Role::Owner if is_administrators || self.set_by == Some(Role::Administrator) => None,
            Role::Owner => Some(role),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(limits: &[(&str, u64, Option<Role>)]) -> AskedLimits {
        let asked = limits.iter().map(|(name, amount, set_by)| {
            let name = LimitName::parse(name).expect("a name");
            let limit = Limit::new(name, *amount, "1m".parse().expect("a window")).expect("a limit");
            AskedLimit { limit, set_by: *set_by }
        });
        AskedLimits::new(asked.collect()).expect("limits")
    }

    fn told(limits: &Limits) -> Vec<(&str, u64, Role)> {
        limits.as_slice().iter().map(|limit| (limit.name.as_str(), limit.amount, limit.set_by)).collect()
    }

    #[test]
    fn an_owner_changes_their_own_limits_and_no_other() {
        use Role::{Administrator, Owner};
        let none = Limits::default();
        let both = asked(&[("a", 10, None), ("o", 5, Some(Owner))]).applied_to(&none, Administrator).expect("limits");
        assert_eq!(told(&both), [("a", 10, Administrator), ("o", 5, Owner)]);
        let by_owner = |limits: &[(&str, u64, Option<Role>)]| asked(limits).applied_to(&both, Owner);
        let kept = ("a", 10, Administrator);
        assert_eq!(told(&by_owner(&[]).expect("limits")), [kept]);
        assert_eq!(told(&by_owner(&[("o", 500, None)]).expect("limits")), [("o", 500, Owner), kept]);
        assert_eq!(told(&by_owner(&[("a", 10, None), ("n", 1, None)]).expect("limits")), [kept, ("n", 1, Owner)]);
        assert_eq!(told(&by_owner(&[("a", 10, Some(Administrator))]).expect("limits")), [kept]);
        for refused in [("a", 11, None), ("a", 9, None), ("a", 10, Some(Owner)), ("n", 1, Some(Administrator))] {
            let error = by_owner(&[refused]).expect_err("a refusal");
            assert!(matches!(error, LimitsRefused::SetByAdministrator { name, at: 0 } if name.as_str() == refused.0));
        }
        let by_administrator = |limits: &[(&str, u64, Option<Role>)]| asked(limits).applied_to(&both, Administrator);
        assert_eq!(told(&by_administrator(&[("o", 5, None)]).expect("limits")), [("o", 5, Owner)]);
        assert_eq!(told(&by_administrator(&[("o", 6, None)]).expect("limits")), [("o", 6, Administrator)]);
        assert_eq!(told(&by_administrator(&[("a", 10, Some(Owner))]).expect("limits")), [("a", 10, Owner)]);
    }
}
