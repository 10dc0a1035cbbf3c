//! Timestamps as they appear in responses, in milliseconds.

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use crate::domain::timestamp;

/// Serializes a timestamp.
pub(crate) fn required<S: Serializer>(instant: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp::write(*instant))
}

/// Serializes a timestamp or `null`.
pub(crate) fn optional<S: Serializer>(instant: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
    instant.map(timestamp::write).serialize(serializer)
}

/// The current time, in milliseconds.
pub(crate) fn now() -> OffsetDateTime {
    timestamp::to_milliseconds(OffsetDateTime::now_utc())
}
