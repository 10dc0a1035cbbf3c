//! A PostgreSQL server of our own, for `keyward dev` and for the tests: nothing to set up first.
//!
//! It uses the server programs installed on this machine, listens on no network port but on a
//! socket that only its own user (and root) can reach, and dies with the process that started it,
//! even by `kill -9`. `keyward serve` never uses it: production has a server with backups.
//!
//! ```no_run
//! use keyward_local_postgres::{LocalPostgres, Options, StartError};
//!
//! fn main() -> Result<(), StartError> {
//!     let server = LocalPostgres::start(&Options::new("/tmp/my-data"))?;
//!     println!("{}", server.url("postgres"));
//!     Ok(())
//! }
//! ```
//!
//! * [`programs`]: where the server's programs are
//! * [`packages`]: how they get there, where they are not
//! * [`server_user`]: which system user it runs as
//! * [`data_directory`]: the folder it keeps its data in; locks, `initdb`, start, socket

pub mod data_directory;
mod error;
mod locks;
mod log;
pub mod packages;
pub mod programs;
pub mod server_user;
mod socket_dir;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use self::data_directory::DataDirectory;
pub use self::error::{StartError, StopError};

/// How often a condition is looked at while we wait for it. Short, because a start takes only some
/// 30 ms; each look is one or two system calls.
const POLL: Duration = Duration::from_millis(5);

/// How long the hard way to stop may take, after [`Options::stop_timeout`]. PostgreSQL itself
/// gives its processes 5 s before it kills them.
const HARD_STOP: Duration = Duration::from_secs(10);

/// Runs the server given as its arguments, and stops it when its own standard input ends.
///
/// That input is a pipe whose other end only our process has, so the system closes it however we
/// die. `read` is what waits: nothing is ever written to the pipe. The watcher keeps no descriptor
/// but that pipe, above all not standard output, which carries the lock on the data directory.
/// When the server ends first, the shell ends with its status, so that a failed start is noticed.
///
/// SIGINT is the "fast" shutdown: it ends the sessions and writes a checkpoint. SIGQUIT does not
/// wait for anybody; what was committed is replayed by the next start. SIGCONT is for a server that
/// somebody has paused. Signals to the whole group must not stop the watcher from doing its work;
/// the system itself sends SIGHUP when we die while the server is paused. The server sets
/// handlers of its own for all three.
const STOP_WITH_US: &str = r#"
trap '' HUP INT TERM
exec 3<&0 </dev/null
"$@" 3<&- & server=$!
{
  read -r _
  kill -INT "$server"; kill -CONT "$server"
  while [ "$stop_seconds" -gt 0 ]; do sleep 1; stop_seconds=$((stop_seconds - 1)); done
  kill -QUIT "$server"
} <&3 3<&- >/dev/null 2>&1 & watcher=$!
exec 3<&-
wait "$server"; status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"
"#;

/// How to start an [`LocalPostgres`].
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Where everything is kept; made if absent. Its parent folders are made too.
    pub data_dir: PathBuf,
    /// Server settings such as `("fsync", "off")`, on top of PostgreSQL's own defaults, which keep
    /// an acknowledged write through a crash. With `fsync` off the directory is made faster too.
    pub settings: &'a [(&'a str, &'a str)],
    /// The longest that a start may take, the first one's `initdb` included.
    pub start_timeout: Duration,
    /// How long the server may take to stop cleanly, in whole seconds. Then it is stopped the hard
    /// way, which loses nothing that was committed.
    pub stop_timeout: Duration,
}

impl Options<'_> {
    /// PostgreSQL's own settings, 60 s to start and 30 s to stop.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            settings: &[],
            start_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(30),
        }
    }
}

/// A running PostgreSQL server that stops when this value is dropped, or when our process ends.
#[derive(Debug)]
pub struct LocalPostgres {
    /// The shell that runs the server; its standard input is the pipe that keeps the server up.
    shell: Child,
    directory: DataDirectory,
    stop_timeout: Duration,
}

impl LocalPostgres {
    /// Starts a server on `options.data_dir` and waits until it accepts connections. The first
    /// time, this makes the database files (about half a second).
    ///
    /// A predecessor that was killed may still be shutting down: then this waits for it, and
    /// PostgreSQL replays what the predecessor had acknowledged.
    ///
    /// # Errors
    /// [`StartError`]; each says what to do next.
    pub fn start(options: &Options<'_>) -> Result<Self, StartError> {
        let directory = DataDirectory::prepare(options)?;
        let script = format!("stop_seconds={}\n{STOP_WITH_US}", options.stop_timeout.as_secs());
        let shell = directory.spawn_server(&script, Stdio::piped(), options.settings)?;
        // From here on dropping `server` stops what we have started.
        let mut server = Self { shell, directory, stop_timeout: options.stop_timeout };
        server.directory.wait_until_ready(&mut server.shell)?;
        Ok(server)
    }

    /// The connection URL of a database on this server, for sqlx and for psql. The database
    /// `postgres` always exists.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.directory.url(database)
    }

    /// The folder this server keeps everything in.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// The process id of the server itself, or `None` once it has ended.
    #[must_use]
    pub fn server_pid(&self) -> Option<u32> {
        self.directory.server_pid()
    }

    /// Why the server has ended although nobody has stopped it; `None` while it runs.
    ///
    /// It restarts by itself after most crashes. This is about the process that would do that.
    pub fn has_failed(&mut self) -> Option<StartError> {
        let status = self.shell.try_wait().ok()??;
        Some(log::failed(self.data_dir(), "postgres", status.to_string()))
    }

    /// Ends the sessions, stops the server and waits until it has. Dropping does the same, but
    /// can't tell you that it failed.
    ///
    /// # Errors
    /// [`StopError`] when the server can't be stopped the hard way either.
    pub fn stop(mut self) -> Result<(), StopError> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), StopError> {
        drop(self.shell.stdin.take());
        let deadline = Deadline::in_(self.stop_timeout + HARD_STOP);
        while matches!(self.shell.try_wait(), Ok(None)) {
            if deadline.has_passed() {
                return Err(StopError { data_dir: self.data_dir().to_owned(), after: self.stop_timeout });
            }
            thread::sleep(POLL);
        }
        self.directory.remove_outside_socket_dir();
        Ok(())
    }
}

impl Drop for LocalPostgres {
    fn drop(&mut self) {
        // Nothing to report it to; the server goes on stopping without us.
        let _ = self.shut_down();
    }
}

/// Where `keyward dev` keeps its database unless told otherwise: `/var/lib/keyward` for root (the
/// server then runs as another user, who can't enter root's home), else
/// `$XDG_DATA_HOME/keyward` or `~/.local/share/keyward`.
///
/// # Errors
/// [`StartError::NoHome`] when the environment names no home, and [`StartError::Io`] when the
/// system's `id` program can't be run.
pub fn default_data_dir() -> Result<PathBuf, StartError> {
    if server_user::we_are_root()? {
        return Ok(PathBuf::from("/var/lib/keyward"));
    }
    // The XDG specification says that a relative path is to be ignored.
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("keyward"))
        .ok_or(StartError::NoHome)
}

/// A moment after which we stop waiting, and the wait that led to it.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    after: Duration,
}

impl Deadline {
    fn in_(after: Duration) -> Self {
        Self { at: Instant::now() + after, after }
    }

    fn has_passed(self) -> bool {
        Instant::now() >= self.at
    }
}
