//! Whether this replica wants requests, and the state of its database.

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
    telemetry::outage::{Lapse, Trouble},
};

/// How long one answer of the database is reused. Readiness is public, so it must not be a way to put load on the
/// database.
const ANSWER_SERVES: Duration = Duration::from_millis(500);

/// Whether this replica wants requests: it can decide on credentials, and the process is not stopping.
///
/// It can decide if the schema is current and either the database answers or the lease is valid, because then known
/// keys are decided without the database. So a short outage of the database makes no replica unready.
pub struct Readiness {
    prepared: AtomicBool,
    stopping: AtomicBool,
    /// Not being ready, without a stop.
    lapse: Lapse,
    freshness: Arc<Freshness>,
    database: Arc<Database>,
}

impl Readiness {
    /// Readiness of a replica with this store and this lease.
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
            lapse: Lapse::default(),
            freshness,
            database: Arc::new(database),
        }
    }

    /// Ends the start: from now on, readiness depends on the database. `schema_fits`: whether the database has just
    /// answered with a current schema. If so, the lease counts even if the database fails before the first request for
    /// readiness.
    pub fn prepared(&self, schema_fits: bool) {
        if schema_fits {
            self.database.found.send_replace((DatabaseState::Ok, true));
        }
        self.prepared.store(true, Ordering::Relaxed);
    }

    /// Makes this replica unready for good. Requests that still arrive are answered.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether requests should be sent here, and the state of the database.
    pub(crate) async fn state(&self) -> (bool, DatabaseState) {
        if !self.prepared.load(Ordering::Relaxed) {
            return (false, DatabaseState::Unavailable);
        }
        let lease_holds = self.freshness.lease_valid(clock::now());
        let (database, was_up_to_date) = self.database.state(lease_holds).await;
        let can_decide =
            database == DatabaseState::Ok || lease_holds && was_up_to_date && database != DatabaseState::Outdated;
        if self.stopping.load(Ordering::Relaxed) {
            return (false, database);
        }
        self.tell(can_decide, lease_holds, database);
        (can_decide, database)
    }

    /// Logs when this replica becomes unready, and when it is ready again.
    fn tell(&self, is_ready: bool, lease: bool, database: DatabaseState) {
        if is_ready {
            self.lapse.is_over(|lasted_ms| tracing::info!(lasted_ms, "this replica is ready again"));
        } else {
            self.lapse.begins(|| {
                let database = database.name();
                tracing::warn!(lease, database, "this replica is not ready: it wants no requests until it is");
            });
        }
    }
}

/// What is known about the database.
struct Database {
    store: Arc<dyn Health>,
    trouble: Trouble,
    /// When the database was last queried. Locked during a query, so that concurrent requests cause only one.
    asking: Arc<Mutex<Option<Instant>>>,
    /// The last answer, and whether the schema was ever found current.
    found: watch::Sender<(DatabaseState, bool)>,
}

impl Database {
    /// The current or a recent answer. `at_once`: does not wait for a database that hangs, but returns its previous
    /// answer.
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

/// The state of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DatabaseState {
    /// The database answers, and commits as durably as it should. Never sent.
    #[serde(skip)]
    Ok,
    /// The schema is older than this program, or new keys there have a pepper that this replica lacks.
    Outdated,
    /// The database does not answer, or is no longer the primary.
    Unavailable,
}

impl DatabaseState {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Outdated => "outdated",
            Self::Unavailable => "unavailable",
        }
    }
}
