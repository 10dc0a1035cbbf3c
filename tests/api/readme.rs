//! The README's session is what happens.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use keyward::embedded_postgres::programs::Programs;

use crate::replica::{Output, signal};

const README: &str = include_str!("../../README.md");
/// Where the README's reader has their data.
const DATA_IN_README: [&str; 2] = ["/home/alice/.local/share/keyward", "~/.local/share/keyward"];
/// Comes between the outputs of two commands.
const NEXT: &str = "--- next ---";

/// A `keyward dev` on a new data directory. Both end with it.
struct Dev {
    process: Child,
    output: Arc<Output>,
    data_dir: PathBuf,
}

impl Dev {
    fn start() -> Self {
        // In memory where there is such a thing: a durable database takes seconds to make on a busy disk.
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let data_dir = parent.join(format!("keyward-readme-{}", std::process::id()));
        let mut command = shell_command(env!("CARGO_BIN_EXE_keyward"));
        command.env("PORT", "0").arg("dev").arg("--data-dir").arg(&data_dir);
        // The session is not about how busy the machine is.
        for timeout in ["DATABASE__ACQUIRE_TIMEOUT", "DATABASE__STATEMENT_TIMEOUT", "HASHING__MAX_WAIT"] {
            command.env(format!("KEYWARD__{timeout}"), "20s");
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keyward starts");
        let output = Output::collect(&mut process);
        Self { process, output, data_dir }
    }

    /// `host:port`, as the welcome has it.
    async fn address(&self) -> String {
        self.output.line_with("Ctrl-C stops everything").await;
        let line = self.output.line_with("/api/protected-resource").await;
        let (_, from_host) = line.split_once("http://").expect("an address");
        from_host.split('/').next().expect("a first part").to_owned()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It stops in bounded time by itself, and its Postgres with it.
        signal(self.process.id(), "INT");
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.data_dir);
    }
}

/// A command with nothing in its environment but a PATH, on which `keyward` and the programs of Postgres come first.
fn shell_command(program: &str) -> Command {
    let keyward = Path::new(env!("CARGO_BIN_EXE_keyward")).parent().expect("a folder").to_owned();
    let postgres = Programs::find().expect("the programs of Postgres").bin_dir().to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = [keyward, postgres].into_iter().chain(std::env::split_paths(&inherited));
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::join_paths(path).expect("folders without colons"));
    command
}

/// What the README shows at a prompt, and what comes out.
struct Step {
    command: String,
    output: String,
}

/// The steps of all blocks marked as `console`.
fn steps(readme: &str) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().expect("a first part");
        for step in format!("\n{block}").split("\n$ ").skip(1) {
            let (command, output) = step.split_once('\n').unwrap_or((step, ""));
            steps.push_back(Step { command: command.to_owned(), output: output.to_owned() });
        }
    }
    steps
}

/// Runs all commands in one shell; gives the output of each.
fn run(commands: &[&str]) -> Vec<String> {
    let script: String = commands.iter().map(|command| format!("{command}\nprintf '\\n{NEXT}\\n'\n")).collect();
    let output = shell_command("sh").args(["-c", &script]).output().expect("a shell");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("not found"), "the README's session needs curl (Debian: apt-get install curl): {errors}");
    String::from_utf8_lossy(&output.stdout).split(NEXT).map(str::to_owned).collect()
}

/// Cuts what is random, or what the README cuts.
fn masked(text: &str) -> String {
    [("Bearer eyJ", "._-…"), ("keyward_live_", "…"), (r#""id":""#, "…"), ("$argon2id$v=19$m=19456,t=2,p=1$", "+/$…")]
        .iter()
        .fold(text.trim().to_owned(), |text, (start, allowed)| {
            let mut parts = text.split(start);
            let first = parts.next().unwrap_or_default().to_owned();
            let in_run = |letter: char| letter.is_ascii_alphanumeric() || allowed.contains(letter);
            parts.fold(first, |text, part| format!("{text}{start}…{}", part.trim_start_matches(in_run)))
        })
}

#[tokio::test]
async fn the_session_in_the_readme_is_what_happens() {
    let dev = Dev::start();
    let address = dev.address().await;
    let data_dir = dev.data_dir.to_str().expect("a readable path");
    let mut readme = README.replace("127.0.0.1:3000", &address).replace("localhost:3000", &address);
    readme =
        readme.replace("cargo run -q -- ", "keyward ").replace(" --dev ", &format!(" --dev --data-dir {data_dir} "));
    readme = DATA_IN_README.iter().fold(readme, |readme, path| readme.replace(path, data_dir));

    let mut steps = steps(&readme);
    let welcome = steps.pop_front().expect("a first step");
    assert_eq!(welcome.command, "cargo run -- dev");
    let printed = masked(&dev.output.text());
    for line in masked(&welcome.output).lines() {
        assert!(printed.lines().any(|printed| printed == line), "{line}\nis not in\n{printed}");
    }

    let commands: Vec<&str> = steps.iter().map(|step| step.command.as_str()).collect();
    assert!(commands.len() > 5, "the session was not found");
    for (step, output) in steps.iter().zip(run(&commands)) {
        assert_eq!(masked(&output), masked(&step.output), "$ {}", step.command);
    }
}
