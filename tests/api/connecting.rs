//! What `keyward` says, and does, when there is no way to its database: the cause, the setting that holds it, and what
//! to do, each once. What may heal is waited for, alive and not ready; what can't ends the start.

use std::process::{Child, Stdio};
use std::sync::Arc;

use test_support::{
    PrivateCluster, TestDatabase, client,
    database::execute,
    eventually,
    program::run_beside,
    replica::{Output, Replica, command, exit_code},
    unique,
};
use tokio::net::TcpListener;

/// A `keyward serve` that may never get its database. It is killed when dropped.
pub(crate) struct Waiting {
    process: Child,
    output: Arc<Output>,
    port: u16,
}

impl Waiting {
    pub(crate) async fn serve(url: &str, env: &[(&str, &str)]) -> Self {
        let port = free_port().await;
        let mut serve = command();
        serve.arg("serve").env("DATABASE_URL", url).env("KEYWARD__SERVER__PORT", port.to_string());
        serve.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = serve.spawn().expect("keyward starts");
        let output = Output::collect(&mut process);
        Self { process, output, port }
    }

    async fn status(&self, path: &str) -> Option<u16> {
        let answer = client::get(format!("http://127.0.0.1:{}{path}", self.port)).await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// Alive, unready, and answering; and it has said `what` once.
    pub(crate) async fn waits_saying(&self, what: &str) {
        let line = self.output.line_with("waiting for the database").await;
        assert!(line.contains(what), "{line}");
        eventually("life", async || self.status("/healthz").await == Some(200)).await;
        assert_eq!(self.status("/readyz").await, Some(503));
        assert_eq!(self.status("/api/protected-resource").await, Some(403));
    }

    pub(crate) async fn becomes_ready(&self) {
        self.output.line_with("Server running on port ").await;
        eventually("readiness", async || self.status("/readyz").await == Some(200)).await;
        let over = self.output.line_with("the database answers").await;
        assert!(over.contains("lasted_ms"), "{over}");
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address").port()
}

/// How a start ends that can't succeed: at once, and not after `database.connect_timeout`.
async fn refused(env: &[(&str, &str)]) -> String {
    let mut serve = command();
    serve.arg("serve").envs(env.iter().copied()).env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "1m");
    run_beside(serve).await.failed()
}

/// `what` stands there, and nothing is said twice.
#[track_caller]
fn says_once(message: &str, what: &[&str]) {
    for text in what {
        assert_eq!(message.matches(text).count(), 1, "{text:?} in:\n{message}");
    }
    assert_eq!(message.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

/// The URL of the tests' server, for another role or database.
fn with(url: &str, from: &str, to: &str) -> String {
    let changed = url.replacen(from, to, 1);
    assert_ne!(url, changed);
    changed
}

#[tokio::test]
async fn a_start_without_the_database_stays_alive_and_unready_and_serves_when_it_comes() {
    let mut cluster = PrivateCluster::start().await;
    let url = cluster.url("postgres");
    cluster.stop().await;
    let waiting = Waiting::serve(&url, &[]).await;
    waiting.waits_saying("database.url: ").await;
    assert!(!waiting.output.text().contains("could not"), "{}", waiting.output.text());
    cluster.restart().await;
    waiting.becomes_ready().await;
}

#[tokio::test]
async fn a_host_that_refuses_connections_is_named_with_what_to_do_and_waited_for() {
    let waiting = Waiting::serve("postgres://keyward:hunter2hunter2@127.0.0.1:1/keyward", &[]).await;
    waiting.waits_saying("database.url: 127.0.0.1:1 refuses connections: nothing listens there. Start Postgres").await;
    assert!(!waiting.output.text().contains("hunter2"), "{}", waiting.output.text());
    assert!(!waiting.output.text().contains("pool timed out"), "{}", waiting.output.text());
}

#[tokio::test]
async fn a_stop_ends_a_start_that_waits_for_its_database() {
    let mut waiting = Waiting::serve("postgres://keyward@127.0.0.1:1/keyward", &[]).await;
    waiting.output.line_with("waiting for the database").await;
    test_support::replica::signal(waiting.process.id(), "TERM");
    assert_eq!(exit_code(&mut waiting.process, &waiting.output.clone()).await, Some(0));
}

#[tokio::test]
async fn a_command_waits_for_the_database_as_long_as_configured_and_then_says_why() {
    let mut migrate = command();
    migrate.arg("migrate").env("DATABASE_URL", "postgres://keyward:hunter2hunter2@127.0.0.1:1/keyward");
    migrate.env("KEYWARD__DATABASE__CONNECT_TIMEOUT", "300ms");
    let message = run_beside(migrate).await.failed();
    let message = &message[message.find("error: ").expect("an error")..];
    says_once(message, &["within 300ms", "127.0.0.1:1 refuses connections", "Start Postgres"]);
}

#[tokio::test]
async fn a_database_that_does_not_exist_ends_the_start_at_once() {
    let database = TestDatabase::create();
    let name = format!("t_{}_none", unique());
    let (_, own) = test_support::server_socket(database.url());
    let url = with(database.url(), &format!("/{own}"), &format!("/{name}"));
    let message = refused(&[("DATABASE_URL", &url)]).await;
    says_once(&message, &["database.url: ", &format!("has no database {name}"), "CREATE DATABASE"]);
}

#[tokio::test]
async fn a_role_that_does_not_exist_ends_the_start_at_once() {
    let database = TestDatabase::create();
    let url = with(database.url(), "postgres@", "nobody_of_this_name@");
    let message = refused(&[("DATABASE_URL", &url)]).await;
    says_once(&message, &["database.url: ", "the role nobody_of_this_name", "Create the role"]);
}

#[tokio::test]
async fn a_wrong_password_ends_the_start_at_once_and_the_setting_that_holds_it_is_named() {
    let cluster = PrivateCluster::start().await;
    let url = cluster.url("postgres");
    execute(&url, "CREATE ROLE keyward LOGIN PASSWORD 'right'").await.expect("a role");
    cluster.demand_passwords().await;
    let in_url = with(&url, "postgres@", "keyward:hunter2@");
    let message = refused(&[("DATABASE_URL", &in_url)]).await;
    says_once(&message, &["database.url: ", "refuses the password of the role keyward", "or the role does not exist"]);
    let without = with(&url, "postgres@", "keyward@");
    let message = refused(&[("DATABASE_URL", &without), ("KEYWARD__DATABASE__PASSWORD", "hunter2")]).await;
    says_once(&message, &["database.password: ", "refuses the password of the role keyward"]);
    // None at all, of either role.
    let message = refused(&[("DATABASE_URL", &without)]).await;
    says_once(
        &message,
        &[
            "database.password: ",
            "demands a password of the role keyward, and none is given. Set KEYWARD__DATABASE__PASSWORD or \
             KEYWARD__DATABASE__PASSWORD_FILE in the environment",
        ],
    );
    // A bad one of the role that owns the tables is that setting's.
    let good =
        [("DATABASE_URL", &*with(&url, "postgres@", "keyward:right@")), ("KEYWARD__DATABASE__MIGRATE_URL", &in_url)];
    let message = refused(&good).await;
    says_once(&message, &["database.migrate_url: ", "refuses the password of the role keyward"]);
}

#[tokio::test]
async fn a_role_without_rights_ends_the_start_at_once_with_one_sentence() {
    let database = TestDatabase::empty().await;
    let role = format!("r_{}", unique());
    execute(database.url(), &format!("CREATE ROLE {role} LOGIN")).await.expect("a role");
    let url = with(database.url(), "postgres@", &format!("{role}@"));
    let message = refused(&[("DATABASE_URL", &url)]).await;
    says_once(
        &message,
        &[
            "database.url: ",
            &format!("the role {role} lacks a privilege: "),
            "permission denied",
            "database.migrate_url",
        ],
    );

    let migrated = TestDatabase::create();
    let url = with(migrated.url(), "postgres@", &format!("{role}@"));
    let message = refused(&[("DATABASE_URL", &url), ("KEYWARD__DATABASE__MIGRATE_ON_START", "false")]).await;
    says_once(&message, &["database.url: ", &format!("the role {role} "), "database.migrate_url"]);
    drop((database, migrated));
    let admin = TestDatabase::create();
    execute(admin.url(), &format!("DROP ROLE {role}")).await.expect("the role goes");
}

/// As a role that was made to replace another: `grant_to_service` gives it rights in the database, and not to connect.
#[tokio::test]
async fn a_role_that_may_not_connect_to_the_database_is_told_the_statement_that_lets_it() {
    let database = TestDatabase::create();
    let role = format!("r_{}-b", unique());
    let (_, own) = test_support::server_socket(database.url());
    execute(database.url(), &format!("CREATE ROLE \"{role}\" LOGIN")).await.expect("a role");
    execute(database.url(), &format!("REVOKE CONNECT ON DATABASE {own} FROM PUBLIC")).await.expect("revoked");
    execute(database.url(), &format!("SELECT grant_to_service('{role}')")).await.expect("granted");
    let url = with(database.url(), "postgres@", &format!("{role}@"));
    let grant = format!("GRANT CONNECT ON DATABASE \"{own}\" TO \"{role}\"");
    let message = refused(&[("DATABASE_URL", &url)]).await;
    says_once(
        &message,
        &["database.url: ", &format!("does not let the role {role} connect to the database {own}"), &grant],
    );
    let (findings, _) = crate::doctor_command::examined(&url, &[]).await;
    let found = crate::doctor_command::in_state(&findings, "database", "failed");
    assert!(found[0]["remedy"].as_str().is_some_and(|remedy| remedy.ends_with(&grant)), "{findings:#?}");
    execute(database.url(), &grant).await.expect("what it says");
    let replica = Replica::start_on(&url, &[("KEYWARD__DATABASE__MIGRATE_ON_START", "false")]).await;
    drop(replica);
    execute(database.url(), &format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await.expect("the role goes");
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused_with_the_reason() {
    let database = TestDatabase::create();
    let name = format!("t_{}_latin1", unique());
    let (_, own) = test_support::server_socket(database.url());
    let create = format!("CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    execute(database.url(), &create).await.expect("a database");
    let url = with(database.url(), &format!("/{own}"), &format!("/{name}"));
    let message = refused(&[("DATABASE_URL", &url)]).await;
    says_once(&message, &["database.url: ", "not encoded in UTF8", "CREATE DATABASE"]);
    execute(database.url(), &format!("DROP DATABASE {name} WITH (FORCE)")).await.expect("it goes");
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_told_with_its_setting() {
    for (setting, variable) in [
        ("database.url", "DATABASE_URL"),
        ("database.listen_url", "KEYWARD__DATABASE__LISTEN_URL"),
        ("database.migrate_url", "KEYWARD__DATABASE__MIGRATE_URL"),
    ] {
        for (url, problem) in [
            ("postgres://u:hunter2#2@h/d", "%23"),
            ("postgres://u:hunter2/2@h/d", "%2F"),
            ("postgres://u:hunter2?2@h/d", "%3F"),
            ("postgres://u:hunter2%@h/d", "%25"),
            ("postgres://u@h/d?sslmode=typo", "sslmode"),
            ("postgres://u@h/d?ssl_mode=require", "parameter"),
            ("postgres://u@::1/d", "[::1]"),
            ("postgres://u@h:99999/d", "port"),
            ("postgres://u@a,b/d?target_session_attrs=standby", "target_session_attrs"),
        ] {
            let good = ("DATABASE_URL", "postgres://u@h/d");
            let message = refused(&[good, (variable, url)]).await;
            assert!(message.contains(setting) && message.contains(problem), "{url}: {message}");
            assert_eq!(message.trim_end().lines().count(), 1, "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}

#[tokio::test]
async fn what_closes_connections_at_once_is_named_and_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let closing = tokio::spawn(async move {
        loop {
            let Ok(client) = listener.accept().await else { return };
            drop(client);
        }
    });
    let waiting = Waiting::serve(&format!("postgres://u@127.0.0.1:{port}/d?sslmode=disable"), &[]).await;
    waiting.waits_saying(&format!("database.url: 127.0.0.1:{port} closed the connection immediately")).await;
    closing.abort();
}

#[tokio::test]
async fn ipv6_addresses_work() {
    let cluster = PrivateCluster::start().await;
    let port = free_port().await;
    let proxy = Proxy::between(&format!("[::1]:{port}"), &cluster.url("postgres")).await;
    // A machine without IPv6 has nothing to test here.
    let Some(_proxy) = proxy else { return };
    let replica = Replica::start_on(&format!("postgres://postgres@[::1]:{port}/postgres?sslmode=disable"), &[]).await;
    assert_eq!(client::get(replica.url("/readyz")).await.expect("an answer").status(), 200);
}

/// Nobody listens at the first, the second is a standby at first, and the third the primary.
#[tokio::test]
async fn of_several_hosts_the_primary_is_taken_and_another_one_when_that_takes_its_place() {
    let mut primary = PrivateCluster::start().await;
    primary.create_migrated_database("keyward").await;
    let standby = primary.start_standby().await;
    let folder = |cluster: &PrivateCluster| {
        let (socket, _) = test_support::server_socket(&cluster.url("keyward"));
        socket.parent().expect("a folder").display().to_string()
    };
    let hosts = format!(
        "postgres:///keyward?user=postgres&host=127.0.0.1,{},{}&port=1,5432,5432&target_session_attrs=read-write",
        folder(&standby),
        folder(&primary)
    );
    let replica = Replica::start_on(&hosts, &[test_support::asking::SHORT_LEASE]).await;
    let alice = test_support::actors::Person::named("alice");
    let holder = alice.makes_a_key(&replica).await;
    assert_eq!(holder.asks_for_the_resource(&replica).await.status(), 200);
    standby.catch_up(&primary).await;
    primary.kill9();
    standby.promote().await;
    eventually("the new primary", async || {
        let made = test_support::actors::stranger(&replica, reqwest::Method::POST, test_support::actors::CREATE)
            .bearer_auth(&alice.token);
        made.send().await.expect("an answer").status() == 201
    })
    .await;
    assert_eq!(holder.asks_for_the_resource(&replica).await.status(), 200);
    replica.prints("the LISTEN connection is restored").await;
}

/// Passes bytes on to a server that listens on a socket alone.
struct Proxy(tokio::task::JoinHandle<()>);

impl Proxy {
    async fn between(address: &str, url: &str) -> Option<Self> {
        let listener = TcpListener::bind(address).await.ok()?;
        let (socket, _) = test_support::server_socket(url);
        Some(Self(tokio::spawn(async move {
            loop {
                let Ok((mut client, _)) = listener.accept().await else { return };
                let Ok(mut server) = tokio::net::UnixStream::connect(&socket).await else { continue };
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        })))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}
