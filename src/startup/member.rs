//! This process as a replica: what it does from its start to its end, besides answering.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::{
    auth::{
        coherence::Link,
        housekeeping::{audit_months, ended_keys, limit_counters, usage},
        usage::writer::UsageWriter,
    },
    config::Usage,
    protect::{Gate, ReplicaHandle},
    store::Store,
};

/// How long a start waits until it listens. Without listening, a replica works, but slowly.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a replica that has started leaves housekeeping alone: requests that have waited for it come first, and want
/// the same few connections.
const SETTLES_FOR: Duration = Duration::from_secs(2);

/// The time limit for closing the connections to the database. No change is lost if it is exceeded: acknowledged
/// changes are on disk.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The time limit for writing the uses of keys at the end, if there are many. If the database does not answer, it is
/// given up sooner.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for giving back credits. Beyond it, they count as spent some minutes later.
const RETURN_TIMEOUT: Duration = Duration::from_secs(3);

/// The periodic maintenance.
#[derive(Clone, Copy)]
pub(super) struct Housekeeping {
    /// How long ended keys are kept; `None`: for ever.
    pub(super) keep_keys: Option<Duration>,
}

/// This process as a replica.
pub(super) struct Member {
    pub(super) link: Arc<Link>,
    pub(super) uses: Arc<UsageWriter>,
    /// As long as this exists, so do the keys in memory, with what is in hand of their limits.
    pub(super) gate: Arc<Gate>,
    pub(super) store: Arc<Store>,
    pub(super) tasks: Tasks,
    pub(super) runtime: Handle,
    /// `None` if other replicas do it.
    pub(super) housekeeping: Option<Housekeeping>,
    pub(super) usage: Usage,
}

impl Member {
    /// Starts to listen and to do a replica's own work. Must be called once, after the schema exists. Returns once it
    /// listens, or after a while: a change that can't hear its own announcement waits for the longest lease.
    pub(super) async fn begin(&self) {
        self.spawn(Arc::clone(&self.link).run());
        let _ = timeout(LISTEN_TIMEOUT, self.link.listens()).await;
        self.spawn(Arc::clone(&self.uses).run());
        self.spawn(Arc::clone(self.gate.keys.credit_exchange()).give_back_idle());
        if let Some(Housekeeping { keep_keys }) = self.housekeeping {
            self.spawn_later(audit_months::keep(self.store.clone()));
            self.spawn_later(limit_counters::forget(self.store.clone()));
            self.spawn_later(usage::keep(self.store.clone(), self.usage.clone()));
            self.spawn_later(limit_counters::settle(self.store.clone(), Arc::clone(self.gate.keys.limit_counts())));
            if let Some(keep) = keep_keys {
                self.spawn_later(ended_keys::forget(self.store.clone(), keep));
            }
        }
    }

    /// Runs housekeeping for as long as the replica.
    pub(super) fn spawn_later(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(async {
            sleep(SETTLES_FOR).await;
            task.await;
        });
    }

    /// Runs a task for as long as the replica.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.add(self.runtime.spawn(task).abort_handle());
    }
}

#[async_trait]
impl ReplicaHandle for Member {
    async fn end(&self) {
        // On different connections, so that none is lost if another's hangs.
        let leave = timeout(CLOSE_TIMEOUT, self.link.leave());
        let write = timeout(WRITE_TIMEOUT, self.uses.write_finally());
        let give_back = timeout(RETURN_TIMEOUT, self.gate.keys.credit_exchange().give_back_all());
        let (left, written, given_back) = tokio::join!(leave, write, give_back);
        if given_back.is_err() {
            tracing::warn!("could not give back all credits in hand in time; they will count as spent");
        }
        let unwritten = self.uses.unwritten();
        if unwritten > 0 {
            tracing::warn!(unwritten, "the last uses of some keys could not be written before the end; they are lost");
        }
        let closed = timeout(CLOSE_TIMEOUT, self.store.close()).await;
        if left.is_err() || written.is_err() || closed.is_err() {
            tracing::warn!("the database's connections did not close in time; exiting anyway");
        }
        self.tasks.end();
    }
}

/// The background tasks, which end when this is dropped; the process may outlive the replica.
#[derive(Default)]
pub(super) struct Tasks(Mutex<Vec<AbortHandle>>);

impl Tasks {
    pub(super) fn add(&self, task: AbortHandle) {
        self.0.lock().push(task);
    }

    fn end(&self) {
        self.0.lock().iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.end();
    }
}
