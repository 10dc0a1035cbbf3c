//! The section `[usage]`: how often keys are used.

use std::time::Duration;

use super::DAY;
#[cfg(feature = "server")]
use super::loading::Check;
use crate::domain::usage::UsageTags;
#[cfg(feature = "server")]
use crate::domain::usage::{TAG_MAX_BYTES, TAGS_MAX};

/// The counts of uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The longest time that a use waits to be written while the database answers.
    pub write_within: Duration,
    /// What uses can be called.
    pub tags: UsageTags,
    /// How long counts by hour are kept; `None`: for ever.
    pub keep_hours_for: Option<Duration>,
    /// How long counts by day are kept; `None`: for ever.
    pub keep_days_for: Option<Duration>,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            write_within: Duration::from_secs(1800),
            tags: UsageTags::default(),
            keep_hours_for: Some(45 * DAY),
            keep_days_for: Some(800 * DAY),
        }
    }
}

#[cfg(feature = "server")]
impl Usage {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let write_within = check.duration("usage.write_within", "1s", "1h");
        let tags = Self::read_tags(check);
        let keep_hours = check.duration("usage.keep_hours_for", "0s", "36500d");
        let keep_days = check.duration("usage.keep_days_for", "0s", "36500d");
        let or_for_ever = |span: Duration| Some(span).filter(|span| !span.is_zero());
        Some(Self {
            write_within: write_within?,
            tags: tags?,
            keep_hours_for: or_for_ever(keep_hours?),
            keep_days_for: or_for_ever(keep_days?),
        })
    }

    /// The setting `usage.tags`.
    pub(super) fn read_tags(check: &mut Check<'_>) -> Option<UsageTags> {
        let setting = "usage.tags";
        let names = check.list(setting, TAGS_MAX, TAG_MAX_BYTES)?;
        UsageTags::new(names).map_err(|invalid| check.problem(setting, invalid.to_string())).ok()
    }
}
