//! The section `[checks]`: the checks of keys.

use std::time::Duration;

#[cfg(feature = "server")]
use super::loading::Check;

/// The checks of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// The number of keys that a replica caches.
    pub cached_keys: usize,
    /// The maximum number of first checks in progress or waiting, for keys and for tokens each.
    pub max_cold: usize,
    /// How long a check waits for the database when nothing is in hand of a limit.
    pub max_limit_wait: Duration,
}

impl Default for Checks {
    fn default() -> Self {
        Self { cached_keys: 1_000_000, max_cold: 16_384, max_limit_wait: Duration::from_secs(1) }
    }
}

#[cfg(feature = "server")]
impl Checks {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let cached_keys = check.number("checks.cached_keys", 1_000..=50_000_000);
        let max_cold = check.number("checks.max_cold", 1..=65_536);
        let max_limit_wait = check.duration("checks.max_limit_wait", "10ms", "30s");
        Some(Self { cached_keys: cached_keys?, max_cold: max_cold?, max_limit_wait: max_limit_wait? })
    }
}
