//! Preconditions on a key's version (RFC 9110 §13.1).

use std::num::NonZeroI64;

use crate::domain::ledger::Refusal;

/// A set of versions of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Every version.
    Any,
    /// These versions; empty if none of the given tags belongs to a version.
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

/// The preconditions of a request that changes a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// `If-Match`: the key must have one of these versions.
    pub only: Option<Versions>,
    /// `If-None-Match`: the key must not have one of these versions.
    pub not: Option<Versions>,
}

impl Preconditions {
    /// The key must have this version.
    pub fn on_version(version: NonZeroI64) -> Self {
        Self { only: Some(Versions::These(vec![version])), not: None }
    }

    /// Checks whether a key of this version may be changed, in the order of RFC 9110 §13.2.2.
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
