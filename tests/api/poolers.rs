//! A pooler between Keyward and its database.

use std::{
    env, fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use keyward_local_postgres::server_user::ServerUser;
use test_support::{PrivateCluster, eventually, program::run_beside, replica::command, superuser_pool, unique};
use tokio::net::{TcpListener, TcpStream};

/// PgBouncer in front of a server, killed when dropped.
struct PgBouncer {
    process: Child,
    port: u16,
}

impl PgBouncer {
    /// `None` where there is no such program.
    async fn before(cluster: &PrivateCluster, more: &str) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];
        let Some(program) = program.iter().find(|path| Path::new(path).exists()) else {
            assert!(env::var_os("KEYWARD_REQUIRE_GATEWAYS").is_none(), "pgbouncer is missing");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let pool = superuser_pool(&cluster.url("postgres")).await;
        let shown = async |setting: &str| -> String {
            let show = sqlx::query_scalar("SELECT current_setting($1)").bind(setting.to_owned());
            show.fetch_one(&pool).await.expect("a setting")
        };
        let (socket, its_port) = (shown("unix_socket_directories").await, shown("port").await);
        // Paths in that list are quoted where they hold more than letters.
        let socket = socket.trim_matches('"');
        let file = env::temp_dir().join(format!("keyward-pgbouncer-{}.ini", unique()));
        let settings = format!(
            "[databases]\n* = host={socket} port={its_port} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\n{more}\n",
        );
        fs::write(&file, settings).expect("a file is written");
        let mut command = Command::new(program);
        command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        ServerUser::choose().expect("a user").become_in(&mut command);
        let process = command.spawn().expect("pgbouncer starts");
        let pooler = Self { process, port };
        eventually("pgbouncer", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        let _ = fs::remove_file(file);
        Some(pooler)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn behind_pgbouncer_nothing_starts_and_the_reason_is_told() {
    let cluster = PrivateCluster::start().await;
    for (more, reason) in [
        ("pool_mode = session", "is a pooler that rejects Keyward's session settings"),
        ("pool_mode = transaction", "is a pooler that rejects Keyward's session settings"),
        (
            "pool_mode = session\nignore_startup_parameters = options,extra_float_digits",
            "Keyward's session settings did not arrive",
        ),
        (
            "pool_mode = transaction\nignore_startup_parameters = options,extra_float_digits",
            "Keyward's session settings did not arrive",
        ),
    ] {
        let Some(pooler) = PgBouncer::before(&cluster, more).await else { return };
        let mut serve = command();
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", pooler.port);
        serve.arg("serve").env("DATABASE_URL", url).env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "1m");
        let said = tokio::time::timeout(Duration::from_secs(60), run_beside(serve)).await.expect("an end").failed();
        assert!(said.contains(reason) && said.contains("database.url"), "{more}: {said}");
    }
}
