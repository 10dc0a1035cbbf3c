//! What came of the use of an authentic key.

use crate::domain::{denial::Denial, worded_enum::worded_enum};

worded_enum! {
    /// What came of the use of an authentic key. The database has the number of each, which never changes; further ones
    /// are added at the end. Verifications use the same words.
    #[derive(PartialOrd, Ord, Hash)]
    pub enum UseOutcome {
        /// It was granted.
        Granted => "granted",
        /// The key has expired.
        Expired => "expired",
        /// The key was revoked.
        Revoked => "revoked",
        /// The key is disabled.
        Disabled => "disabled",
        /// The owner of the key is disabled.
        OwnerDisabled => "owner_disabled",
        /// The key may not be used from the client's address.
        AddressNotAllowed => "address_not_allowed",
        /// The key lacks a scope.
        InsufficientScope => "insufficient_scope",
        /// The key is of the other environment.
        WrongEnvironment => "wrong_environment",
        /// The policy demands another kind of credential.
        NotAllowed => "not_allowed",
        /// A limit is exhausted.
        RateLimited => "rate_limited",
        /// Credits are exhausted, and no limit is.
        CreditsExhausted => "credits_exhausted",
    }
}

impl UseOutcome {
    /// The number of outcomes.
    pub const COUNT: usize = Self::ALL.len();

    /// The place of this outcome among all.
    pub fn place(self) -> usize {
        self as usize
    }

    /// The number in the database.
    pub fn number(self) -> i16 {
        self as i16
    }

    /// The outcome with this number; `None` for one of a newer version.
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

impl From<Denial> for UseOutcome {
    /// The refusal of an authentic key. What can't be said of one counts as [`NotAllowed`](Self::NotAllowed).
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::KeyExpired => Self::Expired,
            Denial::KeyRevoked => Self::Revoked,
            Denial::KeyDisabled => Self::Disabled,
            Denial::KeyOwnerDisabled => Self::OwnerDisabled,
            Denial::KeyAddress => Self::AddressNotAllowed,
            Denial::Scope(_) | Denial::Scopes => Self::InsufficientScope,
            Denial::OtherEnvironment => Self::WrongEnvironment,
            Denial::RateLimited(_) => Self::RateLimited,
            Denial::CreditsExhausted(_) => Self::CreditsExhausted,
            _ => Self::NotAllowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_found_by_its_number_and_by_its_word() {
        for (place, outcome) in UseOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.place(), place);
            assert_eq!(UseOutcome::of_number(outcome.number()), Some(outcome));
            assert_eq!(UseOutcome::of(outcome.as_str()), Some(outcome));
        }
        assert_eq!(UseOutcome::of_number(-1), None);
        assert_eq!(UseOutcome::of_number(UseOutcome::COUNT as i16), None);
    }
}
