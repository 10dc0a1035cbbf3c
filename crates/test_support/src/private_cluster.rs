//! A PostgreSQL server for a single test, which may kill, pause and restart it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keyward_local_postgres::{LocalPostgres, Options};

use crate::cluster::Cluster;
use crate::database::{execute, migrate};
use crate::eventually;

/// Unlike the shared cluster it has `synchronous_commit` on: what was acknowledged must survive the
/// server's being killed. It need not survive the machine's, so `fsync` is off all the same.
const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("dynamic_shared_memory_type", "mmap"),
    ("max_wal_size", "128MB"),
    ("min_wal_size", "32MB"),
];

/// A server of one's own. It stops with this value, and with the process however that ends; its
/// files go with it, or at the latest with the shared cluster, in whose folder they are.
#[derive(Debug)]
pub struct PrivateCluster {
    folder: PathBuf,
    /// `None` while it is stopped.
    server: Option<LocalPostgres>,
    /// Killed, and not started again since.
    was_killed: bool,
    /// Of the database `postgres`; the same after each restart.
    url: String,
}

impl PrivateCluster {
    /// Starts one with no database but `postgres`.
    pub async fn start() -> Self {
        blocking(|| {
            let folder = Cluster::get().new_folder();
            Self::start_in(folder.unwrap_or_else(|error| panic!("{error}")))
        })
        .await
    }

    /// Starts one on what is in a folder of ours. Blocks.
    pub(crate) fn start_in(folder: PathBuf) -> Self {
        let server = start_on(&folder);
        Self { url: server.url("postgres"), server: Some(server), was_killed: false, folder }
    }

    /// The URL of one of its databases, whether the server runs or not.
    pub fn url(&self, database: &str) -> String {
        self.url.replacen("/postgres?", &format!("/{database}?"), 1)
    }

    /// Makes a database with all migrations applied, and returns its URL.
    pub async fn create_migrated_database(&self, name: &str) -> String {
        execute(&self.url, &format!("CREATE DATABASE {name}")).await.expect("making the database failed");
        let url = self.url(name);
        migrate(&url).await.expect("migrating the database failed");
        url
    }

    /// Kills all processes of the server, as a crash of the machine would, and waits until they
    /// are gone. Connections break; new ones are refused.
    pub fn kill9(&mut self) {
        let server = self.server.take().expect("the server is running");
        // The first one is stopped before the others are listed: then it can't start any more.
        let postmaster = postmaster(&server);
        signal("STOP", &[postmaster]);
        let mut all = children_of(postmaster);
        all.push(postmaster);
        signal("KILL", &all);
        // Finds the server gone, and waits for the shell that it ran in.
        drop(server);
        self.was_killed = true;
    }

    /// Lets the server freeze: connections stay, nothing is answered, new ones hang.
    pub fn pause(&self) {
        let postmaster = self.postmaster();
        signal("STOP", &[postmaster]);
        signal("STOP", &children_of(postmaster));
    }

    /// Ends [`PrivateCluster::pause`].
    pub fn resume(&self) {
        let postmaster = self.postmaster();
        signal("CONT", &children_of(postmaster));
        signal("CONT", &[postmaster]);
    }

    /// Shuts the server down cleanly; its data stays for [`PrivateCluster::restart`].
    pub async fn stop(&mut self) {
        let server = self.server.take().expect("the server is running");
        blocking(|| server.stop()).await.expect("the server stops");
    }

    /// Starts the server again on its data, after a shutdown if it runs. The URLs stay the same.
    pub async fn restart(&mut self) {
        if self.server.is_some() {
            self.stop().await;
        }
        let folder = self.folder.clone();
        self.server = Some(blocking(move || start_on(&folder)).await);
        self.was_killed = false;
    }

    /// From now on every role but `postgres` has to show its password.
    pub async fn demand_passwords(&self) {
        let rules = "local all postgres trust\nlocal all all scram-sha-256\n";
        fs::write(self.folder.join("postgres/pg_hba.conf"), rules).expect("the server's rules can be written");
        execute(&self.url, "SELECT pg_reload_conf()").await.expect("the server reads its rules");
        let stranger = self.url.replacen("postgres@", "nobody@", 1);
        eventually("strangers are asked for a password", async || {
            execute(&stranger, "SELECT 1").await.is_err_and(|error| error.to_string().contains("password"))
        })
        .await;
    }

    fn postmaster(&self) -> u32 {
        postmaster(self.server.as_ref().expect("the server is running"))
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        match &self.server {
            // A paused server can't stop.
            Some(server) if server.server_pid().is_some() => self.resume(),
            // Only its next start frees the system's shared memory of a server that was killed.
            None if self.was_killed => drop(LocalPostgres::start(&options(&self.folder))),
            _ => {}
        }
        self.server = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn options(folder: &Path) -> Options<'static> {
    Options {
        settings: &SETTINGS,
        // Short, for a test that is killed while the server is paused.
        stop_timeout: Duration::from_secs(5),
        ..Options::new(folder)
    }
}

fn start_on(folder: &Path) -> LocalPostgres {
    LocalPostgres::start(&options(folder)).unwrap_or_else(|error| panic!("{error}"))
}

/// Keeps the test's own runtime going meanwhile.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.expect("the private server failed")
}

fn postmaster(server: &LocalPostgres) -> u32 {
    server.server_pid().expect("the server has a pid file")
}

fn children_of(parent: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let output = output.expect("the program `ps` (Debian: apt-get install procps)");
    let mut children = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut columns = line.split_whitespace().map(str::parse);
        if let (Some(Ok(child)), Some(Ok(of))) = (columns.next(), columns.next())
            && of == parent
        {
            children.push(child);
        }
    }
    children
}

/// A process that is gone already is fine.
fn signal(name: &str, processes: &[u32]) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "kill -s \"$@\" 2>/dev/null || true", "kill", name]);
    command.args(processes.iter().map(u32::to_string));
    command.status().expect("there is a /bin/sh");
}
