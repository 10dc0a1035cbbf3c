//! The section `[checks]`: the checks of keys.

#[cfg(feature = "server")]
use super::loading::Check;

/// The checks of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// The number of keys that a replica caches.
    pub cached_keys: usize,
    /// The maximum number of first checks in progress or waiting, for keys and for tokens each.
    pub max_cold: usize,
}

impl Default for Checks {
    fn default() -> Self {
        Self { cached_keys: 1_000_000, max_cold: 16_384 }
    }
}

#[cfg(feature = "server")]
impl Checks {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let cached_keys = check.number("checks.cached_keys", 1_000..=50_000_000);
        let max_cold = check.number("checks.max_cold", 1..=65_536);
        Some(Self { cached_keys: cached_keys?, max_cold: max_cold? })
    }
}
