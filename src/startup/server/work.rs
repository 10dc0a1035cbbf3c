//! What a replica does besides answering, for which it needs the schema.

use std::{sync::Arc, time::Duration};

use super::metrics::Samples;
use crate::{
    auth::housekeeping::{sessions, surveys},
    startup::member::Member,
    store::Store,
};

/// All of it.
pub(super) struct Work {
    pub(super) membership: Arc<Member>,
    pub(super) store: Arc<Store>,
    pub(super) sampling: Option<(Arc<Samples>, Duration)>,
    pub(super) survey_every: Option<Duration>,
}

impl Work {
    /// Begins with all of it.
    pub(super) async fn begin(self) {
        let Self { membership, store, sampling, survey_every } = self;
        membership.begin().await;
        // Without a console, too: it may have had one.
        membership.spawn_later(sessions::forget(store.clone()));
        if let Some((samples, every)) = sampling {
            membership.spawn(samples.take(Arc::clone(&store), every));
        }
        if let Some(every) = survey_every {
            membership.spawn(surveys::take(store, every));
        }
    }
}
