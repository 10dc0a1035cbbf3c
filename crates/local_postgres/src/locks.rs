//! The two locks on a data directory. The system frees them when the processes that hold them are
//! gone, however they ended.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;

use crate::log::timed_out;
use crate::{Deadline, POLL, StartError};

const SERVER_LOCK: &str = "server.lock";

/// Whether a process of a server on `data_dir`, or the one that started it, is there.
pub(crate) fn server_is_alive(data_dir: &Path) -> bool {
    File::open(data_dir.join(SERVER_LOCK)).is_ok_and(|file| file.try_lock().is_err())
}

fn open_lock_file(path: &Path) -> Result<File, StartError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(StartError::io("open", path))
}

/// Takes the lock that says which process uses the folder, and notes our process id in it.
pub(crate) fn take_for_us(data_dir: &Path) -> Result<File, StartError> {
    let path = data_dir.join("keyward.lock");
    let mut file = open_lock_file(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let process = fs::read_to_string(&path).unwrap_or_default();
            return Err(StartError::InUse { data_dir: data_dir.to_owned(), process: process.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(StartError::io("lock", &path)(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(StartError::io("write", &path))?;
    Ok(file)
}

/// Takes the lock that the server's processes share. If an earlier server still has it, its starter
/// was killed and it is shutting down: this waits for it.
pub(crate) fn wait_for_server(data_dir: &Path, deadline: Deadline) -> Result<File, StartError> {
    let path = data_dir.join(SERVER_LOCK);
    let file = open_lock_file(&path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(StartError::io("lock", &path)(error)),
            Err(TryLockError::WouldBlock) if deadline.has_passed() => {
                return Err(timed_out(data_dir, "the stop of the server before", deadline));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(POLL),
        }
    }
}
