//! SIGHUP where no policy file is set: it ends nothing, at no time.

use std::process::Stdio;

use test_support::{
    actors::Person,
    eventually,
    replica::{Output, Replica, command, exit_code, signal},
};

const TOLD: &str = "there is nothing to read again";

#[tokio::test]
async fn sighup_without_a_policy_file_ends_nothing_and_is_answered_in_the_log() {
    let replica = Replica::start().await;
    for times in 1..=3 {
        replica.signal("HUP");
        eventually("it is told", async || replica.output().matches(TOLD).count() >= times).await;
    }
    let holder = Person::named("alice").makes_a_key(&replica).await;
    assert_eq!(holder.asks_for_the_resource(&replica).await.status(), 200);
}

#[tokio::test]
async fn sighup_without_a_policy_file_does_not_end_a_replica_that_waits_for_its_database() {
    let mut serve = command();
    // Nobody listens there.
    serve.arg("serve").env("DATABASE_URL", "postgres://keyward@127.0.0.1:1/keyward");
    let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keyward starts");
    let output = Output::collect(&mut process);
    output.line_with("waiting for the database").await;
    signal(process.id(), "HUP");
    output.line_with(TOLD).await;
    // Who ends by itself has a code; whom a signal ends has none.
    signal(process.id(), "TERM");
    assert_eq!(exit_code(&mut process, &output).await, Some(0), "{}", output.last());
}

#[tokio::test]
async fn sighup_does_not_end_a_replica_that_still_reads_its_configuration() {
    let folder = test_support::program::Folder::new();
    let path = folder.path().join("keyward.toml");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    let mut serve = command();
    serve.arg("serve").arg("--config").arg(&path).env("DATABASE_URL", "postgres://keyward@127.0.0.1:1/keyward");
    let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("keyward starts");
    let output = Output::collect(&mut process);
    // Opening returns when the other end is opened: then the configuration is being read.
    let mut end = tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(path))
        .await
        .expect("no panic")
        .expect("the pipe is opened");
    signal(process.id(), "HUP");
    std::io::Write::write_all(&mut end, b"[server]\n").expect("it is read");
    drop(end);
    output.line_with(TOLD).await;
    signal(process.id(), "TERM");
    assert_eq!(exit_code(&mut process, &output).await, Some(0), "{}", output.last());
}

#[tokio::test]
async fn signals_of_programs_that_rotate_logs_end_nothing_and_are_answered_in_the_log() {
    let replica = Replica::start().await;
    for name in ["USR1", "USR2"] {
        replica.signal(name);
        replica.prints(&format!("\"signal\":\"SIG{name}\"")).await;
    }
    let holder = Person::named("alice").makes_a_key(&replica).await;
    assert_eq!(holder.asks_for_the_resource(&replica).await.status(), 200);
}
