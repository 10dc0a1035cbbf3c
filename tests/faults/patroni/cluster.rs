//! Postgres on three machines under Patroni, with etcd on each of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use keyward_local_postgres::programs::Programs;
use sqlx::{Connection, PgConnection};
use test_support::{client::client, replica::signal, unique};

use super::network::{MACHINES, Network, address, inside, quietly};

pub(super) const DATABASE: &str = "keyward";

/// How long Patroni, with the shortest times that it allows, may take to replace a primary, and to take it in again.
const FAILOVER: Duration = Duration::from_secs(90);

/// The cluster. Its data is removed when dropped.
pub(super) struct Cluster {
    pub(super) network: Network,
    processes: Vec<Child>,
    folder: PathBuf,
}

impl Cluster {
    /// A cluster with a primary and a synchronous standby, and an empty database.
    pub(super) async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("keyward-failover-{}", unique()));
        fs::create_dir(&folder).expect("a folder");
        run(Command::new("chown").arg("postgres").arg(&folder));
        let mut cluster = Self { network: Network::build(), processes: Vec::new(), folder };
        for machine in 0..MACHINES {
            cluster.start_etcd(machine);
        }
        for machine in 0..MACHINES {
            cluster.start_patroni(machine);
        }
        // Not from the beginning: a server that waits for standbys before there are any can't be set up.
        cluster.until("there is a primary", async || cluster.primary().await.is_some()).await;
        let wait = serde_json::json!({ "synchronous_mode": true, "synchronous_mode_strict": true });
        let asked = client().patch(format!("http://{}:8008/config", address(0))).json(&wait);
        assert!(asked.send().await.expect("an answer").status().is_success());
        cluster.until_whole().await;
        let leader = cluster.primary().await.expect("a whole cluster has one");
        query::<String>(leader, "postgres", &format!("CREATE DATABASE {DATABASE}")).await.expect("a database");
        cluster
    }

    fn start_etcd(&mut self, machine: usize) {
        let own = address(machine);
        let peers: Vec<_> = (0..MACHINES).map(|peer| format!("etcd{peer}=http://{}:2380", address(peer))).collect();
        let mut etcd = inside(machine, "etcd");
        etcd.args(["--name", &format!("etcd{machine}"), "--initial-cluster", &peers.join(",")]);
        // Through the third version of its interface, Debian's Patroni (3.0) takes the leader's lock back after it has
        // lost it.
        etcd.arg("--enable-v2").arg("--data-dir").arg(self.folder.join(format!("etcd{machine}")));
        for (option, port) in [("listen-client-urls", 2379), ("advertise-client-urls", 2379)]
            .into_iter()
            .chain([("listen-peer-urls", 2380), ("initial-advertise-peer-urls", 2380)])
        {
            etcd.args([format!("--{option}"), format!("http://{own}:{port}")]);
        }
        self.spawn(etcd, &format!("etcd{machine}"));
    }

    fn start_patroni(&mut self, machine: usize) {
        let file = self.folder.join(format!("patroni{machine}.yml"));
        fs::write(&file, settings(machine, &self.folder)).expect("a file is written");
        let mut patroni = inside(machine, "setpriv");
        patroni.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "patroni"]).arg(file);
        self.spawn(patroni, &format!("patroni{machine}"));
    }

    fn spawn(&mut self, mut command: Command, name: &str) {
        let log = fs::File::create(self.folder.join(format!("{name}.log"))).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        self.processes.push(command.spawn().unwrap_or_else(|error| panic!("{name}: {error}")));
    }

    /// Waits until a primary commits, and both others follow it, one of them awaited.
    pub(super) async fn until_whole(&self) {
        const FOLLOWERS: &str = "SELECT count(*) = 2 AND bool_or(sync_state = 'sync') FROM pg_stat_replication
                                 WHERE state = 'streaming'";
        self.until("the cluster is whole", async || match self.primary().await {
            // Before Patroni knows which standby is synchronous, it starts a primary that is killed again.
            Some(primary) => {
                query(primary, "postgres", FOLLOWERS).await == Some(true)
                    && commits(primary).await
                    && self.first_that_is("synchronous").await.is_some()
            }
            None => false,
        })
        .await;
    }

    pub(super) async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let waiting = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(FAILOVER, waiting).await.is_err() {
            for machine in 0..MACHINES {
                let log = fs::read_to_string(self.folder.join(format!("patroni{machine}.log"))).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(15).collect();
                println!("patroni {machine}, newest first:\n{}", last.join("\n"));
            }
            panic!("not within {FAILOVER:?}: {what}");
        }
    }

    /// The machine with the leader, as Patroni has it; `None` while there is none.
    pub(super) async fn primary(&self) -> Option<usize> {
        self.first_that_is("primary").await
    }

    async fn first_that_is(&self, role: &str) -> Option<usize> {
        for machine in 0..MACHINES {
            let asked = client().get(format!("http://{}:8008/{role}", address(machine)));
            let answer = asked.timeout(Duration::from_millis(500)).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return Some(machine);
            }
        }
        None
    }

    /// Waits until another machine than this has a primary that commits.
    pub(super) async fn until_replaced(&self, old: usize) -> usize {
        let replaced = async || match self.primary().await {
            Some(primary) if primary != old => commits(primary).await.then_some(primary),
            _ => None,
        };
        self.until("another primary commits", async || replaced().await.is_some()).await;
        replaced().await.expect("it was there a moment ago")
    }

    pub(super) async fn switch_over(&self, from: usize) {
        let body = serde_json::json!({ "leader": format!("node{from}") });
        let asked = client().post(format!("http://{}:8008/switchover", address(from))).json(&body);
        let answer = asked.timeout(FAILOVER).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// Sends a signal to Postgres on this machine, to all its processes.
    pub(super) fn signal_postgres(&self, machine: usize, name: &str) {
        let data = self.folder.join(format!("data{machine}")).join("postmaster.pid");
        let file = fs::read_to_string(data).expect("it runs");
        let postmaster = file.lines().next().expect("a number").to_owned();
        let children = quietly(Command::new("pgrep").args(["--parent", &postmaster]));
        for pid in std::iter::once(postmaster.as_str()).chain(children.split_whitespace()) {
            // A child may have ended meanwhile.
            quietly(Command::new("kill").args([&format!("-{name}"), pid]));
        }
    }

    /// Sends a signal to Patroni on this machine, and to nothing that it has started.
    pub(super) fn signal_patroni(&self, machine: usize, name: &str) {
        // Whoever was started became it: `ip`, then `setpriv`.
        signal(self.processes[MACHINES + machine].id(), name);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        self.network.end();
        if std::thread::panicking() {
            println!("the logs are in {}", self.folder.display());
            return;
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a server commits as durably as a change needs.
async fn commits(machine: usize) -> bool {
    query::<String>(machine, "postgres", "SELECT pg_logical_emit_message(true, 'keyward', '')::text").await.is_some()
}

/// What a server says, if it says anything soon.
pub(super) async fn query<T>(machine: usize, database: &str, query: &str) -> Option<T>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin + Default,
{
    let url = format!("postgres://postgres@{}:5432/{database}?sslmode=disable", address(machine));
    let asked = async {
        let mut connection = PgConnection::connect(&url).await.ok()?;
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()));
        let row = query.fetch_optional(&mut connection).await.ok()?;
        let _ = connection.close().await;
        Some(row.unwrap_or_default())
    };
    tokio::time::timeout(Duration::from_secs(3), asked).await.ok().flatten()
}

/// Patroni as the documents recommend it, with the shortest times that it allows.
fn settings(machine: usize, folder: &Path) -> String {
    let own = address(machine);
    let hosts: Vec<_> = (0..MACHINES).map(|peer| format!("'{}:2379'", address(peer))).collect();
    let programs = Programs::find().unwrap_or_else(|error| panic!("{error}"));
    let (folder, hosts) = (folder.display(), hosts.join(", "));
    let postgres = programs.path("postgres");
    let bin_dir = postgres.parent().expect("a folder").display();
    format!(
        "scope: keyward
name: node{machine}
restapi: {{ listen: '{own}:8008', connect_address: '{own}:8008' }}
etcd: {{ hosts: [{hosts}] }}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    master_start_timeout: 0
    postgresql:
      use_pg_rewind: true
      parameters: {{ max_connections: 200, wal_log_hints: 'on' }}
  initdb: [{{ encoding: UTF8 }}, data-checksums]
  pg_hba:
    - local all all trust
    - host all all 10.77.0.0/24 trust
    - host replication all 10.77.0.0/24 trust
postgresql:
  listen: '{own}:5432'
  connect_address: '{own}:5432'
  data_dir: {folder}/data{machine}
  bin_dir: {bin_dir}
  pgpass: {folder}/pgpass{machine}
  authentication:
    superuser: {{ username: postgres, password: postgres }}
    replication: {{ username: replicator, password: replicator }}
  parameters: {{ unix_socket_directories: '' }}
",
    )
}

fn run(command: &mut Command) {
    assert!(command.status().expect("the program is installed").success(), "{command:?}");
}
