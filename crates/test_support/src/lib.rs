//! What the tests share. What only one test binary needs is in that binary.
//!
//! A Postgres, set up by itself:
//! * [`cluster`]: one throw-away server for a whole test run
//! * [`database`](mod@database): a database of one's own on it, migrated, for one test; [`filling`]: very many rows in
//!   it
//! * [`private_cluster`]: a server of one's own, for a test that kills, pauses or restarts it
//! * [`standby`]: a second server that follows it, for a test of a failover
//! * [`proxy`]: a wire to a server that can be damaged
//! * [`pgbouncer`]: a pooler in front of a server
//!
//! Keyward, and who asks it:
//! * [`replica`]: a `keyward serve` of one's own; [`shared_replica`]: one of several tests
//! * [`program`]: `keyward` as a command that ends by itself
//! * [`session`]: a session that a document shows, beside a `keyward dev`
//! * [`actors`]: people with a token, a key or neither; [`asking`]: how they use Keyward's own API
//! * [`client`]: HTTP as clients speak it; [`wire`]: HTTP as bytes
//! * [`stub_server`]: HTTP servers that answer what a test says
//! * [`world`]: the check itself in one process, with a store and a channel that obey the test
//!
//! * [`waiting`]: how a test waits for a condition
//! * [`shown`]: what a failed assertion shows
//! * [`model`]: explores the states of a protocol; [`fingerprint`]: hashes of many states, which share their parts
//! * [`limit_table`]: counters of limits in memory

#![allow(missing_docs, clippy::print_stderr, clippy::unwrap_used, clippy::new_without_default, reason = "tests")]

pub mod actors;
pub mod asking;
pub mod client;
pub mod cluster;
pub mod credit_table;
pub mod database;
pub mod filling;
pub mod fingerprint;
mod frames;
pub mod limit_table;
pub mod model;
pub mod pgbouncer;
pub mod private_cluster;
pub mod program;
pub mod proxy;
pub mod replica;
pub mod session;
pub mod shared_replica;
pub mod shown;
pub mod standby;
pub mod stub_server;
pub mod waiting;
pub mod wire;
pub mod world;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

pub use self::{
    database::{TestDatabase, database, server_socket, superuser_pool},
    private_cluster::PrivateCluster,
    waiting::{PATIENCE, eventually, in_time, wait_until},
};

/// Twelve random hexadecimal digits, for names that must not meet. Short, because they become part of a socket's path.
pub fn unique() -> String {
    uuid::Uuid::now_v7().simple().to_string()[20..].to_owned()
}

/// A file system in memory, where Linux has it.
const SHARED_MEMORY: &str = "/dev/shm";
/// With less free than this, folders are on the disk (containers often have 64 MiB in all).
const SHARED_MEMORY_NEEDED_KIB: u64 = 1024 * 1024;

/// Where folders go that end with their test: into memory where there is room, because databases on a disk that is busy
/// take seconds to make.
pub(crate) fn memory_or_disk() -> &'static Path {
    static CHOSEN: OnceLock<PathBuf> = OnceLock::new();
    CHOSEN.get_or_init(|| match shared_memory_free_kib() > SHARED_MEMORY_NEEDED_KIB {
        true => PathBuf::from(SHARED_MEMORY),
        false => env::temp_dir(),
    })
}

/// As `df` reports it; 0 where there is no such thing.
fn shared_memory_free_kib() -> u64 {
    let output = Command::new("df").arg("-Pk").arg(SHARED_MEMORY).output();
    let report = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    let report = report.unwrap_or_default();
    let free = report.lines().nth(1).and_then(|line| line.split_whitespace().nth(3));
    free.and_then(|free| free.parse().ok()).unwrap_or(0)
}

/// The program that is tested. Cargo and nextest tell tests where it is; a test binary that is started by hand, which
/// is in `deps`, has it one folder up.
pub(crate) fn keyward() -> PathBuf {
    let told = env::var_os("CARGO_BIN_EXE_keyward").map(PathBuf::from);
    told.unwrap_or_else(|| beside_this_binary("keyward"))
}

fn beside_this_binary(name: &str) -> PathBuf {
    let this = env::current_exe().expect("a path");
    this.parent().and_then(|deps| deps.parent()).expect("two folders").join(name)
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
