//! The section `[limits]`: limits in responses.

use serde::Deserialize;

#[cfg(feature = "server")]
use super::loading::Check;

/// Whether responses also have the headers `X-RateLimit-Limit`, `-Remaining` and `-Reset`, which came before
/// `RateLimit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LegacyHeaders {
    /// They don't.
    #[default]
    None,
    /// They do; `X-RateLimit-Reset` has the seconds from now.
    Seconds,
    /// They do; `X-RateLimit-Reset` has the Unix time in seconds.
    Epoch,
}

/// Limits in responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The older headers.
    pub legacy_headers: LegacyHeaders,
}

#[cfg(feature = "server")]
impl Limits {
    /// The section, or `None` after its problems were recorded.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let legacy_headers = check.value("limits.legacy_headers", "\"none\", \"seconds\" or \"epoch\"");
        Some(Self { legacy_headers: legacy_headers? })
    }
}
