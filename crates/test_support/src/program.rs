//! `keyward` as a command that ends by itself.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{PATIENCE, memory_or_disk, unique};

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Its standard output, if it succeeded.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// Its standard error, if it failed as a program should: with the code 1, and not by a panic.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{self:#?}");
        assert!(self.stderr.starts_with("error: ") || self.stderr.contains("\nerror: "), "{self:#?}");
        self.stderr
    }
}

/// `keyward` with nothing in its environment but where programs are.
pub fn bare() -> Command {
    let mut command = Command::new(crate::keyward());
    command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
    command
}

/// Runs a command to its end, which must come.
pub fn run(command: &mut Command) -> Ended {
    run_fed(command, "")
}

/// The same with a text on its standard input.
pub fn run_fed(command: &mut Command, input: &str) -> Ended {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A command that reads nothing may have ended before.
    let _ = process.stdin.take().expect("piped").write_all(input.as_bytes());
    let stdout = read(process.stdout.take().expect("piped"));
    let stderr = read(process.stderr.take().expect("piped"));
    let give_up = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = process.try_wait().expect("the process can be asked") {
            break Some(status);
        }
        if Instant::now() > give_up {
            let _ = process.kill();
            let _ = process.wait();
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().expect("the output was read")).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    let status = status.unwrap_or_else(|| panic!("{command:?} did not end; it printed:\n{stdout}{stderr}"));
    Ended { code: status.code(), stdout, stderr }
}

/// The same, out of the way of the test's runtime.
pub async fn run_beside(mut command: Command) -> Ended {
    tokio::task::spawn_blocking(move || run(&mut command)).await.expect("the command ended")
}

fn read(mut source: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        bytes
    })
}

/// A folder of the test's own, removed at its end. Everyone may pass through it, as the embedded
/// server must where we are root.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = memory_or_disk().join(format!("keyward-test-{}", unique()));
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it, and gives its path as text.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).expect("the file is written");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
