//! A process that has no file descriptor left.

use std::process::Command;

use test_support::{
    eventually,
    replica::Replica,
    wire::{Connection, head},
};

use crate::process::busyness;

fn limit_files(pid: u32, count: usize) {
    let set = Command::new("prlimit").arg(format!("--pid={pid}")).arg(format!("--nofile={count}")).status();
    assert!(set.expect("prlimit runs").success());
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "the limit is set by prlimit")]
async fn when_there_are_no_file_descriptors_it_waits_without_spinning_and_goes_on_when_there_are() {
    let replica = Replica::start().await;
    let request = format!("{}\r\n", head("GET", "/healthz"));
    let mut known = Connection::open(&replica).await;
    known.send(&request).await;
    assert_eq!(known.answer().await.status, 200);
    let open = std::fs::read_dir(format!("/proc/{}/fd", replica.pid())).expect("descriptors").count();
    limit_files(replica.pid(), open + 8);
    let mut many = Vec::new();
    for _ in 0..60 {
        many.push(Connection::open(&replica).await);
    }
    replica.prints("Error accepting connection").await;
    let busyness = busyness(replica.pid()).await;
    assert!(busyness < 0.5, "busy for {busyness} of the time");
    // Who has a connection is served.
    known.send(&request).await;
    assert_eq!(known.answer().await.status, 200);
    drop(many);
    eventually("new connections are served", async || {
        let mut new = Connection::open(&replica).await;
        new.send(&request).await;
        new.answer().await.status == 200
    })
    .await;
}
