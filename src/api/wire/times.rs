//! Instants, as exact as answers show them.

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use crate::domain::timestamp;

/// An instant.
pub(crate) fn required<S: Serializer>(instant: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp::write(*instant))
}

/// An instant, or `null`.
pub(crate) fn optional<S: Serializer>(instant: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
    instant.map(timestamp::write).serialize(serializer)
}

/// Now.
pub(crate) fn now() -> OffsetDateTime {
    timestamp::to_milliseconds(OffsetDateTime::now_utc())
}
