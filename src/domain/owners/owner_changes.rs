//! How often owners change keys.

use std::time::Duration;

use time::OffsetDateTime;

const SECONDS: i64 = 3_600;

/// How often an owner has changed keys lately, by the hour. A change that leaves a long event counts as several.
#[derive(Clone, Debug)]
pub struct OwnerChanges {
    /// The hour of the newest change: so many hours since 1970.
    pub hour: i32,
    /// The changes of that hour and of each one before it, newest first.
    pub changes: Vec<i32>,
}

impl OwnerChanges {
    /// The hours that count: this one and the 24 before it, because any 24 hours lie within these.
    pub const HOURS: i32 = 25;

    /// How long it is until fewer than `most` of them count.
    pub fn wait(&self, most: u32, now: OffsetDateTime) -> Duration {
        let mut counted = 0;
        let is_enough = |changes: &i32| {
            counted += u64::from(changes.unsigned_abs());
            counted >= u64::from(most)
        };
        let Some(hours_ago) = self.changes.iter().position(is_enough) else { return Duration::ZERO };
        let hour = i64::from(self.hour) - i64::try_from(hours_ago).unwrap_or(0) + i64::from(Self::HOURS);
        let begins = OffsetDateTime::from_unix_timestamp(hour * SECONDS).unwrap_or(now);
        (begins - now).try_into().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn there_is_room_again_when_the_hour_no_longer_counts_without_which_there_are_fewer() {
        let now = datetime!(2026-11-30 12:15 UTC);
        let hour = i32::try_from(datetime!(2026-11-30 12:00 UTC).unix_timestamp() / SECONDS).expect("a number");
        let wait = |changes: &[i32], most| OwnerChanges { hour, changes: changes.to_vec() }.wait(most, now);
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        // Each of this hour may have been at its end, so they count until 24 hours after it.
        assert_eq!(wait(&[3], 3), minutes(45 + 24 * 60));
        assert_eq!(wait(&[1, 0, 2], 3), minutes(45 + 22 * 60));
        assert_eq!(wait(&[1, 1, 1], 2), minutes(45 + 23 * 60));
        let oldest = [&[2; 1][..], &[0; 23], &[1; 1]].concat();
        assert_eq!(wait(&oldest, 3), minutes(45));
        assert_eq!(wait(&oldest, 4), Duration::ZERO);
    }
}
