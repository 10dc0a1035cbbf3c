//! Rotations: how long the old key can go on, and whether it can be ended.

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

/// The grace period that is chosen unless somebody chooses another, in seconds.
const USUAL_GRACE: u64 = 3_600;
/// Uses are written a minute later, or a little more. Before that, nobody knows whether the old key is still used.
const TOO_EARLY: Duration = Duration::minutes(5);

/// A grace period that can be chosen.
pub(super) struct GracePeriod {
    pub(super) seconds: u64,
    pub(super) text: &'static str,
    /// Whether it is chosen before somebody chooses.
    pub(super) is_chosen: bool,
}

impl GracePeriod {
    /// In seconds, with what pages call them.
    fn all() -> [(u64, &'static str); 5] {
        [
            (0, EN.now),
            (900, EN.in_15_minutes),
            (USUAL_GRACE, EN.in_an_hour),
            (21_600, EN.in_6_hours),
            (86_400, EN.in_a_day),
        ]
    }

    /// Those that are no longer than this.
    pub(super) fn up_to(longest: std::time::Duration) -> Vec<Self> {
        let longest = longest.as_secs();
        let allowed = || Self::all().into_iter().filter(move |(seconds, _)| *seconds <= longest);
        let chosen = allowed().map(|(seconds, _)| seconds).take_while(|seconds| *seconds <= USUAL_GRACE).last();
        let period = |(seconds, text)| Self { seconds, text, is_chosen: chosen == Some(seconds) };
        allowed().map(period).collect()
    }

    /// What a form has sent, if it can be chosen at all.
    pub(super) fn parse(text: &str) -> Option<std::time::Duration> {
        let sent = text.parse::<u64>().ok().filter(|sent| Self::all().iter().any(|(seconds, _)| seconds == sent));
        sent.map(std::time::Duration::from_secs)
    }
}

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
