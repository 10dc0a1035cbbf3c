//! The section `[coherence]`: the revocation protocol.

use std::time::Duration;

#[cfg(feature = "server")]
use super::loading::Check;

/// The revocation protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coherence {
    /// How long a replica may trust its cache without hearing from the database.
    pub lease: Duration,
}

impl Default for Coherence {
    fn default() -> Self {
        Self { lease: Duration::from_secs(5) }
    }
}

#[cfg(feature = "server")]
impl Coherence {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let lease = check.duration("coherence.lease", "1s", "1m");
        Some(Self { lease: lease? })
    }
}
