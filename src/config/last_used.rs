//! The section `[last_used]`: the writing of last uses and counts of uses.

use std::time::Duration;

#[cfg(feature = "server")]
use super::loading::Check;

/// The writing of last uses and counts of uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUsed {
    /// How long after a use it is written.
    pub write_every: Duration,
    /// The maximum number of keys whose uses are pending.
    pub max_pending: usize,
}

impl Default for LastUsed {
    fn default() -> Self {
        Self { write_every: Duration::from_secs(60), max_pending: 1_000_000 }
    }
}

#[cfg(feature = "server")]
impl LastUsed {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let write_every = check.duration("last_used.write_every", "1s", "1h");
        let max_pending = check.number("last_used.max_pending", 1_000..=10_000_000);
        Some(Self { write_every: write_every?, max_pending: max_pending? })
    }
}
