//! `keyward dev` on a machine without the programs of PostgreSQL, and with a package manager that the test has written.
//!
//! Such a machine is this one, in a mount namespace of its own where nothing is installed: the folder of the programs
//! is empty, and `/etc` is a copy. What the package manager "installs" are the programs that were hidden.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use keyward_local_postgres::programs::Programs;
use test_support::{
    program::{Ended, Folder, run},
    replica::{Output, exit_code, signal},
};

/// Where Debian has the programs of all versions.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// What keeps Debian's package from making a database and starting a server.
const DROP_IN: &str = "/etc/postgresql-common/createcluster.d/keyward.conf";

/// A machine without the programs.
struct Machine {
    folder: Folder,
}

impl Machine {
    /// `None`, with the reason on standard output, where the programs can't be hidden.
    #[allow(clippy::print_stdout, reason = "who skips a test says why")]
    fn new() -> Option<Self> {
        let machine = Self { folder: Folder::new() };
        fs::create_dir(machine.bin()).expect("a folder");
        for program in ["id", "sh", "mkdir", "tee", "rm", "umount", "ps", "env"] {
            let real = ["/usr/bin", "/bin", "/usr/sbin"].map(|dir| Path::new(dir).join(program));
            let real = real.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {program} here"));
            symlink(real, machine.bin().join(program)).expect("a link");
        }
        let here = Programs::find().expect("the programs of Postgres").bin_dir().to_owned();
        let hidden = run(Command::new("sh").args(["-c", &machine.hidden("test ! -e \"$1\"")]).arg("sh").arg(&here));
        if hidden.code != Some(0) {
            println!("skipped: the programs in {} can't be hidden here: {}", here.display(), hidden.stderr.trim());
            return None;
        }
        Some(machine)
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// A shell command in a namespace without the programs.
    fn hidden(&self, command: &str) -> String {
        let etc = self.folder.path().join("etc").display().to_string();
        let setup = format!(
            "set -e; mkdir -p {etc}; mount -t tmpfs none {etc}; cp -a /etc/. {etc} 2>/dev/null || true; mount --bind {etc} /etc; \
             mkdir -p /etc/postgresql-common; mount -t tmpfs none {PROGRAMS}; {command}"
        );
        let as_whom = if is_root() { "" } else { "--map-current-user --keep-caps" };
        let setup = setup.replace('\'', r"'\''");
        format!("exec unshare --mount {as_whom} sh -c '{setup}' sh \"$@\"")
    }

    /// A program on the path, which notes that it ran and with which arguments.
    fn has(&self, program: &str, does: &str) -> &Self {
        let log = self.log();
        let script = format!("#!/bin/sh\necho \"{program} $*\" >>{}\n{does}\n", log.display());
        let path = self.bin().join(program);
        // Not written through a link to the real one.
        let _ = fs::remove_file(&path);
        fs::write(&path, script).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("an executable file");
        self
    }

    /// Whoever runs `id` here is nobody special.
    fn is_not_roots(&self) -> &Self {
        self.has("id", "echo 1000")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What was run, but for `id`.
    fn was_run(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().filter(|line| !line.starts_with("id ")).map(str::to_owned).collect()
    }

    /// `keyward dev` with these arguments on this machine.
    fn dev(&self, arguments: &str) -> Command {
        self.shell(&format!(
            "exec {} dev --port 0 --data-dir {} {arguments}",
            env!("CARGO_BIN_EXE_keyward"),
            self.data()
        ))
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn shell(&self, command: &str) -> Command {
        // The path is set within, for `unshare` and `mount` are not on it.
        let command = format!("PATH={}; export PATH; {command}", self.bin().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.hidden(&command)]).env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
        shell
    }

    /// The same at a terminal, where somebody types this.
    fn dev_at_a_terminal(&self, typed: &str) -> Ended {
        let inner = self.folder.file("dev.sh", &format!("exec {}", shell_words(&self.dev(""))));
        let mut script = Command::new("sh");
        script.arg("-c").arg(format!("printf '{typed}\\n' | script -qec 'sh {inner}' /dev/null"));
        run(&mut script)
    }
}

fn shell_words(command: &Command) -> String {
    let quote = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().expect("UTF-8").replace('\'', r"'\''"));
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(quote).collect::<Vec<_>>().join(" ")
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).succeeded().trim() == "0"
}

/// What Debian's command is, for somebody who becomes root by `with`.
fn on_debian(with: &str) -> String {
    [
        "mkdir -p /etc/postgresql-common/createcluster.d &&",
        "  echo 'create_main_cluster = false' | SUDOtee /etc/postgresql-common/createcluster.d/keyward.conf >/dev/null &&",
        "  SUDOapt-get update &&",
        "  SUDOapt-get install --yes --no-install-recommends postgresql",
        "SUDOrm -f /etc/postgresql-common/createcluster.d/keyward.conf",
    ]
    .map(|line| format!("  {line}\n"))
    .concat()
    .replacen("  mkdir", "  SUDOmkdir", 1)
    .replace("SUDO", with)
}

#[test]
fn without_a_terminal_the_command_is_shown_and_nothing_is_run() {
    for (manager, command) in [
        ("apt-get", on_debian("sudo ")),
        ("dnf", "  sudo dnf install --assumeyes postgresql-server\n".to_owned()),
        ("microdnf", "  sudo microdnf install --assumeyes postgresql-server\n".to_owned()),
        ("apk", "  sudo apk add postgresql\n".to_owned()),
        ("pacman", "  sudo pacman -S --needed --noconfirm postgresql\n".to_owned()),
        ("zypper", "  sudo zypper --non-interactive install postgresql-server\n".to_owned()),
        ("brew", "  brew install postgresql@17\n".to_owned()),
        ("port", "  sudo port install postgresql17-server\n".to_owned()),
    ] {
        let Some(machine) = Machine::new() else { return };
        machine.has(manager, "").has("sudo", "\"$@\"").is_not_roots();
        let message = run(&mut machine.dev("")).failed();
        assert!(message.contains(&format!("\n\n{command}\n")), "{manager}: {message}");
        for hint in ["--install", "PG_BIN_DIR", "KEYWARD__DATABASE__URL"] {
            assert!(message.contains(hint), "{manager}: {message}");
        }
        assert_eq!(machine.was_run(), Vec::<String>::new(), "{manager}");
        // Root needs no help to become root.
        if is_root() {
            let Some(machine) = Machine::new() else { return };
            machine.has(manager, "");
            let message = run(&mut machine.dev("")).failed();
            assert!(message.contains(&format!("\n\n{}\n", command.replace("sudo ", ""))), "{manager}: {message}");
        }
    }
}

/// As root this goes to the end: the database starts, and nothing is left behind.
#[tokio::test]
async fn with_install_the_command_is_run_unasked_and_everything_starts() {
    let Some(machine) = Machine::new() else { return };
    machine.has(
        "apt-get",
        // What the package would find, and what it brings.
        &format!("case $1 in install) cat {DROP_IN} >>{}; umount {PROGRAMS} ;; esac", machine.log().display()),
    );
    symlink("/bin/cat", machine.bin().join("cat")).expect("a link");
    if !is_root() {
        machine.has("sudo", "\"$@\"");
    }
    let mut dev = machine.dev("--install");
    let dev = dev.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = dev.spawn().expect("a shell");
    let output = Output::collect(&mut process);
    output.line_with("Ctrl-C stops everything").await;
    let run: Vec<_> = machine.was_run().into_iter().filter(|line| !line.starts_with("sudo ")).collect();
    let install = "apt-get install --yes --no-install-recommends postgresql";
    assert_eq!(run, ["apt-get update", install, "create_main_cluster = false"]);
    let of_the_machine = PathBuf::from(format!("/proc/{}/root", process.id()));
    assert!(of_the_machine.join("etc/postgresql-common").exists());
    assert!(!of_the_machine.join(&DROP_IN[1..]).exists(), "it is for this one installation");
    signal(process.id(), "INT");
    assert_eq!(exit_code(&mut process, &output).await, Some(0), "{}", output.last());
}

#[test]
fn a_yes_at_the_terminal_runs_it_and_anything_else_does_not() {
    for (typed, runs) in [("y", true), ("Yes", true), ("", false), ("n", false), ("no", false), ("yess", false)] {
        let Some(machine) = Machine::new() else { return };
        // It brings nothing, so that this ends.
        machine.has("dnf", "exit 3").has("sudo", "\"$@\"").is_not_roots();
        let ended = machine.dev_at_a_terminal(typed);
        assert!(ended.stdout.contains("Run it now? [y/N]"), "{typed}: {ended:#?}");
        assert_eq!(ended.code, Some(1), "{typed}: {ended:#?}");
        let expected: &[&str] = if runs {
            &["sudo dnf install --assumeyes postgresql-server", "dnf install --assumeyes postgresql-server"]
        } else {
            &[]
        };
        assert_eq!(machine.was_run(), expected, "{typed}");
        let message = if runs { "has installed no PostgreSQL server that is found" } else { "without these programs" };
        assert!(ended.stdout.contains(message), "{typed}: {ended:#?}");
    }
}

#[test]
fn who_can_not_become_root_is_told_so_and_nothing_is_run() {
    let Some(machine) = Machine::new() else { return };
    machine.has("apk", "").is_not_roots();
    let message = run(&mut machine.dev("--install")).failed();
    assert!(message.contains("\n\n  apk add postgresql\n\n"), "{message}");
    assert!(message.contains("that needs root, and there is no `sudo` here"), "{message}");
    assert_eq!(machine.was_run(), Vec::<String>::new());
    // Alpine's own.
    machine.has("doas", "\"$@\"");
    let message = run(&mut machine.dev("--install")).failed();
    assert!(message.contains("\n\n  doas apk add postgresql\n\n"), "{message}");
    assert_eq!(machine.was_run(), ["doas apk add postgresql", "apk add postgresql"]);
}

#[test]
fn without_a_package_manager_that_is_known_one_line_says_what_to_do() {
    let Some(machine) = Machine::new() else { return };
    let message = run(&mut machine.dev("--install")).failed();
    for hint in ["apt-get install postgresql", "PG_BIN_DIR", "KEYWARD__DATABASE__URL"] {
        assert!(message.contains(hint), "{message}");
    }
    assert_eq!(message.lines().count(), 1, "{message}");
}
