//! The section `[audit]`: the audit log.

use std::time::Duration;

use super::DAY;
#[cfg(feature = "server")]
use super::loading::Check;

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How long events are kept; `None`: for ever.
    pub retention: Option<Duration>,
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention: Some(400 * DAY) }
    }
}

#[cfg(feature = "server")]
impl Audit {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let retention = check.duration("audit.retention", "0s", "36500d");
        Some(Self { retention: Some(retention?).filter(|span| !span.is_zero()) })
    }
}
