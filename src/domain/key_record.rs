//! What is known of a key: owner, scopes, state, expiry.

use time::OffsetDateTime;

use super::{
    api_key::{Environment, KeyId},
    principal::{Owner, Scopes},
    verdict::Denial,
};

/// What decides a check, without the hash. A replica keeps a million of these in memory, so only
/// what a check needs stands here.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// The public name.
    pub id: KeyId,
    /// Whose key it is.
    pub owner: Owner,
    /// Which world it belongs to.
    pub environment: Environment,
    /// What it may do.
    pub scopes: Scopes,
    /// From when on it is refused; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
    /// Switched off, reversibly, when `false`.
    pub enabled: bool,
    /// When it was ended for good, if it was.
    pub revoked_at: Option<OffsetDateTime>,
}

impl KeyRecord {
    /// Why this key must be refused at `now`, if it must. Evaluated on every request, cached or not.
    pub fn refusal(&self, now: OffsetDateTime) -> Option<Denial> {
        if self.revoked_at.is_some() {
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
