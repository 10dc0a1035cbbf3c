//! A key that was rotated: whether the old one can be ended.

use actix_web::HttpRequest;
use time::{Duration, OffsetDateTime};

use crate::{
    console::{fault::Fault, frame::When, services::Console, texts::EN},
    domain::{
        api_key::KeyId,
        key_record::{KeyState, ManagedKey},
        ledger::Reach,
    },
};

/// Uses are written a minute later, or a little more. Before that, nobody knows whether the old key is still used.
const TOO_EARLY: Duration = Duration::minutes(5);

/// The old key of a rotation, as the pages of both keys show it.
pub(super) struct Rotation {
    /// The old key.
    pub(super) id: String,
    pub(super) last_used: Option<When>,
    pub(super) ends: Option<When>,
    /// Whether it can be ended.
    pub(super) verdict: &'static str,
    /// Whether the page is that of the old key.
    pub(super) is_this: bool,
}

impl Rotation {
    /// The rotation in which this key was the old one or became the new one, unless the old one has ended.
    pub(super) async fn of(
        request: &HttpRequest,
        console: &Console,
        key: &ManagedKey,
        reach: &Reach,
        now: OffsetDateTime,
    ) -> Result<Option<Self>, Fault> {
        let other = async |id: Option<KeyId>| match id {
            Some(id) => console.ledger.show(id, reach).await.map_err(|error| Fault::outage(request, &error)),
            None => Ok(None),
        };
        if let Some(new) = other(key.successor).await? {
            return Ok(Self::between(key, &new, true, now));
        }
        Ok(other(key.predecessor).await?.and_then(|old| Self::between(&old, key, false, now)))
    }

    fn between(old: &ManagedKey, new: &ManagedKey, is_this: bool, now: OffsetDateTime) -> Option<Self> {
        let has_ended = matches!(old.record.state(now), KeyState::Revoked | KeyState::Expired);
        (!has_ended).then(|| Self {
            id: old.record.id.to_string(),
            last_used: old.last_use.map(|last| last.at.into()),
            ends: old.record.expires_at.map(When::from),
            verdict: verdict(old.last_use.map(|last| last.at), new.created_at, now),
            is_this,
        })
    }
}

fn verdict(last_used: Option<OffsetDateTime>, rotated_at: OffsetDateTime, now: OffsetDateTime) -> &'static str {
    match last_used {
        Some(at) if at >= rotated_at => EN.still_in_use,
        _ if now - rotated_at < TOO_EARLY => EN.too_early,
        _ => EN.safe_to_end,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_old_key_is_safe_to_end_if_it_was_not_used_since_and_that_would_be_known() {
        let rotated = datetime!(2026-11-29 12:00 UTC);
        let (before, after) = (rotated - Duration::MINUTE, rotated + Duration::MINUTE);
        for (last_used, later, expected) in [
            (None, Duration::MINUTE, EN.too_early),
            (Some(before), Duration::minutes(4), EN.too_early),
            (Some(before), Duration::minutes(5), EN.safe_to_end),
            (None, Duration::DAY, EN.safe_to_end),
            (Some(after), Duration::minutes(2), EN.still_in_use),
            (Some(after), Duration::DAY, EN.still_in_use),
        ] {
            assert_eq!(verdict(last_used, rotated, rotated + later), expected, "{last_used:?} {later}");
        }
    }
}
