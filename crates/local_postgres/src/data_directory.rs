//! The folder that a local server keeps everything in:
//!
//! ```text
//! keyward.lock   held by the process that uses the folder; holds that process's id
//! server.lock    held by the server's own processes: free means that none is left
//! postgres/      the database files (PGDATA)
//! socket/        the server's only socket, in a folder that no other user can enter
//! postgres.log   what `initdb` and the server said since the last start
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, thread};

use crate::locks;
use crate::log;
use crate::programs::Programs;
use crate::server_user::ServerUser;
use crate::socket_dir::SocketDir;
use crate::{Deadline, Options, POLL, StartError};

/// A data directory that is ours to start a server on: locked, and with database files in it.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    programs: Programs,
    user: ServerUser,
    socket_dir: SocketDir,
    deadline: Deadline,
    /// Ours alone, so that a second process on the same folder is told at once.
    in_use: File,
    /// Every process of the server inherits this one, and the lock lasts until the last of them
    /// has ended. So nobody starts on top of a server whose starter was killed a moment ago.
    server_lock: File,
}

impl DataDirectory {
    /// Makes the folder if need be, locks it, waits until no earlier server is left on it, and
    /// makes the database files if there are none.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn prepare(options: &Options<'_>) -> Result<Self, StartError> {
        let deadline = Deadline::in_(options.start_timeout);
        let programs = Programs::find()?;
        let user = ServerUser::choose()?;
        let path = std::path::absolute(&options.data_dir).map_err(StartError::io("find", &options.data_dir))?;

        // The server's user has to pass through to its own two folders, but not to look around.
        let mode = if user.is_ourselves() { 0o700 } else { 0o711 };
        DirBuilder::new().recursive(true).mode(mode).create(&path).map_err(StartError::io("make", &path))?;
        user.check_can_reach(&path)?;

        let in_use = locks::take_for_us(&path)?;
        let server_lock = locks::wait_for_server(&path, deadline)?;
        let socket_dir = SocketDir::prepare(&path, &user)?;
        let directory = Self { path, programs, user, socket_dir, deadline, in_use, server_lock };
        log::start_new(&directory.path)?;
        if directory.data().exists() {
            directory.check_version()?;
            directory.remove_stale_pid_files()?;
        } else {
            let durable = !options.settings.contains(&("fsync", "off"));
            directory.make_database_files(durable)?;
        }
        Ok(directory)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connection URL of a database on the server.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.socket_dir.url(database)
    }

    /// The same of a server that somebody else runs on the data directory `path`; `None` when none runs there.
    #[must_use]
    pub fn url_of_running(path: &Path, database: &str) -> Option<String> {
        if !Self::is_in_use(path) {
            return None;
        }
        // The fifth line is the folder of its socket, which may be outside of the directory.
        let pid_file = fs::read_to_string(path.join("postgres/postmaster.pid")).ok()?;
        Some(SocketDir::existing(pid_file.lines().nth(4)?).url(database))
    }

    /// The server's process id as its pid file states it: there while it runs, and after a crash.
    #[must_use]
    pub fn server_pid(&self) -> Option<u32> {
        let pid_file = fs::read_to_string(self.pid_file()).ok()?;
        pid_file.lines().next()?.trim().parse().ok()
    }

    /// Whether any process is using the data directory `path`, be it a server that has outlived
    /// its starter.
    #[must_use]
    pub fn is_in_use(path: &Path) -> bool {
        locks::server_is_alive(path)
    }

    /// Runs the shell script `script` in this folder, as the server's user and in a process group
    /// of its own (a Ctrl-C at the terminal must not reach the server before us). The script's
    /// arguments, `"$@"`, are the command line of the server.
    ///
    /// # Errors
    /// [`StartError::Io`] when there is no `/bin/sh`.
    pub fn spawn_server(&self, script: &str, stdin: Stdio, settings: &[(&str, &str)]) -> Result<Child, StartError> {
        let shell = Path::new("/bin/sh");
        let mut command = self.command(shell)?;
        // The word after the script is its name (`$0`), for whoever reads the process list.
        command.arg("-c").arg(script).arg("keyward-postgres");
        command.arg(self.programs.path("postgres"));
        command.arg("-D").arg(self.data());
        for (name, value) in settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // After the settings, for the last one wins: no network port, only our socket.
        command.args(["-c", "listen_addresses="]);
        command.args(self.socket_dir.server_arguments());
        // Standard output carries the lock: whoever has it open holds it. The server logs to
        // standard error only.
        let lock = self.server_lock.try_clone();
        command.stdout(lock.map_err(StartError::io("share the lock in", &self.path))?);
        command.stdin(stdin).spawn().map_err(StartError::io("run", shell))
    }

    /// Waits until the server run by `shell` accepts connections. Its pid file's eighth line says
    /// so; trying to connect would need a client, and fill the log with failed attempts.
    ///
    /// # Errors
    /// [`StartError::Failed`], [`StartError::TimedOut`]
    pub fn wait_until_ready(&self, shell: &mut Child) -> Result<(), StartError> {
        loop {
            let pid_file = fs::read_to_string(self.pid_file()).unwrap_or_default();
            if pid_file.lines().nth(7).map(str::trim) == Some("ready") {
                return Ok(());
            }
            if let Ok(Some(status)) = shell.try_wait() {
                return Err(log::failed(&self.path, "postgres", status.to_string()));
            }
            if self.deadline.has_passed() {
                return Err(log::timed_out(&self.path, "the server's start", self.deadline));
            }
            thread::sleep(POLL);
        }
    }

    /// Removes the socket's folder if that is outside this one. To be called once the server has
    /// ended; a failure is harmless, as the next start uses the folder again.
    pub(crate) fn remove_outside_socket_dir(&self) {
        self.socket_dir.remove_if_outside();
    }

    fn data(&self) -> PathBuf {
        self.path.join("postgres")
    }

    fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    /// A command that runs as the server's user with its output in our log.
    fn command(&self, program: &Path) -> Result<Command, StartError> {
        let path = log::path(&self.path);
        let log = File::options().append(true).open(&path);
        let log = log.map_err(StartError::io("open", &path))?;
        let mut command = Command::new(program);
        self.user.become_in(&mut command);
        // The user may have no access to our working directory, which initdb insists on.
        command.current_dir(&self.path).process_group(0);
        // PGPORT, PGDATA and the like are meant for other servers. macOS needs a plain locale.
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").env("TZ", "UTC");
        command.stderr(log);
        Ok(command)
    }

    fn check_version(&self) -> Result<(), StartError> {
        let file = self.data().join("PG_VERSION");
        let theirs = fs::read_to_string(&file).map_err(StartError::io("read", &file))?;
        let ours = self.programs.major_version()?;
        if theirs.trim() == ours {
            return Ok(());
        }
        Err(StartError::OtherMajorVersion {
            data: self.data(),
            theirs: theirs.trim().to_owned(),
            bin_dir: self.programs.bin_dir().to_owned(),
            ours,
        })
    }

    /// PostgreSQL ignores the pid file of a killed server, unless that process id is somebody
    /// else's by now, which is likely in a container. The lock tells us that no server is left.
    fn remove_stale_pid_files(&self) -> Result<(), StartError> {
        for file in [self.pid_file(), self.socket_dir.lock_file()] {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StartError::io("remove", &file)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs `initdb` on a folder beside the final one, which gets its name when it is complete: a
    /// first start that is killed half-way leaves nothing that the next one could mistake for data.
    fn make_database_files(&self, durable: bool) -> Result<(), StartError> {
        let new = self.path.join("postgres.new");
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StartError::io("remove", &new)(error));
            }
            _ => {}
        }
        self.user.make_private_folder(&new)?;

        let initdb = self.programs.path("initdb");
        let mut command = self.command(&initdb)?;
        command
            .args(["-U", "postgres", "--auth-local=trust", "--auth-host=reject"])
            .args(["-E", "UTF8", "--locale=C", "-D"])
            .arg(&new);
        if !durable {
            command.arg("--no-sync");
        }
        // Holding the lock even if we are killed meanwhile; initdb reads no input.
        let lock = self.server_lock.try_clone();
        command.stdin(lock.map_err(StartError::io("share the lock in", &self.path))?);
        command.stdout(Stdio::null());
        let child = command.spawn().map_err(StartError::io("run", &initdb))?;
        self.wait_for_initdb(child)?;

        fs::rename(&new, self.data()).map_err(StartError::io("rename", &new))?;
        // A folder's new name is on disk only once the folder above it is.
        let sync = File::open(&self.path).and_then(|folder| folder.sync_all());
        sync.map_err(StartError::io("sync", &self.path))
    }

    fn wait_for_initdb(&self, mut child: Child) -> Result<(), StartError> {
        loop {
            let ended = child.try_wait();
            match ended.map_err(StartError::io("wait for", Path::new("initdb")))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(log::failed(&self.path, "initdb", status.to_string())),
                None if self.deadline.has_passed() => {
                    // What it leaves behind is removed by the next start. If it can't be killed,
                    // it still holds the lock, and the next start waits for it.
                    let _ = child.kill();
                    return Err(log::timed_out(&self.path, "initdb", self.deadline));
                }
                None => thread::sleep(POLL),
            }
        }
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        // Closing the file would not do: a process that another thread is just starting may have
        // a copy of it for a moment, and whoever starts here next would be turned away.
        let _ = self.in_use.unlock();
    }
}
