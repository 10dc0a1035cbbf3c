//! `postgres.log`: what `initdb` and the server said since the last start, and errors that quote it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::{Deadline, StartError};

/// How much of the log an error shows.
const TAIL_BYTES: u64 = 4096;

pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres.log")
}

/// Empties the log. Without that it would grow for ever.
pub(crate) fn start_new(data_dir: &Path) -> Result<(), StartError> {
    let path = path(data_dir);
    let mut new = OpenOptions::new();
    new.write(true).create(true).truncate(true).mode(0o600);
    let made = new.open(&path);
    made.map(drop).map_err(StartError::io("make", &path))
}

/// A program has ended in failure.
pub(crate) fn failed(data_dir: &Path, program: &'static str, outcome: String) -> StartError {
    let log = path(data_dir);
    StartError::Failed { program, outcome, tail: tail(&log), log }
}

/// Something has not happened in time.
pub(crate) fn timed_out(data_dir: &Path, waiting_for: &'static str, deadline: Deadline) -> StartError {
    let log = path(data_dir);
    StartError::TimedOut { waiting_for, after: deadline.after, tail: tail(&log), log }
}

/// The end of a file, or nothing if it can't be read: it only decorates an error.
fn tail(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
}
