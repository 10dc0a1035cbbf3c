//! Limits of use: so much in each window, on a key or on an owner.
//!
//! - `limit`, `window`: one limit, and the windows in which it counts
//! - `asked`: limits as somebody wants them to be, and whether they may
//! - `credits`: a balance that requests spend, besides limits
//! - `spending`: what a request uses of them
//! - `stored`: limits as the database has them; `text`: in a line
//! - `allowance`: what is left of them, and which are exhausted

mod allowance;
mod asked;
mod credits;
mod limit;
mod spending;
mod stored;
mod text;
mod window;

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    num::NonZeroI64,
    sync::{Arc, OnceLock},
};

use sha2::{Digest, Sha256};

pub use self::{
    allowance::{Allowance, CreditsState, Exceeded, LimitReadings, LimitState, SpentUp},
    asked::{AskedLimit, AskedLimits, LimitsRefused},
    credits::{
        AskedCredits, CREDITS, CreditRules, Credits, CreditsChange, CreditsRefused, InvalidCredits, Refill,
        RefillInterval, SpentCredits, TopUp, TopUpOperation, amount, balance,
    },
    limit::{AMOUNT_MAX, InvalidLimit, Limit, LimitName, NAME_MAX_BYTES as LIMIT_NAME_MAX_BYTES, OnOutage},
    spending::{Price, Spending},
    stored::InvalidLimits,
    window::{InvalidWindow, Span, WINDOW_MAX_SECONDS, Window},
};
use crate::domain::{api_key::KeyId, owner::Owner, version};

/// The maximum number of limits on a key, on an owner, and of a plan. An owner on a plan may have twice as many.
pub const LIMITS_MAX: usize = 10;

/// The limits on a key or on an owner, each with another name. Cheap to clone; most keys have none, which takes no
/// memory besides the pointer.
#[derive(Clone, Default)]
pub struct Limits(Option<Arc<Defined>>);

struct Defined {
    limits: Box<[Limit]>,
    /// See [`Limits::described`]: as those of a key, and as those of an owner.
    descriptions: [OnceLock<Box<dyn Any + Send + Sync>>; 2],
}

impl Limits {
    /// Limits with names that differ.
    ///
    /// # Errors
    /// [`InvalidLimits`].
    pub fn new(limits: Vec<Limit>) -> Result<Self, InvalidLimits> {
        if limits.len() > LIMITS_MAX {
            return Err(InvalidLimits::TooMany);
        }
        let repeated =
            limits.iter().enumerate().find(|(at, limit)| limits[..*at].iter().any(|one| one.name == limit.name));
        match repeated {
            Some((_, limit)) => Err(InvalidLimits::Repeated(limit.name.clone())),
            None if limits.is_empty() => Ok(Self(None)),
            None => Ok(Self::defined(limits)),
        }
    }

    fn defined(limits: Vec<Limit>) -> Self {
        Self(Some(Arc::new(Defined { limits: limits.into(), descriptions: Default::default() })))
    }

    /// These limits of an owner, and those of the owner's plan whose names they don't have: an administrator who has
    /// limited the owner has replaced the plan's limit of the same name.
    pub fn over(self, plan: &Self) -> Self {
        let is_replaced = |limit: &&Limit| self.as_slice().iter().any(|own| own.name == limit.name);
        let of_plan: Vec<_> = plan.as_slice().iter().filter(|limit| !is_replaced(limit)).cloned().collect();
        match (self.is_empty(), of_plan.is_empty()) {
            (_, true) => self,
            (true, false) => plan.clone(),
            (false, false) => Self::defined([self.as_slice(), &of_plan].concat()),
        }
    }

    /// The limits.
    pub fn as_slice(&self) -> &[Limit] {
        self.0.as_ref().map_or(&[], |defined| &defined.limits)
    }

    /// How responses describe these limits, which is the same for all of them, so it is kept: `describe` is asked once,
    /// for each answer to whether they are those of an owner. `None` if there are none.
    pub fn described<T: Any + Send + Sync>(&self, of_owner: bool, describe: impl FnOnce(&[Limit]) -> T) -> Option<&T> {
        let defined = self.0.as_deref()?;
        let description = &defined.descriptions[usize::from(of_owner)];
        description.get_or_init(|| Box::new(describe(&defined.limits))).downcast_ref()
    }

    /// Whether nobody else has this copy.
    pub fn are_unshared(&self) -> bool {
        self.0.as_ref().is_none_or(|defined| Arc::strong_count(defined) == 1)
    }

    /// Whether more may be used than with `others`: at least one of them is gone or looser.
    pub fn are_looser_than(&self, others: &Self) -> bool {
        let is_kept = |other: &Limit| self.as_slice().iter().any(|own| own.name == other.name && own.is_within(other));
        !others.as_slice().iter().all(is_kept)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Changes whenever the limits do, as the version of what has no counter.
    pub fn version(&self) -> NonZeroI64 {
        version::of_text(&self.to_stored().to_string())
    }

    /// The same, of limits and rules of credits.
    pub fn version_with(&self, rules: &CreditRules) -> NonZeroI64 {
        version::of_text(&format!("{} {}", self.to_stored(), rules.to_json()))
    }

    /// The heap memory in bytes, with what counts them.
    pub fn bytes_besides(&self) -> usize {
        /// A slice, and its part of the meter and of the registry.
        const COUNTER: usize = 200;
        self.as_slice().iter().map(|limit| size_of::<Limit>() + limit.name.as_str().len() + COUNTER).sum()
    }
}

impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        let are_one = matches!((&self.0, &other.0), (Some(one), Some(other)) if Arc::ptr_eq(one, other));
        are_one || self.as_slice() == other.as_slice()
    }
}

impl Eq for Limits {}

impl Hash for Limits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(formatter)
    }
}

/// Whose use is counted: a key, or an owner with all of their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    // One number would be aligned to 16 bytes, and leave half of that unused wherever it is beside a pointer.
    high: u64,
    low: u64,
}

impl Holder {
    /// A key.
    pub fn of_key(key: KeyId) -> Self {
        Self::from_u128(key.as_uuid().as_u128())
    }

    /// An owner: the first 128 bits of a SHA-256 over the parts, each prefixed with its length, so that no two owners
    /// have the same input.
    pub fn of_owner(owner: &Owner) -> Self {
        let mut hash = Sha256::new();
        for part in ["keyward v1 owner limits", &owner.issuer, &owner.subject] {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        Self::from_u128(u128::from_be_bytes(*hash.first_chunk().expect("32 bytes hold 16")))
    }

    /// The holder that the database has under this number.
    pub fn from_u128(number: u128) -> Self {
        Self { high: (number >> 64) as u64, low: number as u64 }
    }

    /// As the database has it.
    pub fn as_u128(self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owners_limit_replaces_the_plans_of_the_same_name() {
        let limits = |names: &str, amount: u64| {
            let limit = |name: &str| format!(r#"{{"name": "{name}", "limit": {amount}, "window": "1m"}}"#);
            let all: Vec<_> = names.split(' ').filter(|name| !name.is_empty()).map(limit).collect();
            Limits::from_stored(&format!("[{}]", all.join(","))).expect("limits")
        };
        for (own, plan, expected) in
            [("", "", ""), ("a", "", "a=1"), ("", "a b", "a=2 b=2"), ("a", "a", "a=1"), ("b c", "a b", "b=1 c=1 a=2")]
        {
            let merged = limits(own, 1).over(&limits(plan, 2));
            let told: Vec<_> = merged.as_slice().iter().map(|one| format!("{}={}", one.name, one.amount)).collect();
            assert_eq!(told.join(" "), expected);
            assert_eq!(merged.is_empty(), expected.is_empty());
        }
    }
    #[test]
    fn limits_are_looser_if_one_is_gone_or_lets_more_through() {
        let limits = |texts: &[&str]| {
            let all: Vec<_> = texts.iter().map(|text| format!(r#"{{"name": "a", "window": "1m", {text}}}"#)).collect();
            Limits::from_stored(&format!("[{}]", all.join(","))).expect("limits")
        };
        let was = limits(&[r#""limit": 10, "cost": 2"#]);
        for looser in [
            &[][..],
            &[r#""limit": 11, "cost": 2"#],
            &[r#""limit": 10, "cost": 1"#],
            &[r#""limit": 10, "cost": 2, "window": "2m""#],
            &[r#""limit": 10, "cost": 2, "onOutage": "admit""#],
        ] {
            assert!(limits(looser).are_looser_than(&was), "{looser:?}");
        }
        for tighter in [r#""limit": 10, "cost": 2"#, r#""limit": 9, "cost": 3"#] {
            assert!(!limits(&[tighter]).are_looser_than(&was), "{tighter}");
        }
        assert!(!was.are_looser_than(&limits(&[])));
    }
}
