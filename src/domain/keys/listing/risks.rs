//! Keys that administrators should look at.

use time::{Duration, OffsetDateTime};

use super::{KeyFilter, KeyOrder, KeySort};
use crate::domain::{key_record::KeyState, worded_enum::worded_enum};

/// How long before the end of a key in use it is a risk, and how recently a key in use was used.
const SOON: Duration = Duration::days(7);
/// After how long without a use nobody would miss a key.
const UNUSED: Duration = Duration::days(90);

worded_enum! {
    /// Why administrators should look at keys.
    pub enum Risk {
        /// They were revoked because they leaked.
        Leaked => "leaked",
        /// They expire soon, and are in use.
        ExpiringInUse => "expiring_in_use",
        /// They never expire.
        NeverExpires => "never_expires",
        /// Nobody has used them for long.
        Unused => "unused",
        /// Nothing bounds their use.
        Unlimited => "unlimited",
    }
}

impl Risk {
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
