//! Credits: a balance of a key or of an owner that requests spend.
//!
//! - `amounts`: its numbers in requests
//! - `refill`: what makes it grow

mod amounts;
mod refill;

use std::fmt;

use serde_json::{Value, json};
use time::OffsetDateTime;

pub use self::{
    amounts::{InvalidCredits, TopUp, TopUpOperation, amount, balance},
    refill::{Refill, RefillInterval},
};
use super::{AMOUNT_MAX, Holder};
use crate::domain::{role::Role, timestamp};

/// The name by which responses and policies refer to credits, as they do to a limit. No limit may have it.
pub const CREDITS: &str = "credits";

/// Which balance a key spends, for a check. The balance itself changes with every slice, and is in no key's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpentCredits {
    /// Whose balance it is.
    pub holder: Holder,
    /// Changes whenever somebody changes the balance or its rules.
    pub version: i64,
}

/// The credits of a key or of an owner, as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credits {
    /// What nobody has taken yet.
    pub remaining: u64,
    /// What replicas have in hand, or have spent and not reported yet.
    pub unsettled: u64,
    /// All that was ever given, without what was taken away again. What is neither left nor unsettled was spent.
    pub granted: u64,
    /// How they are refilled.
    pub rules: CreditRules,
    /// When the next refill comes.
    pub next_refill_at: Option<OffsetDateTime>,
    /// Whether they came with the owner's plan, and go with it.
    pub from_plan: bool,
}

/// What makes a balance grow, and who decides on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditRules {
    /// A refill adds nothing beyond this.
    pub max: Option<u64>,
    /// The refill, if there is one.
    pub refill: Option<Refill>,
    /// Who has set them.
    pub set_by: Role,
}

/// Credits that somebody asks for. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedCredits {
    /// The new balance.
    pub remaining: Option<u64>,
    /// The new maximum, or none.
    pub max: Option<Option<u64>>,
    /// The new refill, or none.
    pub refill: Option<Option<Refill>>,
    /// Whose credits they are to be.
    pub set_by: Option<Role>,
}

/// A change of a balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreditsChange {
    /// It has these rules from now on, and this balance; `None` keeps it.
    Define(CreditRules, Option<u64>),
    /// It has so much more.
    Add(u64),
    /// There is none any more.
    Remove,
}

/// Why the credits can't be these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditsRefused {
    /// Only an administrator can set or change them.
    #[error("only an administrator can set or change these credits")]
    SetByAdministrator,
    /// Credits begin with a balance.
    #[error("there are no credits yet, so give remaining")]
    NoBalance,
    /// There are none.
    #[error("there are no credits to add to; give some first")]
    None,
    /// The balance would be too large.
    #[error("a balance has at most {AMOUNT_MAX}")]
    TooMany,
}

impl Credits {
    /// The change if somebody in this role asks for these credits, `None` removing them; `Ok(None)` if nothing changes.
    ///
    /// # Errors
    /// [`CreditsRefused`].
    pub fn change(
        before: Option<&Self>,
        asked: Option<&AskedCredits>,
        role: Role,
    ) -> Result<Option<CreditsChange>, CreditsRefused> {
        let Some(asked) = asked else {
            let change = before.map(|before| before.changeable_by(role).map(|()| CreditsChange::Remove));
            return change.transpose();
        };
        let same_as = |before: &Self| asked.changes_nothing(before);
        if before.is_some_and(same_as) {
            return Ok(None);
        }
        before.map_or(Ok(()), |before| before.changeable_by(role))?;
        if role == Role::Owner && asked.set_by == Some(Role::Administrator) {
            return Err(CreditsRefused::SetByAdministrator);
        }
        let was = before.map(|before| &before.rules);
        let remaining = match (asked.remaining, before) {
            (None, None) => return Err(CreditsRefused::NoBalance),
            // A new balance has none of what replicas have of the old one, so the same number changes something too.
            (remaining, _) => remaining,
        };
        let rules = CreditRules {
            max: asked.max.unwrap_or_else(|| was.and_then(|was| was.max)),
            refill: asked.refill.unwrap_or_else(|| was.and_then(|was| was.refill)),
            set_by: asked.set_by.unwrap_or(role),
        };
        Ok(Some(CreditsChange::Define(rules, remaining)))
    }

    /// The change if somebody in this role tops a balance up.
    ///
    /// # Errors
    /// [`CreditsRefused`].
    pub fn top_up(before: Option<&Self>, top_up: TopUp, role: Role) -> Result<CreditsChange, CreditsRefused> {
        match (before, top_up) {
            (Some(before), top_up) => {
                before.changeable_by(role)?;
                match top_up {
                    TopUp::Add(amount) if before.remaining + before.unsettled + amount > AMOUNT_MAX => {
                        Err(CreditsRefused::TooMany)
                    }
                    TopUp::Add(amount) => Ok(CreditsChange::Add(amount)),
                    TopUp::Set(amount) => Ok(CreditsChange::Define(before.rules.clone(), Some(amount))),
                }
            }
            (None, _) => Err(CreditsRefused::None),
        }
    }

    /// Whether so much was granted until now, as somebody has seen who sets them: each change by somebody, and each
    /// refill, grants something or takes it back. `None`: whatever they have seen.
    pub fn are_those_seen(before: Option<&Self>, granted: Option<u64>) -> bool {
        granted.is_none_or(|granted| before.is_some_and(|before| before.granted == granted))
    }

    /// An owner can't change what an administrator has set.
    fn changeable_by(&self, role: Role) -> Result<(), CreditsRefused> {
        match (role, self.rules.set_by) {
            (Role::Owner, Role::Administrator) => Err(CreditsRefused::SetByAdministrator),
            _ => Ok(()),
        }
    }

    /// For the audit.
    pub fn to_json(&self) -> Value {
        let mut told = self.rules.to_json();
        told["remaining"] = self.remaining.into();
        told
    }
}

impl AskedCredits {
    /// Whether this only repeats rules, as a client does that sends back what it was shown, without a balance.
    fn changes_nothing(&self, before: &Credits) -> bool {
        let rules = &before.rules;
        self.remaining.is_none()
            && self.max.is_none_or(|max| max == rules.max)
            && self.refill.is_none_or(|refill| refill == rules.refill)
            && self.set_by.is_none_or(|by| by == rules.set_by)
    }
}

impl CreditRules {
    /// For the audit.
    pub fn to_json(&self) -> Value {
        let refill = self.refill.map(|Refill { amount, interval }| {
            let mut told = json!({ "amount": amount, "interval": interval.as_str() });
            if let Some(day) = interval.day() {
                told["day"] = day.into();
            }
            told
        });
        json!({ "max": self.max, "refill": refill, "setBy": self.set_by.as_str() })
    }
}

impl CreditsChange {
    /// What changed, for the audit. `before`: the credits until then.
    pub fn to_json(&self, before: Option<&Credits>) -> Value {
        let from = before.map(Credits::to_json);
        match self {
            Self::Define(rules, remaining) => {
                let mut to = rules.to_json();
                if let Some(remaining) = remaining {
                    to["remaining"] = (*remaining).into();
                }
                json!({ "from": from, "to": to })
            }
            Self::Add(amount) => json!({ "from": from, "added": amount }),
            Self::Remove => json!({ "from": from, "to": null }),
        }
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} left", self.remaining)?;
        if self.unsettled > 0 {
            write!(formatter, ", {} unsettled", self.unsettled)?;
        }
        if let Some(Refill { amount, interval }) = self.rules.refill {
            write!(formatter, ", {amount} more {}", interval.as_str())?;
            if let Some(at) = self.next_refill_at {
                write!(formatter, " from {}", timestamp::write(at))?;
            }
        }
        if let Some(max) = self.rules.max {
            write!(formatter, ", up to {max}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(set_by: Role) -> Credits {
        let rules = CreditRules { max: Some(500), refill: None, set_by };
        Credits { remaining: 100, unsettled: 5, granted: 120, rules, next_refill_at: None, from_plan: false }
    }

    #[test]
    fn what_is_not_asked_for_stays_and_the_balance_too() {
        let before = credits(Role::Owner);
        let change = |asked| Credits::change(Some(&before), Some(&asked), Role::Owner).expect("allowed");
        assert_eq!(change(AskedCredits::default()), None);
        assert_eq!(change(AskedCredits { max: Some(Some(500)), ..Default::default() }), None);
        let refill = Refill { amount: 10, interval: RefillInterval::Daily };
        let rules = CreditRules { refill: Some(refill), ..before.rules.clone() };
        let asked = AskedCredits { refill: Some(Some(refill)), ..Default::default() };
        assert_eq!(change(asked), Some(CreditsChange::Define(rules, None)));
        let asked = AskedCredits { max: Some(None), remaining: Some(100), ..Default::default() };
        let rules = CreditRules { max: None, ..before.rules.clone() };
        assert_eq!(change(asked), Some(CreditsChange::Define(rules, Some(100))));
        let begun = Credits::change(None, Some(&AskedCredits::default()), Role::Owner);
        assert_eq!(begun, Err(CreditsRefused::NoBalance));
    }

    #[test]
    fn an_owner_changes_their_own_credits_and_no_others() {
        let (own, given) = (credits(Role::Owner), credits(Role::Administrator));
        let more = AskedCredits { remaining: Some(1_000), ..Default::default() };
        assert!(Credits::change(Some(&own), Some(&more), Role::Owner).is_ok());
        assert!(Credits::change(Some(&own), None, Role::Owner).is_ok());
        let refused = Err(CreditsRefused::SetByAdministrator);
        assert_eq!(Credits::change(Some(&given), Some(&more), Role::Owner), refused);
        assert_eq!(Credits::change(Some(&given), None, Role::Owner), refused);
        assert_eq!(Credits::top_up(Some(&given), TopUp::Add(1), Role::Owner), Err(CreditsRefused::SetByAdministrator));
        let claimed = AskedCredits { set_by: Some(Role::Administrator), ..more.clone() };
        assert_eq!(Credits::change(Some(&own), Some(&claimed), Role::Owner), refused);
        // Sent back as they are.
        let same = AskedCredits { max: Some(Some(500)), set_by: Some(Role::Administrator), ..Default::default() };
        assert_eq!(Credits::change(Some(&given), Some(&same), Role::Owner), Ok(None));
        let by_administrator = Credits::change(Some(&own), Some(&more), Role::Administrator);
        let taken_over = CreditRules { set_by: Role::Administrator, ..own.rules.clone() };
        assert_eq!(by_administrator, Ok(Some(CreditsChange::Define(taken_over, Some(1_000)))));
    }

    #[test]
    fn a_balance_never_exceeds_what_can_be_counted() {
        let before = credits(Role::Owner);
        assert_eq!(
            Credits::top_up(Some(&before), TopUp::Add(AMOUNT_MAX - 105), Role::Owner),
            Ok(CreditsChange::Add(AMOUNT_MAX - 105))
        );
        assert_eq!(
            Credits::top_up(Some(&before), TopUp::Add(AMOUNT_MAX - 104), Role::Owner),
            Err(CreditsRefused::TooMany)
        );
        assert_eq!(Credits::top_up(None, TopUp::Set(1), Role::Owner), Err(CreditsRefused::None));
    }
}
