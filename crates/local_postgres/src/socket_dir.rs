//! The folder of the server's socket. A Unix socket's path must be short, a data directory's may
//! be long: then the socket goes to a folder of its own among the temporary files.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::{self, DirBuilder, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::StartError;
use crate::server_user::ServerUser;

/// PostgreSQL names its socket by the port it would have. No port is opened, so any would do; it
/// is named everywhere because the environment (`PGPORT`) would decide otherwise.
const PORT: &str = "5432";
/// The longest path of a socket: 107 bytes on Linux, 103 on macOS.
const LONGEST_SOCKET_PATH: usize = 103;

/// The folder of the socket: private to the server's user, and its path short enough.
#[derive(Debug)]
pub(crate) struct SocketDir {
    /// UTF-8, because it is part of a URL.
    path: String,
    is_outside: bool,
}

impl SocketDir {
    /// Makes `socket/` in the data directory, or if its path is too long, a folder for this data
    /// directory among the temporary files.
    pub(crate) fn prepare(data_dir: &Path, user: &ServerUser) -> Result<Self, StartError> {
        let inside = data_dir.join("socket");
        if let Some(path) = usable_path(&inside) {
            user.make_private_folder(&inside)?;
            return Ok(Self { path, is_outside: false });
        }
        Self::prepare_outside(&std::env::temp_dir(), &inside, user)
    }

    /// The folder that a running server has its socket in.
    pub(crate) fn existing(path: &str) -> Self {
        Self { path: path.to_owned(), is_outside: false }
    }

    fn prepare_outside(temp: &Path, wanted: &Path, user: &ServerUser) -> Result<Self, StartError> {
        // Always the same folder for the same data directory, so that its URL stays the same.
        let mut hasher = DefaultHasher::new();
        (wanted, user.uid()).hash(&mut hasher);
        let fallback = temp.join(format!("keyward-{:016x}", hasher.finish()));
        let unusable = |why| StartError::NoSocketDir { wanted: wanted.to_owned(), fallback: fallback.clone(), why };
        let path = usable_path(&fallback).ok_or_else(|| unusable("that path is too long as well"))?;
        user.check_can_reach(temp)?;
        match DirBuilder::new().mode(0o700).create(&fallback) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StartError::io("make", &fallback)(error));
            }
            _ => {}
        }
        // Anyone may have put something of that name there. Not following a link matters.
        let metadata = fs::symlink_metadata(&fallback);
        if !is_private_to(&metadata.map_err(StartError::io("look at", &fallback))?, user) {
            return Err(unusable("it is another user's, or open to others"));
        }
        user.own(&fallback)?;
        Ok(Self { path, is_outside: true })
    }

    /// What tells the server where its socket belongs.
    pub(crate) fn server_arguments(&self) -> [OsString; 4] {
        // The setting is a list; quotes let a path contain commas and spaces.
        let quoted = format!("\"{}\"", self.path.replace('"', "\"\""));
        ["-k".into(), quoted.into(), "-p".into(), PORT.into()]
    }

    /// The file in which the server notes whose the socket is.
    pub(crate) fn lock_file(&self) -> PathBuf {
        Path::new(&self.path).join(format!(".s.PGSQL.{PORT}.lock"))
    }

    /// The URL of a database, for sqlx as well as for libpq (psql). The host in the query is what
    /// counts; the one before it is there because a URL with a user must have one.
    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@localhost:{PORT}/{}?host={}&sslmode=disable",
            percent_encoded(database),
            percent_encoded(&self.path)
        )
    }

    pub(crate) fn remove_if_outside(&self) {
        if self.is_outside {
            // Only works when it is empty, that is, when the server has removed its socket.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// The path as text, if a socket in that folder can be used.
fn usable_path(folder: &Path) -> Option<String> {
    let path = folder.to_str()?;
    let socket_length = path.len() + "/.s.PGSQL.".len() + PORT.len();
    (socket_length <= LONGEST_SOCKET_PATH).then(|| path.to_owned())
}

/// Whether it is a folder that nobody but the server's user (and we, if we are root) can enter.
fn is_private_to(metadata: &Metadata, user: &ServerUser) -> bool {
    let is_theirs = metadata.uid() == user.uid();
    let is_roots = metadata.uid() == 0 && !user.is_ourselves();
    metadata.is_dir() && (is_theirs || is_roots) && metadata.mode() & 0o077 == 0
}

/// RFC 3986 section 2.1; a slash may stand for itself both in a path and in a query.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("writing to a String can't fail"),
        }
    }
    encoded
}
