//! How often keys are used: counted by hour, outcome and tag.
//!
//! - `outcome`: what came of a use
//! - `tag`: what a use was called
//! - `period`: the time that is asked for
//! - `report`: what is asked, and the answer

mod outcome;
mod period;
mod report;
mod tag;

pub use self::{
    outcome::UseOutcome,
    period::{AskedPeriod, Granularity, InvalidPeriod, POINTS_MAX, Period},
    report::{
        GROUPS_DEFAULT, GROUPS_MAX, Grouping, KeyDay, TooManyCounts, Usage, UsageFilter, UsageGroup, UsageQuery,
        UseCounts,
    },
    tag::{InvalidTags, TAG_MAX_BYTES, TAGS_MAX, UsageTag, UsageTags},
};
