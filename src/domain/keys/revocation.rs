//! Revocations of one key.

use std::num::NonZeroI64;

use time::OffsetDateTime;

use crate::domain::{api_key::KeyId, precondition::Preconditions, text::ChangeReason};

/// Revokes a key. It takes away whatever the key may, so there is nothing to decide on but the preconditions.
#[derive(Clone, Debug)]
pub struct KeyRevocation {
    /// The key.
    pub id: KeyId,
    /// The reason.
    pub reason: Option<ChangeReason>,
    /// What the key must meet.
    pub preconditions: Preconditions,
    /// Whether whoever holds the key revokes it, who need not be its owner. The reach is the owner's nevertheless.
    pub is_by_holder: bool,
    /// The time of the change.
    pub at: OffsetDateTime,
}

/// A revoked key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The key.
    pub id: KeyId,
    /// Its version.
    pub version: NonZeroI64,
    /// When it was revoked first.
    pub at: OffsetDateTime,
}
