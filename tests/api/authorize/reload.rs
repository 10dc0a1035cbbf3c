//! The policy changes while Keyward runs.

use std::{fs, os::unix::fs::symlink, process::Stdio};

use test_support::{
    eventually,
    program::{Folder, run},
    replica::{Output, command, exit_code, signal},
};

use super::{Guarded, TRUSTED};

const CLOSED: &str = "[[rules]]\npaths = [\"/a\"]\n";
const OPEN: &str = "[[rules]]\npaths = [\"/a\"]\nanonymous = true\n";
const BROKEN: &str = "[[rules]]\npaths = [\"/a\"]\nanonymous = true\n[[rules]]\npath = [\"/b\"]\nmethods = [\"get\"]\n";

impl Guarded {
    async fn status(&self) -> u16 {
        self.asks(None, "GET", "a", "/a").await.status
    }

    async fn comes_to(&self, status: u16) {
        eventually("the policy is read again", async || self.status().await == status).await;
    }

    fn lines_with(&self, text: &str) -> usize {
        self.replica.output().lines().filter(|line| line.contains(text)).count()
    }
}

#[tokio::test]
async fn a_changed_file_is_read_again() {
    let guarded = Guarded::by(CLOSED).await;
    assert_eq!(guarded.status().await, 401);
    fs::write(&guarded.file, OPEN).expect("written");
    guarded.comes_to(200).await;
    // By a new file in its place.
    fs::rename(guarded.folder.file("new.toml", CLOSED), &guarded.file).expect("renamed");
    guarded.comes_to(401).await;
    // The policy applies a moment before its line is written.
    eventually("a line for each", async || guarded.lines_with("reloaded the policy file") == 2).await;
}

#[tokio::test]
async fn sighup_means_to_read_it_at_once() {
    let guarded = Guarded::by(CLOSED).await;
    assert_eq!(guarded.status().await, 401);
    for (text, status) in [(OPEN, 200), (CLOSED, 401), (OPEN, 200)] {
        fs::write(&guarded.file, text).expect("written");
        guarded.replica.signal("HUP");
        guarded.comes_to(status).await;
    }
    // Also one that has not changed, or is wrong: who asks is answered.
    guarded.replica.signal("HUP");
    eventually("it is read", async || guarded.lines_with("reloaded the policy file") >= 4).await;
    assert_eq!(guarded.status().await, 200);
}

#[tokio::test]
async fn sighup_does_not_end_a_replica_that_still_waits_for_its_database() {
    let folder = Folder::new();
    let mut serve = command();
    serve.arg("serve").envs([
        // Nobody listens there.
        ("DATABASE_URL", "postgres://keyward@127.0.0.1:1/keyward"),
        TRUSTED,
        ("KEYWARD__SERVER__PORT", "0"),
        ("KEYWARD__AUTHORIZE__POLICY_FILE", &folder.file("policy.toml", CLOSED)),
    ]);
    let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keyward starts");
    let output = Output::collect(&mut process);
    output.line_with("waiting for the database").await;
    signal(process.id(), "HUP");
    // Who ends by itself has a code; whom a signal ends has none.
    signal(process.id(), "TERM");
    assert_eq!(exit_code(&mut process, &output).await, Some(0), "{}", output.last());
}

#[tokio::test]
async fn a_file_that_is_wrong_changes_nothing_and_is_told_once_with_its_lines() {
    let guarded = Guarded::by(CLOSED).await;
    fs::write(&guarded.file, BROKEN).expect("written");
    let line = guarded.replica.prints("the previous policy stays in effect").await;
    assert!(line.contains("line 5: ") && line.contains("did you mean paths?") && line.contains("line 6: "), "{line}");
    assert_eq!(guarded.status().await, 401);
    // Another text, another line; and the first was told only once though it was looked at meanwhile.
    fs::write(&guarded.file, "").expect("written");
    guarded.replica.prints("there are no rules").await;
    assert_eq!((guarded.status().await, guarded.lines_with("did you mean paths?")), (401, 1));
    fs::remove_file(&guarded.file).expect("removed");
    guarded.replica.prints("cannot be read").await;
    assert_eq!(guarded.status().await, 401);
    fs::write(&guarded.file, OPEN).expect("written");
    guarded.comes_to(200).await;
    assert_eq!(guarded.lines_with("the previous policy stays in effect"), 3);
}

/// Kubernetes puts a folder for each version beside the link that names the newest.
#[tokio::test]
async fn a_config_map_is_read_again_when_its_link_leads_elsewhere() {
    let folder = Folder::new();
    for (version, text) in [("one", CLOSED), ("two", OPEN)] {
        fs::create_dir(folder.path().join(version)).expect("a folder");
        folder.file(&format!("{version}/policy.toml"), text);
    }
    let link_to = |version: &str| {
        let new = folder.path().join("new");
        symlink(version, &new).expect("a link");
        fs::rename(new, folder.path().join("data")).expect("renamed");
    };
    link_to("one");
    symlink("data/policy.toml", folder.path().join("policy.toml")).expect("a link");
    let file = folder.path().join("policy.toml").display().to_string();
    let setting = ("KEYWARD__AUTHORIZE__POLICY_FILE", file.as_str());
    let guarded = Guarded::with(CLOSED, &[TRUSTED, setting]).await;
    assert_eq!(guarded.status().await, 401);
    link_to("two");
    guarded.comes_to(200).await;
}

#[test]
fn a_start_with_a_wrong_policy_fails_with_all_that_is_wrong() {
    let folder = Folder::new();
    let broken = folder.file("policy.toml", BROKEN);
    let mut start = command();
    start.arg("serve").envs([
        ("DATABASE_URL", "postgres://keyward@127.0.0.1:1/keyward"),
        ("KEYWARD__AUTHORIZE__POLICY_FILE", &broken),
        ("KEYWARD__LOG__LEVEL", "inof"),
        TRUSTED,
    ]);
    let message = run(&mut start).failed();
    for expected in [
        format!("{broken}: line 5: \"path\" is no member of a rule: did you mean paths?"),
        format!("{broken}: line 6: methods: \"get\" must be a method in capitals"),
        "log.level".to_owned(),
    ] {
        assert!(message.contains(&expected), "no {expected} in {message}");
    }
    assert_eq!(message.lines().count(), 3, "{message}");
}

#[test]
fn a_start_with_rules_about_requests_and_nobody_to_tell_of_them_fails() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", CLOSED);
    let mut start = command();
    start.arg("serve").envs([
        ("DATABASE_URL", "postgres://keyward@127.0.0.1:1/keyward"),
        ("KEYWARD__AUTHORIZE__POLICY_FILE", &policy),
    ]);
    let message = run(&mut start).failed();
    assert!(message.contains("name its network in server.trusted_proxies"), "{message}");
}
