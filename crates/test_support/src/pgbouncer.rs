//! A PgBouncer in front of a test's server.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use keyward_local_postgres::server_user::ServerUser;
use tokio::net::{TcpListener, TcpStream};

use crate::{database::server_socket, eventually, replica::signal, unique};

/// The first version that keeps prepared statements.
const KEEPS_STATEMENTS: (u32, u32) = (1, 21);

/// What the machine has of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    pub keeps_statements: bool,
}

impl Program {
    /// One of these, or none: `scripts/pgbouncer.sh` builds what the machine has not.
    pub fn all() -> Vec<Self> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(target).join("pgbouncer/pgbouncer");
        let installed = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];
        let paths = installed.into_iter().map(PathBuf::from).chain([ours]).filter(|path| path.exists());
        let programs: Vec<_> = paths.map(|path| Self { keeps_statements: keeps_statements(&path), path }).collect();
        let is_required = env::var_os("KEYWARD_REQUIRE_GATEWAYS").is_some();
        let is_there = programs.iter().any(|program| program.keeps_statements);
        assert!(is_there || !is_required, "PgBouncer 1.21 or later is missing: scripts/pgbouncer.sh");
        programs
    }

    /// One that keeps prepared statements.
    pub fn that_keeps_statements() -> Option<Self> {
        Self::all().into_iter().find(|program| program.keeps_statements)
    }
}

fn keeps_statements(path: &Path) -> bool {
    let output = Command::new(path).arg("--version").output().expect("pgbouncer runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let version = text.lines().next().and_then(|line| line.strip_prefix("PgBouncer ")).expect("a version");
    let mut parts = version.split('.').map(|part| part.parse().expect("a number"));
    (parts.next().expect("a major"), parts.next().expect("a minor")) >= KEEPS_STATEMENTS
}

/// PgBouncer in front of a server, killed when dropped. All its clients are the superuser there.
pub struct PgBouncer {
    process: Child,
    port: u16,
    /// The settings that always hold.
    fixed: String,
    file: PathBuf,
}

impl PgBouncer {
    /// In front of the server that has the database at `url`, with further lines of settings.
    pub async fn before(program: &Program, url: &str, settings: &str) -> Self {
        let (socket, _) = server_socket(url);
        let name = socket.file_name().expect("a name").to_string_lossy().into_owned();
        let (_, port) = name.rsplit_once('.').expect("the port is the extension");
        let folder = socket.parent().expect("a folder").display().to_string();
        Self::start(program, &folder, port, settings).await
    }

    /// In front of what is at this port of this machine.
    pub async fn before_port(program: &Program, port: u16, settings: &str) -> Self {
        Self::start(program, "127.0.0.1", &port.to_string(), settings).await
    }

    async fn start(program: &Program, host: &str, its_port: &str, settings: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let fixed = format!(
            "[databases]\n* = host={host} port={its_port} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\nserver_login_retry = 1\n",
        );
        let file = env::temp_dir().join(format!("keyward-pgbouncer-{}.ini", unique()));
        fs::write(&file, format!("{fixed}{settings}\n")).expect("a file is written");
        let mut command = Command::new(&program.path);
        command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        ServerUser::choose().expect("a user").become_in(&mut command);
        let process = command.spawn().expect("pgbouncer starts");
        let pooler = Self { process, port, fixed, file };
        eventually("pgbouncer", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        pooler
    }

    /// The address of this database through it.
    pub fn url(&self, database_url: &str) -> String {
        let (_, name) = server_socket(database_url);
        format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", self.port)
    }

    /// Reads its settings again, of which these are new.
    pub fn reload(&self, settings: &str) {
        fs::write(&self.file, format!("{}{settings}\n", self.fixed)).expect("a file is written");
        signal(self.process.id(), "HUP");
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.file);
    }
}

/// The settings of a replica behind a pooler, with the address past it.
pub fn pooled<'a>(url: &'a str, past: &'a str) -> [(&'static str, &'a str); 3] {
    [("DATABASE_URL", url), ("KEYWARD__DATABASE__LISTEN_URL", past), ("KEYWARD__DATABASE__POOLER", "transaction")]
}
