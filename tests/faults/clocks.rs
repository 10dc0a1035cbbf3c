//! A replica whose clock steps: an operator sets it, or a time daemon finds out that it was wrong by hours. Leases are
//! measured by clocks that nobody sets, so the promise does not notice.

use std::{fs, path::PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, stranger},
    asking::{KEYS, Reply, SHORT_LEASE, changes_are_confirmed_by},
    database,
    program::Folder,
    replica::Replica,
};

/// What the clock is wrong by; in the end it is right again.
const STEPS: [&str; 4] = ["-90d", "+90d", "-400d", "+0"];

/// The library that shows a program another time, where it is installed.
fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    let found = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
    let reason = "libfaketime is not installed";
    assert!(found.is_some() || std::env::var_os("KEYWARD_REQUIRE_GATEWAYS").is_none(), "{reason}");
    if found.is_none() {
        println!("skipped: {reason}");
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_steps_by_months_breaks_no_promise_and_costs_no_lease() {
    let Some(library) = faketime() else { return };
    let database = database().await;
    let folder = Folder::new();
    let wrong_by = folder.file("wrong-by", "+0");
    let set = |step: &str| fs::write(&wrong_by, step).expect("written");
    let env = [
        SHORT_LEASE,
        ("LD_PRELOAD", library.to_str().expect("text")),
        ("FAKETIME_TIMESTAMP_FILE", &wrong_by),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let start = |env| Replica::start_on(database.url(), env);
    let replicas = tokio::join!(start(&env), start(&env[..1]), start(&env[..1]));
    let replicas = [replicas.0, replicas.1, replicas.2];
    let alice = Person::named("alice");
    for step in STEPS {
        changes_are_confirmed_by(3, &replicas[1]).await;
        let (held, ended) =
            (alice.creates(&replicas[1], json!({})).await, alice.creates(&replicas[1], json!({})).await);
        held.is_everywhere(&replicas, 200).await;
        ended.is_everywhere(&replicas, 200).await;
        set(step);
        let revoked = alice.deletes(&replicas[1], &held.path()).await.is(200);
        held.is_everywhere(&replicas, 401).await;
        // By its holder, at the replica with the wrong clock: it decides when the others have confirmed.
        let ending = stranger(&replicas[0], Method::DELETE, &format!("{KEYS}/self"));
        let by_holder = Reply::to(ending.header("x-api-key", &ended.holder.key)).await.is(200);
        ended.is_everywhere(&replicas, 401).await;
        let day = |answer: &Value| answer["revokedAt"].as_str().expect("a time")[..10].to_owned();
        assert_eq!(day(&revoked) != day(&by_holder), step.ends_with('d'), "the clock did not step: {by_holder}");
        for answer in [revoked, by_holder] {
            assert_eq!(
                (&answer["replicasConfirmed"], &answer["replicasExpired"]),
                (&json!(3), &json!(0)),
                "{step}: {answer}"
            );
        }
    }
}
