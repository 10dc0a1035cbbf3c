//! `keyward dev`: everything with nothing configured. Each start costs half a second, so there are few.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::commands::keyward;
use keyward_local_postgres::{StartError, data_directory::DataDirectory};
use reqwest::Method;
use test_support::{
    PATIENCE, TestDatabase,
    client::{self, request},
    database,
    program::{Folder, bare, run, run_beside},
    replica::{Output, Replica, command, signal},
    wait_until,
};

/// A running `keyward dev`. It is killed when dropped.
struct Dev {
    process: Child,
    output: Arc<Output>,
    data_dir: PathBuf,
}

impl Dev {
    fn command(data_dir: &Path) -> Command {
        let mut command = bare();
        command.args(["dev", "--data-dir"]).arg(data_dir).env("PORT", "0");
        command
    }

    /// Starts one that has a terminal's process group to itself, and waits for its welcome.
    async fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[]).await
    }

    /// The same with further environment variables.
    async fn start_with(data_dir: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = Self::command(data_dir);
        command.envs(env.iter().copied());
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("keyward starts");
        let output = Output::collect(&mut process);
        output.line_with("Ctrl-C stops everything").await;
        Self { process, output, data_dir: data_dir.to_owned() }
    }

    /// The lines of the welcome that are meant to be pasted.
    fn lines_to_paste(&self) -> Vec<String> {
        self.output.text().lines().filter(|line| line.contains("curl ")).map(|line| line.trim().to_owned()).collect()
    }

    /// `http://host:port`.
    fn origin(&self) -> String {
        let line = self.lines_to_paste().pop().expect("a line to paste");
        let (_, rest) = line.split_once("http://").expect("an address");
        format!("http://{}", rest.split('/').next().expect("a host"))
    }

    /// Waits for its end, and until no process of its database is left.
    fn has_ended(&mut self) -> Option<i32> {
        let status = self.process.wait().expect("it ends");
        wait_until("no process of the database is left", || {
            !is_named_by_a_process(&self.data_dir) && !DataDirectory::is_in_use(&self.data_dir)
        });
        status.code()
    }

    async fn accepts(&self, key: &str) -> bool {
        let request = request(Method::GET, format!("{}/api/protected-resource", self.origin()));
        request.header("x-api-key", key).send().await.expect("an answer").status() == 200
    }

    /// A key for the bearer of `token`.
    async fn makes_a_key(&self, token: &str) -> String {
        let request = request(Method::POST, format!("{}/api/create-api-key", self.origin()));
        let answer = request.bearer_auth(token.trim()).send().await.expect("an answer");
        assert_eq!(answer.status(), 201);
        let body: serde_json::Value = answer.json().await.expect("JSON");
        body["apiKey"].as_str().expect("a key").to_owned()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Or it would go on writing into a folder that is about to be removed.
        let give_up = Instant::now() + PATIENCE;
        while DataDirectory::is_in_use(&self.data_dir) && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether a process has `path` on its command line, as the server and its shell do.
fn is_named_by_a_process(path: &Path) -> bool {
    let output = Command::new("ps").args(["-A", "-o", "args="]).output();
    let output = output.expect("the program `ps` (Debian: apt-get install procps)");
    let name = path.to_str().expect("UTF-8");
    // A defunct process has no command line any more.
    String::from_utf8_lossy(&output.stdout).lines().any(|line| line.contains(name) && line.contains("postgres"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "who skips a test says why")]
async fn the_welcomes_two_lines_work_as_they_are_when_pasted() {
    if !Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: the program `curl` is not installed");
        return;
    }
    let folder = Folder::new();
    let dev = Dev::start(&folder.path().join("data")).await;
    let lines = dev.lines_to_paste();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let script = format!("{}\necho \"$KEY\" >&2\n{}\n", lines[0], lines[1]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    let ended = run_beside(shell).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stdout, r#"{"message":"Access granted to protected resource"}"#, "{ended:#?}");
    assert!(ended.stderr.lines().any(|line| line.starts_with("keyward_live_")), "{ended:#?}");
}

#[tokio::test]
async fn the_data_directory_is_private_and_every_way_to_end_keeps_the_keys_and_leaves_no_postgres() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let mut keys: Vec<String> = Vec::new();
    // A Ctrl-C at a terminal reaches the whole process group; an orchestrator's TERM only us.
    for (to_group, name) in [(true, "INT"), (false, "TERM"), (false, "KILL")] {
        let mut dev = Dev::start(&data).await;
        for key in &keys {
            assert!(dev.accepts(key).await, "a key from before is lost before {name}");
        }
        let mut mint = bare();
        mint.args(["token", "mint", "--dev", "--subject", "bob", "--data-dir"]).arg(&data);
        let token = run_beside(mint).await.succeeded();
        keys.push(dev.makes_a_key(&token).await);
        let pid = dev.process.id();
        if to_group {
            let sent = Command::new("kill").args(["-s", name, "--", &format!("-{pid}")]).status();
            assert!(sent.expect("kill runs").success());
        } else {
            signal(pid, name);
        }
        let code = dev.has_ended();
        assert_eq!(code, (name != "KILL").then_some(0), "after {name}: {}", dev.output.last());
    }
    let dev = Dev::start(&data).await;
    for key in &keys {
        assert!(dev.accepts(key).await, "a key is lost after KILL");
    }
    // As root the server is another user, who has to pass through; nobody may look around.
    assert_eq!(mode(&data) & 0o766, 0o700);
    assert_eq!(mode(&data.join("secrets")), 0o700);
    assert_eq!(mode(&data.join("secrets/jwt_secret")), 0o600);
    assert_eq!(mode(&data.join("secrets/pepper")), 0o600);
    assert_eq!(mode(&data.join("postgres")), 0o700);
    assert_eq!(mode(&data.join("socket")), 0o700);
}

#[tokio::test]
async fn a_second_one_on_the_same_directory_is_told_what_to_do_and_disturbs_nothing() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let dev = Dev::start(&data).await;
    let message = run_beside(Dev::command(&data)).await.failed();
    let expected = format!("is in use by process {}: stop that one, or use another data directory", dev.process.id());
    assert!(message.contains(&expected), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(!dev.accepts("keyward_live_no").await, "it still answers");
}

/// Whoever tries it is the operator. `serve` does not tell where its log is.
#[tokio::test]
async fn a_refused_token_leads_to_the_log_in_the_terminal() {
    let folder = Folder::new();
    let dev = Dev::start(&folder.path().join("data")).await;
    let answer = request(Method::GET, format!("{}/v1/keys", dev.origin())).bearer_auth("a.b.c").send().await;
    let told: serde_json::Value = answer.expect("an answer").json().await.expect("JSON");
    let expected = "The token or the API key is not valid. The log in the terminal of keyward dev says why.";
    assert_eq!(told["code"], "invalid_token");
    assert_eq!(told["detail"], expected);
    dev.output.line_with("refused a request").await;
}

#[tokio::test]
async fn its_address_alone_leads_to_the_console_and_the_welcome_names_the_description_of_the_api() {
    let folder = Folder::new();
    let dev = Dev::start(&folder.path().join("data")).await;
    let page = reqwest::get(format!("{}/", dev.origin())).await.expect("an answer");
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/console/sign-in"));
    assert!(dev.output.text().contains(&format!("{}/console", dev.origin())), "the welcome does not name the console");
    assert!(dev.output.text().contains(&format!("{}/docs/", dev.origin())), "the welcome does not say so");
}

#[tokio::test]
async fn where_others_could_reach_it_there_is_no_console_that_asks_for_no_proof() {
    let folder = Folder::new();
    let dev = Dev::start_with(&folder.path().join("data"), &[("KEYWARD__SERVER__HOST", "0.0.0.0")]).await;
    let port = dev.origin().rsplit_once(':').expect("a port").1.to_owned();
    let answer = client::get(format!("http://127.0.0.1:{port}/console")).await.expect("an answer");
    assert_eq!(answer.status(), 404);
}

#[test]
fn without_postgres_programs_one_line_says_how_to_get_them() {
    let folder = Folder::new();
    let mut command = Dev::command(&folder.path().join("data"));
    let message = run(command.env("PG_BIN_DIR", folder.path())).failed();
    assert!(message.contains("PG_BIN_DIR") && message.contains("correct or unset it"), "{message}");
    assert!(message.contains("KEYWARD__DATABASE__URL"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    // On a machine that has them this one can't be had by a command.
    let message = StartError::ProgramsMissing.to_string();
    for hint in ["apt-get install postgresql", "dnf install", "brew install", "KEYWARD__DATABASE__URL"] {
        assert!(message.contains(hint), "{message}");
    }
    assert_eq!(message.lines().count(), 1, "{message}");
}

/// As that message advises.
#[tokio::test]
async fn with_a_database_configured_dev_needs_no_postgres_programs() {
    let folder = Folder::new();
    let database = database().await;
    let mut command = command();
    command.args(["dev", "--data-dir"]).arg(folder.path().join("data"));
    command.env("PG_BIN_DIR", folder.path()).env("KEYWARD__DATABASE__URL", database.url());
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keyward starts");
    let output = Output::collect(&mut process);
    output.line_with("Ctrl-C stops everything").await;
    let welcome = output.text();
    assert!(welcome.contains("(env KEYWARD__DATABASE__URL)"), "{welcome}");
    signal(process.id(), "INT");
    assert!(process.wait().expect("it ends").success(), "{}", output.last());
    // The database is a good one for `serve` too.
    Replica::start_on(database.url(), &[]).await;
}

#[tokio::test]
async fn with_a_database_and_secrets_in_the_environment_the_welcome_names_what_is_used() {
    let (folder, database) = (Folder::new(), database().await);
    let mut dev = Dev::command(folder.path());
    dev.env("KEYWARD__DATABASE__URL", database.url()).env("JWT_SECRET", test_support::replica::JWT_SECRET);
    let mut process =
        dev.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let output = Output::collect(&mut process);
    output.line_with("Ctrl-C stops everything").await;
    let welcome = output.text();
    assert!(welcome.contains("database: postgres://") && welcome.contains("(env KEYWARD__DATABASE__URL)"), "{welcome}");
    assert!(welcome.contains("jwt.secret: env JWT_SECRET"), "{welcome}");
    let pepper = folder.path().join("secrets/pepper").display().to_string();
    assert!(welcome.contains(&format!("keys.peppers: {pepper}")), "{welcome}");
    assert!(!welcome.contains(test_support::replica::JWT_SECRET), "{welcome}");
    process.kill().expect("killed");
    let _ = process.wait();
}

/// It is often exported for another program, whose tables are there.
#[tokio::test]
async fn a_database_that_other_programs_read_from_the_environment_too_is_left_alone() {
    let (folder, other) = (Folder::new(), TestDatabase::empty().await);
    let dev = Dev::start_with(&folder.path().join("data"), &[("DATABASE_URL", other.url())]).await;
    let told = dev.output.text();
    assert!(told.contains("does not use DATABASE_URL") && told.contains("KEYWARD__DATABASE__URL"), "{told}");
    assert!(!told.contains(other.url()) && told.contains("Commands find it with --dev"), "{told}");
    let tables = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    let tables: i64 = tables.fetch_one(&other.superuser_pool().await).await.expect("a count");
    assert_eq!(tables, 0);
}

/// What is exported in a shell for production, or stands in a file, must not lead a command there.
#[tokio::test]
async fn with_dev_nothing_is_done_to_the_database_of_the_environment_or_of_a_file_or_with_their_secrets() {
    let (folder, production) = (Folder::new(), database().await);
    let data = folder.path().join("data");
    let dev = Dev::start_with(&data, &[("KEYWARD__COHERENCE__LEASE", "1s")]).await;
    let secret = folder.file("secret", test_support::replica::JWT_SECRET);
    let file = format!("[database]\nurl = {:?}\n[jwt]\nissuer = \"https://production.example\"\n", production.url());
    let file = folder.file("keyward.toml", &file);
    let in_env = [
        ("DATABASE_URL", production.url()),
        ("KEYWARD__JWT__SECRET_FILE", &*secret),
        ("KEYWARD__KEYS__PEPPERS", test_support::replica::PEPPER),
        ("KEYWARD__KEYS__PREFIX", "other"),
    ];
    let in_files = [("KEYWARD_CONFIG", &*file), ("JWT_SECRET", test_support::replica::JWT_SECRET)];
    keyward(&production, &["keys", "create", "--subject", "alice"]).await.succeeded();
    for (env, told) in [(&in_env[..], "env DATABASE_URL"), (&in_files[..], &*format!("file {file}"))] {
        let with_dev = async |arguments: &[&str]| {
            let mut command = bare();
            command.args(arguments).args(["--dev", "--data-dir"]).arg(&data).envs(env.iter().copied());
            let ended = run_beside(command).await;
            assert!(ended.stderr.contains("not used: ") && ended.stderr.contains(told), "{ended:#?}");
            ended.succeeded()
        };
        let token = with_dev(&["token", "mint", "--subject", "alice"]).await;
        let by_token = dev.makes_a_key(&token).await;
        let made = with_dev(&["keys", "create", "--subject", "alice"]).await.trim_end().to_owned();
        assert!(made.starts_with("keyward_live_"), "{made}");
        assert!(dev.accepts(&made).await && dev.accepts(&by_token).await);
        with_dev(&["doctor"]).await;
        with_dev(&["keys", "revoke-many", "--subject", "alice"]).await;
        assert!(!dev.accepts(&made).await && !dev.accepts(&by_token).await);
    }
    let listed = keyward(&production, &["keys", "list", "--json"]).await.succeeded();
    let listed = crate::commands::json(&listed);
    let states: Vec<_> = listed.as_array().expect("a list").iter().map(|key| &key["state"]).collect();
    assert_eq!(states, ["active"], "{listed}");
}

#[tokio::test]
async fn when_its_own_database_has_crashed_it_ends_says_so_and_starts_again_with_all_keys() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let mut dev = Dev::start(&data).await;
    let commands = format!("--dev --data-dir {}", data.display());
    assert!(dev.output.text().contains(&commands), "{}", dev.output.text());
    let mut mint = bare();
    mint.args(["token", "mint", "--dev", "--subject", "bob", "--data-dir"]).arg(&data);
    let key = dev.makes_a_key(&run_beside(mint).await.succeeded()).await;
    let pid_file = fs::read_to_string(data.join("postgres/postmaster.pid")).expect("the server's pid file");
    signal(pid_file.lines().next().expect("a first line").parse().expect("a pid"), "KILL");
    assert_eq!(dev.has_ended(), Some(1));
    dev.output.line_with("error: its database has ended").await;
    assert!(dev.output.text().contains("start it again"), "{}", dev.output.text());
    let dev = Dev::start(&data).await;
    assert!(dev.accepts(&key).await, "a key is lost");
}

#[test]
fn why_a_data_directory_can_not_be_made_is_told_once() {
    let message = run(&mut Dev::command(Path::new("/proc/keyward"))).failed();
    assert_eq!(message.matches("os error").count(), 1, "{message}");
}
