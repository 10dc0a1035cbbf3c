//! A `keyward serve` of one's own.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::{PATIENCE, TestDatabase, database, shown};

/// What the tests' tokens are signed with, unless a test says otherwise.
pub const JWT_SECRET: &str = "0f3c1e9b7a5d2468ace13579bdf02468-for-tests";
/// What the tests' keys are made with.
pub const PEPPER: &str = "9e107d9d372bb6826bd81d3542a419d6-for-tests";

/// Standard output and standard error.
const OUTPUTS: usize = 2;

/// Runs the program given as its arguments, and kills it when its standard input ends: when nobody has the pipe any
/// more, however that process ended.
const GUARDIAN: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- & program=$!
exec >/dev/null 2>&1
cat <&3
kill -KILL "$program"
"#;

/// A running `keyward serve`. It is killed when dropped.
pub struct Replica {
    /// The program, or its guardian.
    process: Child,
    output: Arc<Output>,
    address: String,
    /// The database that came with it; `None` when a test brought its own.
    database: Option<TestDatabase>,
}

impl Replica {
    /// One on a new database, with the settings of the tests.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further environment variables.
    pub async fn start_with(env: &[(&str, &str)]) -> Self {
        let database = database().await;
        let mut replica = Self::start_on(database.url(), env).await;
        replica.database = Some(database);
        replica
    }

    /// The same, which ends with this process although nobody drops it. It can't be sent signals.
    pub(crate) async fn start_guarded(env: &[(&str, &str)]) -> Self {
        let database = database().await;
        let guarded = serve_on(database.url(), env);
        let mut guardian = Command::new("sh");
        guardian.args(["-c", GUARDIAN, "sh"]).arg(guarded.get_program()).args(guarded.get_args()).env_clear();
        guardian.envs(guarded.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::piped());
        let mut replica = Self::start_by(guardian, "127.0.0.1").await;
        replica.database = Some(database);
        replica
    }

    /// One on the database at `url`, with further environment variables.
    pub async fn start_on(url: &str, env: &[(&str, &str)]) -> Self {
        Self::start_by(serve_on(url, env), "127.0.0.1").await
    }

    /// One that `command` starts, which is reached at `host`.
    pub async fn start_by(mut command: Command, host: &str) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keyward starts");
        let output = Output::collect(&mut process);
        let listening = output.line_with("Server running on port ").await;
        let (_, port) = listening.split_once("Server running on port ").expect("the line that was waited for");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        Self { process, output, address: format!("{host}:{port}"), database: None }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its database.
    pub fn database(&self) -> &TestDatabase {
        self.database.as_ref().expect("a replica that was started with a database of its own")
    }

    /// Ends it, and gives its database to whoever goes on with that.
    pub fn take_database(&mut self) -> TestDatabase {
        self.signal("KILL");
        self.database.take().expect("a replica that was started with a database of its own")
    }

    /// Whether it can still print something: it has not ended.
    pub fn is_running(&self) -> bool {
        !self.output.is_complete()
    }

    /// Everything it has printed so far.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// The last of it, for who reads why a test failed.
    pub fn last_output(&self) -> String {
        self.output.last()
    }

    /// Waits for a printed line that holds `text`.
    pub async fn prints(&self, text: &str) -> String {
        self.output.line_with(text).await
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal such as `TERM` or `KILL`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for its end, and until all that it printed has been read; gives the exit code, `None` after a signal.
    pub async fn exit_code(&mut self) -> Option<i32> {
        exit_code(&mut self.process, &self.output).await
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        match self.process.stdin.take() {
            // Its guardian kills it.
            Some(stdin) => drop(stdin),
            None => _ = self.process.kill(),
        }
        let _ = self.process.wait();
    }
}

fn serve_on(url: &str, env: &[(&str, &str)]) -> Command {
    let mut command = command();
    command.arg("serve").env("DATABASE_URL", url).envs(env.iter().copied());
    command
}

/// `keyward` with the settings of the tests, and nothing else in its environment.
pub fn command() -> Command {
    let mut command = Command::new(crate::keyward());
    command.env_clear();
    for (name, value) in [
        ("PATH", std::env::var("PATH").unwrap_or_default().as_str()),
        ("JWT_SECRET", JWT_SECRET),
        ("KEYWARD__KEYS__PEPPERS", PEPPER),
        ("KEYWARD__SERVER__HOST", "127.0.0.1"),
        ("KEYWARD__SERVER__PORT", "0"),
        ("KEYWARD__SERVER__UNREADY_PERIOD", "0s"),
        ("KEYWARD__HASHING__MAX_WAIT", "20s"),
    ] {
        command.env(name, value);
    }
    command
}

/// Waits for the end of `process`, which is killed if it does not come, and until all that it printed has been read:
/// the system tells of the end of a process before our threads have read what it printed last. Gives the exit code.
pub async fn exit_code(process: &mut Child, output: &Output) -> Option<i32> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(status) = process.try_wait().expect("the process can be asked")
            && output.is_complete()
        {
            return status.code();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let _ = process.kill();
    panic!("keyward did not end; it printed:\n{}", output.last());
}

/// Sends a signal such as `TERM`, `KILL` or `STOP`.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(sent.expect("kill runs").success(), "kill -{name} {pid}");
    // A thread goes on until the kernel gets to it, long enough to answer.
    while name == "STOP" && has_running_threads(pid) {
        thread::sleep(Duration::from_millis(1));
    }
}

fn has_running_threads(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let states = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    // The name before the state may have anything in it.
    // What has ended runs no more either.
    states
        .into_iter()
        .any(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['T', 't', 'Z', 'X'])))
}

/// What a process has printed on both of its outputs.
#[derive(Default)]
pub struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<String>,
    closed: usize,
}

impl Output {
    /// Collects both outputs of `process`, which must be pipes.
    pub fn collect(process: &mut Child) -> Arc<Self> {
        let output = Arc::new(Self::default());
        let stdout = process.stdout.take().expect("a piped standard output");
        let stderr = process.stderr.take().expect("a piped standard error");
        output.read(stdout);
        output.read(stderr);
        output
    }

    fn read(self: &Arc<Self>, source: impl std::io::Read + Send + 'static) {
        let output = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                output.lines.lock().expect("no panic").text.push(String::from_utf8_lossy(&line).into_owned());
                output.changed.notify_all();
            }
            output.lines.lock().expect("no panic").closed += 1;
            output.changed.notify_all();
        });
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lines.lock().expect("no panic").text.join("\n")
    }

    /// The last of it, for who reads why a test failed.
    pub fn last(&self) -> String {
        shown::log(&self.lines.lock().expect("no panic").text)
    }

    /// Whether the process can't print any more, and everything was read.
    fn is_complete(&self) -> bool {
        self.lines.lock().expect("no panic").closed == OUTPUTS
    }

    /// Waits for the first line that holds `text`.
    pub async fn line_with(self: &Arc<Self>, text: &str) -> String {
        let (output, text) = (Arc::clone(self), text.to_owned());
        let wait = move || {
            let give_up = Instant::now() + PATIENCE;
            let mut lines = output.lines.lock().expect("no panic");
            loop {
                if let Some(line) = lines.text.iter().find(|line| line.contains(&text)) {
                    return line.clone();
                }
                let left = give_up.saturating_duration_since(Instant::now());
                assert!(
                    lines.closed < OUTPUTS && !left.is_zero(),
                    "no line with {text:?} in:\n{}",
                    shown::log(&lines.text)
                );
                lines = output.changed.wait_timeout(lines, left).expect("no panic").0;
            }
        };
        tokio::task::spawn_blocking(wait).await.expect("the line was printed")
    }
}
