//! What the tests need of the world: a PostgreSQL server, set up by itself.
//!
//! * [`cluster`]: one throw-away server for a whole test run
//! * [`database`]: a database of one's own on it, migrated, for one test
//! * [`private_cluster`]: a server of one's own, for a test that kills, pauses or restarts it
//! * [`shown`]: what a failed assertion shows
//! * [`standby`]: a second server that follows it, for a test of a failover

#![allow(dead_code, reason = "each test binary uses only a part of it")]

pub(crate) mod cluster;
pub(crate) mod database;
pub(crate) mod private_cluster;
pub(crate) mod shown;
mod standby;

#[allow(unused_imports, reason = "each test binary uses only a part of it")]
pub(crate) use self::{
    database::{TestDatabase, database, server_socket},
    private_cluster::PrivateCluster,
};

/// Twelve random hexadecimal digits, for names that must not meet. Short, for they become part of
/// a socket's path.
pub(crate) fn unique() -> String {
    uuid::Uuid::now_v7().simple().to_string()[20..].to_owned()
}

/// Runs `work` to its end on a thread and a runtime of its own, so that it can be called from
/// anywhere: from a destructor, too, and while the test's own runtime is stuck or shutting down.
fn in_own_runtime<T, F>(work: impl FnOnce() -> F + Send) -> T
where
    T: Send,
    F: Future<Output = T>,
{
    let run =
        || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work());
    std::thread::scope(|scope| scope.spawn(run).join()).expect("preparing the database failed")
}
