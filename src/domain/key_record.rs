//! What is known of a key: owner, scopes, state, expiry.

use time::OffsetDateTime;

use super::{
    api_key::{Environment, KeyId},
    principal::{Owner, Scopes},
    verdict::Denial,
};

/// A key's row without its hash. Holds nothing secret.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// The public name.
    pub id: KeyId,
    /// Whose key it is.
    pub owner: Owner,
    /// What its owner calls it.
    pub name: Option<String>,
    /// Which world it belongs to.
    pub environment: Environment,
    /// What it may do.
    pub scopes: Scopes,
    /// The owner's own notes, a JSON object.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// From when on it is refused; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
    /// Switched off, reversibly, when `false`.
    pub enabled: bool,
    /// Ended for good.
    pub revoked: Option<Revocation>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When its row last changed.
    pub updated_at: OffsetDateTime,
    /// When it was last accepted, to within a minute; `None` for never.
    pub last_used_at: Option<OffsetDateTime>,
}

/// When and why a key was ended.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// The instant of the revocation.
    pub at: OffsetDateTime,
    /// What the revoker said.
    pub reason: Option<String>,
}

impl KeyRecord {
    /// Why this key must be refused at `now`, if it must. Evaluated on every request, cached or not.
    pub fn refusal(&self, now: OffsetDateTime) -> Option<Denial> {
        if self.revoked.is_some() {
            Some(Denial::KeyRevoked)
        } else if !self.enabled {
            Some(Denial::KeyDisabled)
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Some(Denial::KeyExpired)
        } else {
            None
        }
    }
}
