//! What came of the use of an authentic key.

use crate::domain::denial::Denial;

/// What came of the use of an authentic key. The database has the number of each, which never changes; further ones are
/// added at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseOutcome {
    /// It was granted.
    Granted,
    /// The key has expired.
    Expired,
    /// The key was revoked.
    Revoked,
    /// The key is disabled.
    Disabled,
    /// The owner of the key is disabled.
    OwnerDisabled,
    /// The key may not be used from the client's address.
    AddressNotAllowed,
    /// The key lacks a scope.
    InsufficientScope,
    /// The key is of the other environment.
    WrongEnvironment,
    /// The policy demands another kind of credential.
    NotAllowed,
    /// A limit is exhausted.
    RateLimited,
    /// Credits are exhausted, and no limit is.
    CreditsExhausted,
}

impl UseOutcome {
    /// Every outcome, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Granted,
        Self::Expired,
        Self::Revoked,
        Self::Disabled,
        Self::OwnerDisabled,
        Self::AddressNotAllowed,
        Self::InsufficientScope,
        Self::WrongEnvironment,
        Self::NotAllowed,
        Self::RateLimited,
        Self::CreditsExhausted,
    ];

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

    /// The word in responses, which verifications use as well.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::OwnerDisabled => "owner_disabled",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::InsufficientScope => "insufficient_scope",
            Self::WrongEnvironment => "wrong_environment",
            Self::NotAllowed => "not_allowed",
            Self::RateLimited => "rate_limited",
            Self::CreditsExhausted => "credits_exhausted",
        }
    }

    /// The outcome with this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
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
