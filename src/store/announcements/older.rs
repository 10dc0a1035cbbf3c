//! Whether earlier versions must be told, too.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use sqlx::{PgConnection, postgres::types::PgInterval};
use tokio::time::Instant;

use crate::domain::coherence::{LONGEST_LEASE, Notification};

/// For how long earlier versions may run beside this one: a week, for a rolling update.
const RUN_BESIDE: PgInterval = PgInterval { months: 0, days: 7, microseconds: 0 };

/// Whether there may be replicas of versions that listen only to the channels of the whole database. Some of them hear
/// heartbeats alone, and no pulses.
#[derive(Default)]
pub(super) struct Older {
    /// Whether such versions may still run on this database: for a week after the migration.
    may_run: AtomicBool,
    /// When one that knows no pulses was last heard. After that week none should run; if somebody has started one all
    /// the same, it hears us.
    heard: Mutex<Option<Instant>>,
}

impl Older {
    pub(super) fn may_run(&self, may_run: bool) {
        self.may_run.store(may_run, Ordering::SeqCst);
    }

    pub(super) fn may_run_still(&self) -> bool {
        self.may_run.load(Ordering::SeqCst)
    }

    pub(super) fn may_listen(&self) -> bool {
        let heard = *self.heard.lock();
        self.may_run_still() || heard.is_some_and(|at| at.elapsed() < LONGEST_LEASE)
    }

    pub(super) fn heard(&self, notification: &Notification) {
        let is_older = match notification {
            Notification::Heartbeat(heartbeat) | Notification::Unproven(heartbeat) => !heartbeat.knows_pulses(),
            _ => false,
        };
        if is_older {
            *self.heard.lock() = Some(Instant::now());
        }
    }
}

/// Whether no replica of a version before this migration runs any more: [`RUN_BESIDE`] after it, and at once in a
/// database that began with it.
pub(super) async fn none_is_from_before(migration: i64, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // The table of sqlx, which is not there when queries are checked.
    let query = sqlx::query_scalar::<_, bool>(
        "SELECT coalesce(max(installed_on) FILTER (WHERE version = $1)
                         - min(installed_on) FILTER (WHERE version = 1) < interval '1 hour', false)
                OR coalesce(max(installed_on) FILTER (WHERE version = $1) < now() - $2::interval, false)
         FROM _sqlx_migrations",
    );
    query.bind(migration).bind(RUN_BESIDE).fetch_one(connection).await
}
