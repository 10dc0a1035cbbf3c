//! One throw-away PostgreSQL server ("cluster") for a test run, shared by all its processes.
//!
//! `cargo test` runs a process for each test binary, cargo-nextest one for each *test*; no single
//! process lives as long as the run. So the first process that needs the server starts it detached,
//! under a small shell script that stops it and removes its folder when it has been idle for
//! `GRACE_SECONDS`. How the script knows: each test process has the named pipe `users` open for as
//! long as it lives, so the system itself tells the script when the last one is gone, however
//! it ended.
//!
//! Joining and stopping can't miss each other. A process joins by writing a byte to `users` and
//! *then* looking whether the file `open` is still there; the script removes `open` and *then* looks
//! whether there is a byte. Whoever comes too late starts another cluster, in another folder.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use keyward_local_postgres::data_directory::DataDirectory;
use keyward_local_postgres::server_user::ServerUser;
use keyward_local_postgres::{Options, StartError};

use crate::{SHARED_MEMORY, beside_this_binary, memory_or_disk, unique};

/// How long the server waits for another test process: nextest has gaps between its processes, and
/// whoever runs one test after the other saves the start. It ends one to two such times after the
/// last process has.
const GRACE_SECONDS: u32 = 20;

/// Nothing here must survive a crash, and no background work should disturb the tests' timing.
/// Every test may have several pools. The write-ahead log is kept small, for it may be in memory.
/// With `mmap` the server's dynamic shared memory is files in its own folder, which go with it. What is loaded with the
/// server need not be loaded by each of its processes, of which there are thousands; nor need the compiler of queries.
const SETTINGS: [(&str, &str); 10] = [
    ("shared_preload_libraries", "plpgsql"),
    ("jit", "off"),
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("max_connections", "400"),
    ("dynamic_shared_memory_type", "mmap"),
    ("max_wal_size", "128MB"),
    ("min_wal_size", "32MB"),
];

/// Runs the server given as its arguments; works in the cluster's folder. `$grace` is set before.
///
/// Opening the pipe for reading alone would block until there is a writer, so it is opened for both
/// first. `cat` returns when nobody has the pipe open for writing any more, at once if nobody has.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
folder=$PWD
exec 3<>users 4<users 3>&-
"$@" 4<&- & server=$!
{
  while :; do
    cat <&4 >/dev/null
    sleep "$grace"
    if [ -n "$(cat <&4)" ]; then continue; fi
    rm -f open
    if [ -z "$(cat <&4)" ]; then break; fi
  done
  kill -QUIT "$server"
} >/dev/null 2>&1 & watcher=$!
exec 4<&-
wait "$server"
kill -KILL "$watcher" 2>/dev/null
cd / && rm -rf "$folder"
"#;

/// Stands for the database's name in [`Cluster::url`].
const PLACEHOLDER: &str = "DATABASE";

/// The cluster that this process has joined.
pub struct Cluster {
    folder: PathBuf,
    /// The URL of the database called [`PLACEHOLDER`].
    url: String,
    /// While this is open, the cluster lives.
    _user: File,
}

impl Cluster {
    /// The run's cluster, started if there is none. Blocks for about a second in that case.
    pub fn get() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| Self::join_or_start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        self.url.replacen(PLACEHOLDER, database, 1)
    }

    /// A new folder that goes when the cluster goes, and in which a server may run.
    pub fn new_folder(&self) -> Result<PathBuf, StartError> {
        make_folder(self.folder.join(format!("p-{}", unique())))
    }

    /// Does `work` while no other process and no other thread of this checkout does any.
    pub fn exclusively<T>(work: impl FnOnce() -> T) -> T {
        let path = Names::of_this_checkout().lock();
        let lock = File::create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        lock.lock().expect("a lock on a local file");
        let result = work();
        drop(lock);
        result
    }

    fn join_or_start() -> Result<Self, StartError> {
        let names = Names::of_this_checkout();
        if let Some(cluster) = Self::join(&names) {
            return Ok(cluster);
        }
        Self::exclusively(|| match Self::join(&names) {
            // Somebody else started it while we waited for the lock.
            Some(cluster) => Ok(cluster),
            None => Self::start(&names),
        })
    }

    fn join(names: &Names) -> Option<Self> {
        let current = fs::read_to_string(names.current()).ok()?;
        let (folder, url) = current.split_once('\n')?;
        let folder = PathBuf::from(folder);
        let user = become_user(&folder)?;
        let is_open = folder.join("open").exists() && DataDirectory::is_in_use(&folder);
        is_open.then(|| Self { folder, url: url.to_owned(), _user: user })
    }

    fn start(names: &Names) -> Result<Self, StartError> {
        names.remove_dead_clusters();
        let folder = make_folder(names.new_cluster())?;
        let options = Options { settings: &SETTINGS, ..Options::new(&folder) };
        let directory = DataDirectory::prepare(&options)?;

        make_pipe(&folder.join("users"));
        File::create(folder.join("open")).expect("a writable folder");
        let user = become_user(&folder).expect("the pipe was just made");
        let script = format!("grace={GRACE_SECONDS}\n{SUPERVISOR}");
        let mut shell = directory.spawn_server(&script, Stdio::null(), &SETTINGS)?;
        directory.wait_until_ready(&mut shell)?;

        let url = directory.url(PLACEHOLDER);
        let current = format!("{}\n{url}", folder.display());
        // Others read this file without a lock, so it must never be seen half-written.
        let new = names.current().with_extension("new");
        fs::write(&new, current)
            .and_then(|()| fs::rename(&new, names.current()))
            .expect("cargo's folder for tests is writable");
        Ok(Self { folder, url, _user: user })
    }
}

/// Tells the supervisor that we are here, for as long as the result is open.
fn become_user(folder: &Path) -> Option<File> {
    // Opening it for reading as well never blocks, not even when the supervisor is dead.
    let mut users = File::options().read(true).write(true).open(folder.join("users")).ok()?;
    users.write_all(b"x").ok()?;
    Some(users)
}

/// Makes a folder that belongs to the server's user: the supervisor is that user too, and is to
/// remove what is in there.
fn make_folder(path: PathBuf) -> Result<PathBuf, StartError> {
    DirBuilder::new().mode(0o700).create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ServerUser::choose()?.own(&path)?;
    Ok(path)
}

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg("-m").arg("600").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo {}", path.display());
    let owned = ServerUser::choose().and_then(|user| user.own(path));
    owned.unwrap_or_else(|error| panic!("{error}"));
}

/// Where things are. The name holds the checkout and the user, so that two checkouts, or two users
/// of one, don't disturb each other.
struct Names {
    name: String,
}

impl Names {
    fn of_this_checkout() -> Self {
        let user = ServerUser::choose().unwrap_or_else(|error| panic!("{error}"));
        let mut hasher = DefaultHasher::new();
        (env!("CARGO_MANIFEST_DIR"), user.uid()).hash(&mut hasher);
        let name = format!("keyward-tests-{:08x}", hasher.finish() >> 32);
        Self { name }
    }

    fn lock(&self) -> PathBuf {
        Self::beside_the_build().join(format!("{}.lock", self.name))
    }

    /// Says which cluster is the current one.
    fn current(&self) -> PathBuf {
        Self::beside_the_build().join(format!("{}.current", self.name))
    }

    /// In the folder that cargo makes for tests.
    fn beside_the_build() -> PathBuf {
        let folder = beside_this_binary("../tmp");
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        folder
    }

    /// Each cluster has a folder name of its own. Otherwise the end of one would remove the files
    /// of the next.
    fn new_cluster(&self) -> PathBuf {
        memory_or_disk().join(format!("{}-{}", self.name, unique()))
    }

    /// Removes what clusters have left whose supervisor was killed as well.
    fn remove_dead_clusters(&self) {
        for parent in [PathBuf::from(SHARED_MEMORY), env::temp_dir()] {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let is_ours = name.to_string_lossy().starts_with(&format!("{}-", self.name));
                if is_ours && !DataDirectory::is_in_use(&entry.path()) {
                    // Nobody depends on it; the next start tries again.
                    let _ = fs::remove_dir_all(entry.path());
                }
            }
        }
    }
}
