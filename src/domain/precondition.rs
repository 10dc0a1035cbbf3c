//! What a request demands of the version of a key that it meets (RFC 9110 §13.1).

use std::num::NonZeroI64;

use super::ledger::Refusal;

/// Versions of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Any there is.
    Any,
    /// These; none of them, where tags were named that no version has.
    These(Vec<NonZeroI64>),
}

impl Versions {
    fn hold(&self, version: NonZeroI64) -> bool {
        match self {
            Self::Any => true,
            Self::These(versions) => versions.contains(&version),
        }
    }
}

/// What a request demands before it changes a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Only these are to be changed: `If-Match`.
    pub only: Option<Versions>,
    /// These are not: `If-None-Match`.
    pub not: Option<Versions>,
}

impl Preconditions {
    /// Whether a key of this version may be changed. The order is that of RFC 9110 §13.2.2.
    ///
    /// # Errors
    /// [`Refusal::VersionMismatch`] and [`Refusal::PreconditionFailed`].
    pub fn demand(&self, version: NonZeroI64) -> Result<(), Refusal> {
        if self.only.as_ref().is_some_and(|only| !only.hold(version)) {
            return Err(Refusal::VersionMismatch);
        }
        if self.not.as_ref().is_some_and(|not| not.hold(version)) {
            return Err(Refusal::PreconditionFailed);
        }
        Ok(())
    }
}
