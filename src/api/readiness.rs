//! Whether this replica wants requests, and how its database stands.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::sync::{Mutex, watch};
use utoipa::ToSchema;

use crate::{
    auth::{clock, coherence::Freshness},
    domain::ports::health::Health,
    telemetry::outage::Trouble,
};

/// How long one answer of the database serves. Readiness is public, so it must not be a way to make
/// the database work.
const ANSWER_SERVES: Duration = Duration::from_millis(500);

/// Whether this replica wants requests: it can decide on them, and the process is not about to stop.
///
/// It can decide when the schema is up to date and either the database answers, or the lease holds: then all keys that are
/// remembered are decided on without the database. So a database that is away for a moment takes no replica out.
pub struct Readiness {
    prepared: AtomicBool,
    stopping: AtomicBool,
    freshness: Arc<Freshness>,
    database: Arc<Database>,
}

impl Readiness {
    /// Readiness that depends on `store`, and on the lease that `freshness` knows.
    pub fn new(store: Arc<dyn Health>, freshness: Arc<Freshness>) -> Self {
        let database = Database {
            store,
            trouble: Trouble::default(),
            asking: Arc::default(),
            found: watch::channel((DatabaseState::Unavailable, false)).0,
        };
        Self {
            prepared: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            freshness,
            database: Arc::new(database),
        }
    }

    /// From now on it depends on the database, and not on the start. `schema_fits`: whether the database has just answered with a
    /// schema that is up to date. Then the lease counts also where nobody has asked before the database is away.
    pub fn prepared(&self, schema_fits: bool) {
        if schema_fits {
            self.database.found.send_replace((DatabaseState::Ok, true));
        }
        self.prepared.store(true, Ordering::Relaxed);
    }

    /// From now on this replica is unready. Requests that come nevertheless are still answered.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether requests should come here, and how the database stands.
    pub(crate) async fn state(&self) -> (bool, DatabaseState) {
        if !self.prepared.load(Ordering::Relaxed) {
            return (false, DatabaseState::Unavailable);
        }
        let lease_holds = self.freshness.lease_valid(clock::now());
        let (database, was_up_to_date) = self.database.state(lease_holds).await;
        let can_decide =
            database == DatabaseState::Ok || lease_holds && was_up_to_date && database != DatabaseState::Outdated;
        (can_decide && !self.stopping.load(Ordering::Relaxed), database)
    }
}

/// What is known of the database.
struct Database {
    store: Arc<dyn Health>,
    trouble: Trouble,
    /// When it was asked last. Held while it is asked, so that many askers cost one query.
    asking: Arc<Mutex<Option<Instant>>>,
    /// What it said last, and whether its schema was ever found up to date.
    found: watch::Sender<(DatabaseState, bool)>,
}

impl Database {
    /// What it says, or said a moment ago. `at_once`: a database that hangs is not waited for, and what it said before counts
    /// meanwhile.
    async fn state(self: &Arc<Self>, at_once: bool) -> (DatabaseState, bool) {
        let known = *self.found.borrow();
        if at_once && known.1 {
            if let Ok(asking) = Arc::clone(&self.asking).try_lock_owned() {
                let database = Arc::clone(self);
                tokio::spawn(async move { database.ask(asking).await });
            }
            return known;
        }
        let asking = Arc::clone(&self.asking).lock_owned().await;
        self.ask(asking).await;
        *self.found.borrow()
    }

    async fn ask(&self, mut asking: tokio::sync::OwnedMutexGuard<Option<Instant>>) {
        if asking.is_some_and(|at| at.elapsed() < ANSWER_SERVES) {
            return;
        }
        let state = match self.store.is_ready().await {
            Ok(ready) => {
                self.trouble.is_over(|lasted_ms| tracing::info!(lasted_ms, "the database answers again"));
                if ready { DatabaseState::Ok } else { DatabaseState::Outdated }
            }
            Err(error) => {
                self.trouble.tell(&error, |repeated| {
                    tracing::warn!(%error, repeated, "the database does not answer; ready as long as the lease holds");
                });
                DatabaseState::Unavailable
            }
        };
        self.found.send_modify(|(found, was_up_to_date)| {
            *found = state;
            *was_up_to_date |= state == DatabaseState::Ok;
        });
        *asking = Some(Instant::now());
    }
}

/// How the database stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DatabaseState {
    /// It answers, and commits as durably as it should. Never sent.
    #[serde(skip)]
    Ok,
    /// Its schema is older than this program.
    Outdated,
    /// It does not answer, or is not the primary any more.
    Unavailable,
}
