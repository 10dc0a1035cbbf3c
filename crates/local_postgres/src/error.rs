//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the server did not start, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No PostgreSQL server is installed where we look.
    #[error(
        "no PostgreSQL server is installed here: `keyward dev` offers to install one, or install it yourself \
         (Debian: `apt-get install postgresql`, Fedora: `dnf install postgresql-server`, macOS: `brew install \
         postgresql@17`), or set PG_BIN_DIR to the folder of `initdb` and `postgres`, or set KEYWARD__DATABASE__URL to use \
         a server that is already running"
    )]
    ProgramsMissing,
    /// `PG_BIN_DIR` is set, but not to a folder with the programs.
    #[error(
        "PG_BIN_DIR is {}, where `initdb` and `postgres` are not: correct or unset it, or set \
         KEYWARD__DATABASE__URL to use a server that is already running", .0.display()
    )]
    ProgramsNotThere(PathBuf),
    /// We are root, and neither user is there that the server could run as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody` to \
         run it as: run keyward as an ordinary user, or set KEYWARD__DATABASE__URL"
    )]
    NoServerUser,
    /// The environment names no home directory.
    #[error("neither XDG_DATA_HOME nor HOME is an absolute path: set one, or name a data directory")]
    NoHome,
    /// Another process has a server on the same directory.
    #[error(
        "{} is in use by process {process}: stop that one, or use another data directory",
        .data_dir.display()
    )]
    InUse {
        /// The directory in question.
        data_dir: PathBuf,
        /// The id of the process that has it, as it noted it itself.
        process: String,
    },
    /// The data was made by another major version of PostgreSQL, which can't be read by this one.
    #[error(
        "the data in {} was made by PostgreSQL {theirs}, but {} is PostgreSQL {ours}: set PG_BIN_DIR \
         to the programs of version {theirs}, or move that folder away to begin with an empty database",
        .data.display(), .bin_dir.display()
    )]
    OtherMajorVersion {
        /// The folder with the database files.
        data: PathBuf,
        /// The version that made them.
        theirs: String,
        /// The programs that we found.
        bin_dir: PathBuf,
        /// Their version.
        ours: String,
    },
    /// As root: the user that the server runs as can't get to the data directory.
    #[error(
        "PostgreSQL runs here as the user `{user}`, who can't pass through {}: use a data directory \
         elsewhere (such as /var/lib/keyward), or `chmod o+x` that one", .folder.display()
    )]
    NotTraversable {
        /// The folder that is closed.
        folder: PathBuf,
        /// The server's user.
        user: String,
    },
    /// The data directory's path is too long for a socket, and so is the way round it.
    #[error(
        "no room for a socket: {} is too long a path (or not UTF-8), and {}, the way round it, is \
         unusable: {why}; use a data directory with a shorter path", .wanted.display(), .fallback.display()
    )]
    NoSocketDir {
        /// Where the socket belongs.
        wanted: PathBuf,
        /// Where we tried instead.
        fallback: PathBuf,
        /// Why that isn't possible.
        why: &'static str,
    },
    /// A program ended in failure; its last words follow.
    #[error("{program} failed ({outcome}); the end of {}:\n{tail}", .log.display())]
    Failed {
        /// `initdb` or `postgres`.
        program: &'static str,
        /// How it ended.
        outcome: String,
        /// The whole log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// It took longer than the start timeout.
    #[error("{waiting_for} took longer than {after:?}; the end of {}:\n{tail}", .log.display())]
    TimedOut {
        /// What did not happen in time.
        waiting_for: &'static str,
        /// The start timeout.
        after: Duration,
        /// The whole log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The system refused something.
    #[error("can't {action} {}: {why}", .path.display())]
    Io {
        /// What we were about to do.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said. Part of the message, so it is no `source`, which would be told again.
        why: io::Error,
    },
}

impl StartError {
    /// For `map_err`: what we were about to do, and to which file.
    pub(crate) fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |why| Self::Io { action, path: path.to_owned(), why }
    }
}

/// The server did not stop, not even the hard way.
#[derive(Debug, thiserror::Error)]
#[error(
    "PostgreSQL in {} has not stopped within {after:?}: look at postgres.log there; the next start \
     waits until it has", .data_dir.display()
)]
pub struct StopError {
    pub(crate) data_dir: PathBuf,
    pub(crate) after: Duration,
}
