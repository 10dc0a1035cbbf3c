//! Commands whose standard output, or standard error, takes nothing.

use std::{
    fs::{File, OpenOptions},
    process::{Command, Stdio},
};

use crate::commands::{json, keyward};
use test_support::{
    program::{Ended, Folder, bare},
    replica::command,
    {TestDatabase, database},
};

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it")
}

/// A pipe from which nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

async fn ended(mut command: Command, stdout: Stdio, stderr: Stdio) -> Ended {
    let ended = tokio::task::spawn_blocking(move || {
        let process = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().expect("keyward starts");
        process.wait_with_output().expect("it ends")
    });
    let ended = ended.await.expect("no panic");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: ended.status.code(), stdout: text(&ended.stdout), stderr: text(&ended.stderr) }
}

fn on(database: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = command();
    command.args(arguments).env("DATABASE_URL", database.url());
    command
}

async fn a_key(database: &TestDatabase) -> String {
    let made = keyward(database, &["keys", "create", "--subject=alice", "--json"]).await.succeeded();
    json(&made)["id"].as_str().expect("an id").to_owned()
}

/// Commands that print, on a database with a key of alice's.
fn commands(database: &TestDatabase, key: &str, policy: &str) -> Vec<Command> {
    let lines: &[&[&str]] = &[
        &["keys", "list"],
        &["keys", "list", "--json"],
        &["keys", "show", key],
        &["keys", "show", key, "--json"],
        &["keys", "update", key, "--name=n"],
        &["keys", "disable", key],
        &["keys", "enable", key, "--json"],
        &["owners", "list"],
        &["owners", "show", "--subject=alice"],
        &["owners", "disable", "--subject=alice"],
        &["owners", "enable", "--subject=alice", "--json"],
        &["audit", "list"],
        &["audit", "list", "--json"],
        &["audit", "list", "--format=csv"],
        &["audit", "list", "--format=ndjson"],
        &["tokens", "revoke", "--subject=alice", "--issuer="],
        &["token", "mint", "--subject=alice"],
        &["keys", "revoke", key],
        &["keys", "revoke-many", "--subject=alice"],
        &["keys", "hashes"],
        &["replicas"],
        &["doctor"],
        &["doctor", "--json"],
        &["migrate"],
        &["config"],
        &["completions", "bash"],
        &["policy", "check", policy],
        &["policy", "test", "--policy", policy, "--path=/a", "--method=GET", "--host=h", "--credential=none"],
    ];
    lines.iter().map(|arguments| on(database, arguments)).collect()
}

const POLICY: &str = "[[rules]]\npaths = [\"/a\"]\nanonymous = true\n";

#[tokio::test]
async fn every_command_says_that_it_cannot_print_and_never_panics() {
    let (database, folder) = (database().await, Folder::new());
    let (key, policy) = (a_key(&database).await, folder.file("policy.toml", POLICY));
    for command in commands(&database, &key, &policy) {
        let shown = format!("{command:?}");
        let ended = ended(command, full().into(), Stdio::piped()).await;
        assert_eq!(ended.code, Some(1), "{shown}: {ended:#?}");
        assert!(ended.stderr.contains("error: cannot write to standard output: "), "{shown}: {ended:#?}");
        assert!(!ended.stderr.contains("panicked"), "{shown}: {ended:#?}");
    }
}

#[tokio::test]
async fn every_command_ends_quietly_where_nobody_reads_any_more() {
    let (database, folder) = (database().await, Folder::new());
    let (key, policy) = (a_key(&database).await, folder.file("policy.toml", POLICY));
    for command in commands(&database, &key, &policy) {
        let shown = format!("{command:?}");
        let ended = ended(command, unread(), Stdio::piped()).await;
        assert_eq!(ended.code, Some(0), "{shown}: {ended:#?}");
        assert!(!ended.stderr.contains("error") && !ended.stderr.contains("panicked"), "{shown}: {ended:#?}");
    }
}

#[tokio::test]
async fn a_standard_error_that_takes_nothing_stops_no_command() {
    let database = database().await;
    for stderr in [full().into(), unread()] {
        let ended = ended(on(&database, &["keys", "create", "--subject=alice"]), Stdio::piped(), stderr).await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(ended.stdout.starts_with("keyward_live_"), "{ended:#?}");
    }
    let ended = ended(on(&database, &["keys", "show", "0352mXAgJX8YoWA3E5sR9r"]), Stdio::piped(), full().into()).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
}

#[tokio::test]
async fn an_exit_code_that_is_an_answer_stays_where_nobody_reads_the_words() {
    let (database, folder) = (database().await, Folder::new());
    let policy = folder.file("policy.toml", "[[rules]]\npaths = [\"/a\"]\n");
    let verify = ["-c", "echo none | \"$0\" keys verify", env!("CARGO_BIN_EXE_keyward")];
    let mut shell = Command::new("sh");
    shell.args(verify).env_clear().envs(on(&database, &[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(ended(shell, unread(), Stdio::piped()).await.code, Some(3));
    let test = ["policy", "test", "--policy", &policy, "--path=/a", "--method=GET", "--host=h", "--credential=none"];
    assert_eq!(ended(on(&database, &test), unread(), Stdio::piped()).await.code, Some(1));
    let empty = TestDatabase::empty().await;
    for doctor in [&["doctor"][..], &["doctor", "--json"]] {
        assert_eq!(ended(on(&empty, doctor), unread(), Stdio::piped()).await.code, Some(1), "it has no schema");
    }
    let mut config = bare();
    config.arg("config");
    let config = ended(config, unread(), Stdio::piped()).await;
    assert_eq!(config.code, Some(1), "{config:#?}");
}

#[tokio::test]
async fn a_key_whose_text_nobody_got_is_named_with_what_to_do_about_it() {
    let database = database().await;
    let old = a_key(&database).await;
    for (arguments, stdout) in [
        (vec!["keys", "create", "--subject=alice"], Stdio::from(full())),
        (vec!["keys", "create", "--subject=alice", "--json"], unread()),
        (vec!["keys", "rotate", &old, "--grace-period=1h"], unread()),
    ] {
        let ended = ended(on(&database, &arguments), stdout, Stdio::piped()).await;
        let newest = json(&keyward(&database, &["keys", "list", "--json", "--limit=1"]).await.succeeded());
        let id = newest[0]["id"].as_str().expect("an id");
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        for text in
            [format!("The key {id} exists"), format!("keyward keys rotate {id}"), format!("keyward keys revoke {id}")]
        {
            assert!(ended.stderr.contains(&text), "{text}: {ended:#?}");
        }
        assert!(!ended.stderr.contains("keyward_live_"), "{ended:#?}");
    }
}
