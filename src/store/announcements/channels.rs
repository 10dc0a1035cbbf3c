//! The channels: those of the schema, and those that earlier versions share in the whole database.

use crate::store::wire::{CHANGES, PULSES, REPLICAS};

/// The channels that a replica listens to. `migrations/0017_channels.sql` sends on them.
pub(super) struct Channels {
    /// The number of the table `replicas` in this database, which is in pulses as well.
    pub(super) table: u32,
    /// The schema's own channels, in the order of [`SHARED`].
    pub(super) own: [String; 3],
}

/// The channels of the whole database. Replicas of earlier versions speak and listen there.
pub(super) const SHARED: [&str; 3] = [CHANGES, REPLICAS, PULSES];

impl Channels {
    /// All to listen to. Pulses of earlier versions come on the schema's own channel, too.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.own.iter().map(String::as_str).chain([CHANGES, REPLICAS])
    }

    /// Which of [`SHARED`] this channel is, or stands for; and whether it is the schema's own.
    pub(super) fn kind(&self, channel: &str) -> Option<(&'static str, bool)> {
        let own = self.own.iter().position(|own| own == channel).map(|place| (SHARED[place], true));
        own.or_else(|| SHARED.into_iter().find(|shared| *shared == channel).map(|shared| (shared, false)))
    }
}
