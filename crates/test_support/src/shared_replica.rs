//! One replica for all tests of a process that only send requests.

use std::{collections::BTreeMap, ops::Deref, sync::Arc, thread};

use tokio::sync::Mutex;

use crate::replica::Replica;

/// A replica that other tests may use at the same time, which lives for as long as the process.
///
/// A test may share it that asks it something, of people whom no other test names unless it doesn't matter what those
/// have. One that looks at its metrics or its log, at rows that are not its own or at lists of everybody's, or sends it
/// signals, starts its own.
pub struct SharedReplica(Arc<Replica>);

/// What runs, by its environment variables.
type Running = BTreeMap<Vec<(String, String)>, Arc<Replica>>;

impl SharedReplica {
    /// One with the settings of the tests.
    pub async fn get() -> Self {
        Self::get_with(&[]).await
    }

    /// One with exactly these further environment variables.
    pub async fn get_with(env: &[(&str, &str)]) -> Self {
        static RUNNING: Mutex<Running> = Mutex::const_new(Running::new());
        let env_owned = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut running = RUNNING.lock().await;
        // One that has crashed fails the tests that have it, and no others.
        if let Some(replica) = running.get(&env_owned).filter(|replica| replica.is_running()) {
            return Self(Arc::clone(replica));
        }
        let replica = Arc::new(Replica::start_guarded(env).await);
        running.insert(env_owned, Arc::clone(&replica));
        Self(replica)
    }

    /// One that nobody else has.
    pub fn alone(replica: Replica) -> Self {
        Self(Arc::new(replica))
    }
}

impl Deref for SharedReplica {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.0
    }
}

impl Drop for SharedReplica {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("The replica, which other tests may have used too, has printed:\n{}", self.0.last_output());
        }
    }
}
