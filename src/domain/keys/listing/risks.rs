//! Keys that administrators should look at.

use time::{Duration, OffsetDateTime};

use super::{KeyFilter, KeyOrder, KeySort};
use crate::domain::key_record::KeyState;

/// How long before the end of a key in use it is a risk, and how recently a key in use was used.
const SOON: Duration = Duration::days(7);
/// After how long without a use nobody would miss a key.
const UNUSED: Duration = Duration::days(90);

/// Why administrators should look at keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// They were revoked because they leaked.
    Leaked,
    /// They expire soon, and are in use.
    ExpiringInUse,
    /// They never expire.
    NeverExpires,
    /// Nobody has used them for long.
    Unused,
    /// Nothing bounds their use.
    Unlimited,
}

impl Risk {
    /// Every risk.
    pub const ALL: [Self; 5] = [Self::Leaked, Self::ExpiringInUse, Self::NeverExpires, Self::Unused, Self::Unlimited];

    /// The name that the store keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leaked => "leaked",
            Self::ExpiringInUse => "expiring_in_use",
            Self::NeverExpires => "never_expires",
            Self::Unused => "unused",
            Self::Unlimited => "unlimited",
        }
    }

    /// The risk with this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|risk| risk.as_str() == name)
    }

    /// The keys of this risk.
    pub fn filter(self, now: OffsetDateTime) -> KeyFilter {
        let active = KeyFilter { states: vec![KeyState::Active], ..KeyFilter::default() };
        match self {
            Self::Leaked => KeyFilter { leaked: Some(true), ..KeyFilter::default() },
            Self::ExpiringInUse => {
                KeyFilter { expiring_before: Some(now + SOON), used_since: Some(now - SOON), ..active }
            }
            Self::NeverExpires => KeyFilter { never_expires: true, ..active },
            Self::Unused => KeyFilter { unused_since: Some(now - UNUSED), ..active },
            Self::Unlimited => KeyFilter { limited: Some(false), ..active },
        }
    }

    /// The order in which they are looked for: the newest first, but of those that nobody uses the oldest.
    pub fn order(self) -> KeyOrder {
        KeyOrder { sort: KeySort::CreatedAt, descending: self != Self::Unused }
    }
}
