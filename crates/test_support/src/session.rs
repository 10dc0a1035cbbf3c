//! A session that a document shows, and how it is checked: its commands are run in one shell beside a
//! `keyward dev` of its own, and what they print is compared.
//!
//! `…` stands for whatever comes there within the line: a document need not show what is random, or long.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use keyward_local_postgres::programs::Programs;

use crate::{
    memory_or_disk,
    replica::{Output, signal},
};

/// Where the reader of a document has their data.
const DATA_OF_THE_READER: [&str; 2] = ["/home/alice/.local/share/keyward", "~/.local/share/keyward"];
/// Comes between the outputs of two commands.
const NEXT: &str = "--- next ---";

/// A `keyward dev` on a new data directory. Both end with it.
pub struct Dev {
    process: Child,
    output: Arc<Output>,
    data_dir: PathBuf,
}

impl Dev {
    /// `name` tells its folder from those of other tests.
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same with further environment variables.
    pub fn start_with(name: &str, env: &[(&str, &str)]) -> Self {
        let data_dir = memory_or_disk().join(format!("keyward-{name}-{}", std::process::id()));
        let mut command = shell_command(crate::keyward());
        command.env("PORT", "0").arg("dev").arg("--data-dir").arg(&data_dir);
        // The session is not about how busy the machine is.
        for timeout in ["DATABASE__ACQUIRE_TIMEOUT", "DATABASE__STATEMENT_TIMEOUT", "HASHING__MAX_WAIT"] {
            command.env(format!("KEYWARD__{timeout}"), "20s");
        }
        // Nor about a minute's patience.
        command.env("KEYWARD__LAST_USED__WRITE_EVERY", "1s");
        command.envs(env.iter().copied());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keyward starts");
        let output = Output::collect(&mut process);
        Self { process, output, data_dir }
    }

    /// Where it keeps its data and its secrets.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Everything that it has printed, once it is running.
    pub async fn welcome(&self) -> String {
        self.output.line_with("Ctrl-C stops everything").await;
        self.output.text()
    }

    /// The session in `document`, with this server's address and folder in it.
    pub async fn session(&self, document: &str) -> Vec<Step> {
        let address = self.address().await;
        let data_dir = self.data_dir.to_str().expect("a readable path");
        let text = document.replace("127.0.0.1:3000", &address).replace("localhost:3000", &address);
        let text = text.replace("cargo run -q -- ", "keyward ");
        let text = text.replace(" --dev ", &format!(" --dev --data-dir {data_dir} "));
        let text = DATA_OF_THE_READER.iter().fold(text, |text, path| text.replace(path, data_dir));
        steps(&text)
    }

    /// `host:port`, as the welcome has it.
    pub async fn address(&self) -> String {
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

/// What a document shows at a prompt, and what comes out.
pub struct Step {
    pub command: String,
    pub output: String,
}

/// The steps of all blocks marked as `console`.
fn steps(document: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in document.split("```console\n").skip(1) {
        let block = block.split("```").next().expect("a first part");
        for step in format!("\n{block}").split("\n$ ").skip(1) {
            steps.push(step_of(step));
        }
    }
    steps
}

/// A command goes on while its lines end in a backslash.
fn step_of(text: &str) -> Step {
    let mut lines = text.lines();
    let mut command = String::new();
    for line in lines.by_ref() {
        command.push_str(line);
        if !line.ends_with('\\') {
            break;
        }
        command.push('\n');
    }
    Step { command, output: lines.collect::<Vec<_>>().join("\n") }
}

/// Runs all steps in one shell, and compares what each prints with what the document says.
pub fn check(steps: &[Step]) {
    let script: String = steps.iter().map(|step| format!("{}\nprintf '\\n{NEXT}\\n'\n", step.command)).collect();
    let output = shell_command("sh").args(["-c", &script]).output().expect("a shell");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("not found"), "the session needs curl (Debian: apt-get install curl): {errors}");
    let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let printed: Vec<&str> = printed.split(NEXT).map(str::trim).collect();
    assert_eq!(printed.len(), steps.len() + 1, "the shell did not reach the end:\n{errors}");
    for (step, printed) in steps.iter().zip(printed) {
        assert!(
            fits(&step.output, printed),
            "$ {}\nprints\n{printed}\nwhere the document says\n{}\n{errors}",
            step.command,
            step.output
        );
    }
}

/// Whether that was printed, line by line.
pub fn fits(shown: &str, printed: &str) -> bool {
    let (shown, printed): (Vec<_>, Vec<_>) = (shown.trim().lines().collect(), printed.trim().lines().collect());
    shown.len() == printed.len() && shown.iter().zip(printed).all(|(shown, printed)| line_fits(shown, printed))
}

/// What is between two `…` must come in that order.
pub fn line_fits(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// A command with nothing in its environment but a PATH, on which `keyward` and the programs of Postgres come first.
fn shell_command(program: impl AsRef<OsStr>) -> Command {
    let keyward = crate::keyward().parent().expect("a folder").to_owned();
    let postgres = Programs::find().expect("the programs of Postgres").bin_dir().to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = [keyward, postgres].into_iter().chain(std::env::split_paths(&inherited));
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::join_paths(path).expect("folders without colons"));
    command
}

#[test]
fn three_dots_stand_for_anything_and_everything_else_for_itself() {
    for (shown, printed, fit) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a…", "ab", true),
        ("a…c…e", "abcde", true),
        ("a…c…e", "abde", false),
        ("…c", "abc", true),
        ("a…c", "abcd", false),
        ("a…\nb", "ab\nb", true),
        ("a…", "a\nb", false),
    ] {
        assert_eq!(fits(shown, printed), fit, "{shown} and {printed}");
    }
}
