//! What is known about a key. [`KeyRecord`] is the part that a check needs; [`ManagedKey`] is everything its owner may
//! see.

use std::{net::IpAddr, num::NonZeroI64};

use ipnet::IpNet;
use time::OffsetDateTime;

use crate::domain::{
    api_key::{Environment, KeyId},
    audit::Actor,
    denial::Denial,
    limits::{Credits, Limits, SpentCredits},
    metadata::Metadata,
    network,
    owner::Owner,
    role::Role,
    scope::Scopes,
    text::{KeyDescription, KeyName},
    worded_enum::worded_enum,
};

/// The maximum number of networks that a key can be bound to.
pub const ALLOWED_IPS_MAX: usize = 50;

/// A purse, with its part of the meter and of the lists of both.
const PURSE_BYTES: usize = 500;

/// What a check needs, except the hash. A replica keeps up to a million of these in memory, so a record contains only
/// what a check or its response needs.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// The key's id.
    pub id: KeyId,
    /// The owner of the key.
    pub owner: Owner,
    /// The key's environment.
    pub environment: Environment,
    /// The owner's name for the key, returned by verifications.
    pub name: Option<KeyName>,
    /// The scopes of the key.
    pub scopes: Scopes,
    /// The owner's metadata, also returned by verifications.
    pub metadata: Metadata,
    /// The networks that the key may be used from.
    pub allowed_ips: AllowedIps,
    /// When the key expires; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
    /// `false` if the key is disabled, which can be undone.
    pub enabled: bool,
    /// Whether the owner of the key is disabled.
    pub owner_disabled: bool,
    /// When the key was revoked, if it was.
    pub revoked_at: Option<OffsetDateTime>,
    /// The limits on the key.
    pub limits: Limits,
    /// The limits on its owner, which all of their keys share.
    pub owner_limits: Limits,
    /// The credits that the key spends.
    pub credits: Option<SpentCredits>,
    /// The credits of its owner, which all of their keys spend.
    pub owner_credits: Option<SpentCredits>,
}

impl KeyRecord {
    /// A key without scopes, which never expires and works from any address.
    pub fn new(id: KeyId, owner: Owner, environment: Environment) -> Self {
        Self {
            id,
            owner,
            environment,
            name: None,
            scopes: Scopes::default(),
            metadata: Metadata::default(),
            allowed_ips: AllowedIps::default(),
            expires_at: None,
            enabled: true,
            owner_disabled: false,
            revoked_at: None,
            limits: Limits::default(),
            owner_limits: Limits::default(),
            credits: None,
            owner_credits: None,
        }
    }

    /// The reason for refusing this key to a client at `address` at `now`, if there is one. Evaluated on every request,
    /// cached or not.
    pub fn refusal(&self, now: OffsetDateTime, address: Option<IpAddr>) -> Option<Denial> {
        if let Some(denial) = self.standing_refusal(now) {
            return Some(denial);
        }
        (!self.allowed_ips.allow(address)).then_some(Denial::KeyAddress)
    }

    /// Every reason that [`refusal`](Self::refusal) could give, in the same order.
    pub fn refusals(&self, now: OffsetDateTime, address: Option<IpAddr>) -> Vec<Denial> {
        let reasons = [
            (self.revoked_at.is_some(), Denial::KeyRevoked),
            (!self.enabled, Denial::KeyDisabled),
            (self.owner_disabled, Denial::KeyOwnerDisabled),
            (self.has_expired(now), Denial::KeyExpired),
            (!self.allowed_ips.allow(address), Denial::KeyAddress),
        ];
        reasons.into_iter().filter_map(|(holds, denial)| holds.then_some(denial)).collect()
    }

    /// The state of the key at `now`, independent of the client's address.
    pub fn state(&self, now: OffsetDateTime) -> KeyState {
        match self.standing_refusal(now) {
            None => KeyState::Active,
            Some(Denial::KeyRevoked) => KeyState::Revoked,
            Some(Denial::KeyExpired) => KeyState::Expired,
            Some(_) => KeyState::Disabled,
        }
    }

    fn standing_refusal(&self, now: OffsetDateTime) -> Option<Denial> {
        if self.revoked_at.is_some() {
            Some(Denial::KeyRevoked)
        } else if !self.enabled {
            Some(Denial::KeyDisabled)
        } else if self.owner_disabled {
            Some(Denial::KeyOwnerDisabled)
        } else if self.has_expired(now) {
            Some(Denial::KeyExpired)
        } else {
            None
        }
    }

    /// Whether the key is neither revoked nor expired. Only such keys count against an owner's limit.
    pub fn is_alive(&self, now: OffsetDateTime) -> bool {
        self.revoked_at.is_none() && !self.has_expired(now)
    }

    /// Whether this record of a key works for longer than an earlier one of the same key.
    pub fn outlasts(&self, earlier: &Self) -> bool {
        match (self.expires_at, earlier.expires_at) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(end), Some(earlier)) => end > earlier,
        }
    }

    fn has_expired(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// The heap memory of this record in bytes, for bounding the cache.
    pub fn bytes_besides(&self) -> usize {
        let scopes: usize = self.scopes.iter().map(|scope| scope.len() + size_of::<Box<str>>()).sum();
        self.name.as_ref().map_or(0, |name| name.as_str().len())
            + self.owner.issuer.len()
            + self.owner.subject.len()
            + scopes
            + self.metadata.as_json().len()
            + size_of_val(self.allowed_ips.networks())
            + self.limits.bytes_besides()
            + self.owner_limits.bytes_besides()
            + PURSE_BYTES * (usize::from(self.credits.is_some()) + usize::from(self.owner_credits.is_some()))
    }
}

/// The networks that a key may be used from; an empty list allows every address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedIps(Box<[IpNet]>);

/// The list of networks is too long.
#[derive(Debug, thiserror::Error)]
#[error("at most {ALLOWED_IPS_MAX} networks")]
pub struct TooManyNetworks;

impl AllowedIps {
    /// Normalizes the networks: bits beyond the prefix are cleared, and IPv4-mapped IPv6 networks become IPv4, as
    /// clients' addresses do.
    ///
    /// # Errors
    /// [`TooManyNetworks`] for more than [`ALLOWED_IPS_MAX`].
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Result<Self, TooManyNetworks> {
        let networks: Box<[IpNet]> = networks.into_iter().map(network::canonical).collect();
        if networks.len() > ALLOWED_IPS_MAX { Err(TooManyNetworks) } else { Ok(Self(networks)) }
    }

    /// The networks.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether these networks allow an address that `others` do not.
    pub fn reach_beyond(&self, others: &Self) -> bool {
        !others.0.is_empty() && (self.0.is_empty() || !network::are_within(&self.0, &others.0))
    }

    /// Whether a client at `address` is allowed. An unknown address is in no network.
    fn allow(&self, address: Option<IpAddr>) -> bool {
        self.0.is_empty() || address.is_some_and(|address| self.0.iter().any(|network| network.contains(&address)))
    }
}

worded_enum! {
    /// The state of a key, as lists show it.
    pub enum KeyState {
        /// The key is accepted.
        Active => "active",
        /// The key or its owner is disabled.
        Disabled => "disabled",
        /// The key has expired.
        Expired => "expired",
        /// The key was revoked.
        Revoked => "revoked",
    }
}

impl KeyState {
    /// Every state from which a key can be revoked.
    pub const LIVING: [Self; 3] = [Self::Active, Self::Disabled, Self::Expired];
}

/// The version of a new key.
pub const FIRST_VERSION: NonZeroI64 = NonZeroI64::new(1).expect("one is not zero");

/// A key as its owner sees it.
#[derive(Clone, Debug)]
pub struct ManagedKey {
    /// The part that a check needs.
    pub record: KeyRecord,
    /// The purpose of the key.
    pub description: Option<KeyDescription>,
    /// The credits that the key spends, as they were when it was read.
    pub credits: Option<Credits>,
    /// When the key was created.
    pub created_at: OffsetDateTime,
    /// Who created it; `None` if an earlier version did not record it.
    pub created_by: Option<Actor>,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
    /// Who disabled it; `None` while it is enabled.
    pub disabled_by: Option<Role>,
    /// The reason given for the revocation.
    pub revoked_reason: Option<String>,
    /// The key that this key replaced; `None` also if an earlier version did not record it.
    pub predecessor: Option<KeyId>,
    /// The key that replaced this key.
    pub successor: Option<KeyId>,
    /// Incremented by each change, for `ETag` (RFC 9110 §8.8.3).
    pub version: NonZeroI64,
    /// The last use that was written, accurate to a few minutes.
    pub last_use: Option<LastUse>,
}

impl ManagedKey {
    /// A key that its owner has just created.
    pub fn new(record: KeyRecord, name: Option<KeyName>, created_at: OffsetDateTime) -> Self {
        Self {
            disabled_by: (!record.enabled).then_some(Role::Owner),
            record: KeyRecord { name, ..record },
            description: None,
            credits: None,
            created_at,
            created_by: None,
            updated_at: created_at,
            revoked_reason: None,
            predecessor: None,
            successor: None,
            version: FIRST_VERSION,
            last_use: None,
        }
    }
}

/// A use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When the key was used.
    pub at: OffsetDateTime,
    /// The client's address; `None` if unknown.
    pub from: Option<IpAddr>,
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn allowed(networks: &[&str]) -> AllowedIps {
        AllowedIps::new(networks.iter().map(|text| network::parse(text).expect("a network"))).expect("few networks")
    }

    #[test]
    fn no_networks_allow_everybody_and_any_others_only_their_members() {
        let home = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
        assert!(allowed(&[]).allow(home) && allowed(&[]).allow(None));
        assert!(allowed(&["192.0.2.99/24", "2001:db8::/32"]).allow(home));
        assert!(!allowed(&["198.51.100.0/24"]).allow(home));
        assert!(!allowed(&["0.0.0.0/0"]).allow(None), "an unknown address is in no network");
    }

    #[test]
    fn networks_reach_beyond_others_if_they_let_in_one_more_address() {
        let beyond = |networks: &[&str], others: &[&str]| allowed(networks).reach_beyond(&allowed(others));
        assert!(beyond(&[], &["192.0.2.1"]) && beyond(&["192.0.2.0/24"], &["192.0.2.1"]));
        assert!(beyond(&["192.0.2.1", "198.51.100.1"], &["192.0.2.1"]));
        assert!(!beyond(&[], &[]) && !beyond(&["192.0.2.1"], &[]));
        assert!(!beyond(&["192.0.2.1", "192.0.2.128/25"], &["192.0.2.0/25", "192.0.2.128/25"]));
    }
}
