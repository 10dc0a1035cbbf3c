//! What is known of a key: owner, scopes, state, expiry. [`KeyRecord`] is the part that decides a check;
//! [`ManagedKey`] is all that its owner may see.

use std::{
    net::IpAddr,
    num::NonZeroI64,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use ipnet::IpNet;
use time::OffsetDateTime;

use super::{
    api_key::{Environment, KeyId},
    audit::Actor,
    denial::Denial,
    metadata::Metadata,
    network,
    owner::Owner,
    scope::Scopes,
    text::{KeyDescription, KeyName},
};

/// The most networks that one key may be bound to.
pub const ALLOWED_IPS_MAX: usize = 50;

/// What decides a check, without the hash. A replica keeps a million of these in memory, so only
/// what a check or its answer needs stands here.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// The public name.
    pub id: KeyId,
    /// Whose key it is.
    pub owner: Owner,
    /// Which world it belongs to.
    pub environment: Environment,
    /// What its owner calls it, handed back by a verification.
    pub name: Option<KeyName>,
    /// What it may do.
    pub scopes: Scopes,
    /// The owner's notes, handed back, too.
    pub metadata: Metadata,
    /// From where it may be used.
    pub allowed_ips: AllowedIps,
    /// From when on it is refused; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
    /// Switched off, reversibly, when `false`.
    pub enabled: bool,
    /// Whether all keys of its owner are switched off.
    pub owner_disabled: bool,
    /// When it was ended for good, if it was.
    pub revoked_at: Option<OffsetDateTime>,
    /// When this copy's use was last noted.
    pub noted: NotedMinute,
}

/// The minute in which a use was last noted, so that further uses within it need not be.
#[derive(Debug, Default)]
pub struct NotedMinute(AtomicU32);

impl NotedMinute {
    /// Whether a use at `now` is to be noted; says so once a minute.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        // Enough until the year 10136.
        let minute = (now.unix_timestamp() / 60) as u32;
        self.0.load(Relaxed) != minute && self.0.swap(minute, Relaxed) != minute
    }
}

impl Clone for NotedMinute {
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.0.load(Relaxed)))
    }
}

impl KeyRecord {
    /// A key that proves who its owner is, grants nothing, and works for ever from anywhere.
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
            noted: NotedMinute::default(),
        }
    }

    /// Why this key must be refused to somebody at `address` at `now`, if it must. Evaluated on every
    /// request, cached or not.
    pub fn refusal(&self, now: OffsetDateTime, address: Option<IpAddr>) -> Option<Denial> {
        if let Some(denial) = self.standing_refusal(now) {
            return Some(denial);
        }
        (!self.allowed_ips.allow(address)).then_some(Denial::KeyAddress)
    }

    /// Every reason that [`refusal`](Self::refusal) could give, the first one first.
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

    /// How the key stands at `now`, wherever it is used from.
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

    /// Whether it has neither been revoked nor expired: those that have don't count against an owner's limit.
    pub fn is_alive(&self, now: OffsetDateTime) -> bool {
        self.revoked_at.is_none() && !self.has_expired(now)
    }

    fn has_expired(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Bytes that this record takes beside itself, for bounding memory.
    pub fn bytes_besides(&self) -> usize {
        let scopes: usize = self.scopes.iter().map(|scope| scope.len() + size_of::<Box<str>>()).sum();
        self.name.as_ref().map_or(0, |name| name.as_str().len())
            + self.owner.issuer.len()
            + self.owner.subject.len()
            + scopes
            + self.metadata.as_json().len()
            + size_of_val(self.allowed_ips.networks())
    }
}

/// Networks that a key may be used from; none at all means from anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedIps(Box<[IpNet]>);

/// A list of networks is too long.
#[derive(Debug, thiserror::Error)]
#[error("at most {ALLOWED_IPS_MAX} networks")]
pub struct TooManyNetworks;

impl AllowedIps {
    /// Takes networks; bits beyond a network's prefix are cleared. IPv4 in the form of IPv6 becomes IPv4, as
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

    /// Whether these let in whom `others` do not.
    pub fn reach_beyond(&self, others: &Self) -> bool {
        !others.0.is_empty() && (self.0.is_empty() || !network::are_within(&self.0, &others.0))
    }

    /// Whether a client at `address` is in one of them. One whose address is not known is not.
    fn allow(&self, address: Option<IpAddr>) -> bool {
        self.0.is_empty() || address.is_some_and(|address| self.0.iter().any(|network| network.contains(&address)))
    }
}

/// How a key stands, as lists show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is accepted.
    Active,
    /// It, or its owner, is switched off.
    Disabled,
    /// Its time is over.
    Expired,
    /// It was ended for good.
    Revoked,
}

impl KeyState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Active, Self::Disabled, Self::Expired, Self::Revoked];

    /// The word for it in answers and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Who has switched a key off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledBy {
    /// Whose key it is.
    Owner,
    /// Somebody who manages everybody's keys. Then its owner does not switch it on.
    Administrator,
}

impl DisabledBy {
    /// Everybody.
    pub const ALL: [Self; 2] = [Self::Owner, Self::Administrator];

    /// The word for it in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Administrator => "administrator",
        }
    }
}

/// What a key's changes are counted from.
pub const FIRST_VERSION: NonZeroI64 = NonZeroI64::new(1).expect("one is not zero");

/// A key as its owner sees it.
#[derive(Clone, Debug)]
pub struct ManagedKey {
    /// What decides a check.
    pub record: KeyRecord,
    /// What it is for.
    pub description: Option<KeyDescription>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// By whom; `None` where an earlier version did not write it.
    pub created_by: Option<Actor>,
    /// When somebody last changed it.
    pub updated_at: OffsetDateTime,
    /// Who has switched it off; `None` while it is on.
    pub disabled_by: Option<DisabledBy>,
    /// Why it was revoked, if somebody said so.
    pub revoked_reason: Option<String>,
    /// The key whose place it took; `None` also where an earlier version did not write it.
    pub predecessor: Option<KeyId>,
    /// The key that took its place.
    pub successor: Option<KeyId>,
    /// Counts the changes, for `ETag` (RFC 9110 §8.8.3).
    pub version: NonZeroI64,
    /// When it was last used, as far as that has been written; within minutes of the truth.
    pub last_use: Option<LastUse>,
}

impl ManagedKey {
    /// A key that was just made, by its owner.
    pub fn new(record: KeyRecord, name: Option<KeyName>, created_at: OffsetDateTime) -> Self {
        Self {
            disabled_by: (!record.enabled).then_some(DisabledBy::Owner),
            record: KeyRecord { name, ..record },
            description: None,
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
    /// When.
    pub at: OffsetDateTime,
    /// From where; `None` when that was not known.
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
