//! Connections of clients, the policy file, and the clock of the database.

use std::fs;

use test_support::{asking::replica_with, client, program::Folder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Scrape, becomes, grows};

const OPEN: &str = "keyward_http_connections";
const LOADED: &str = "keyward_policy_load_timestamp_seconds";
const FAILURES: &str = "keyward_policy_load_failures_total";

/// A connection that has been answered, and is kept.
async fn connection(address: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: keyward\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"status":"ok"}"#) {
        assert_ne!(connection.read_buf(&mut answer).await.expect("readable"), 0, "the connection was closed");
    }
    connection
}

#[tokio::test]
async fn open_connections_of_clients_are_counted_until_they_end_and_so_is_the_room_for_them() {
    let replica =
        replica_with(&[("KEYWARD__SERVER__MAX_CONNECTIONS", "77"), ("KEYWARD__METRICS__LISTEN", "127.0.0.1:0")]).await;
    let address = replica.prints("metrics are served").await;
    let address: serde_json::Value = serde_json::from_str(&address).expect("JSON");
    let url = format!("http://{}/metrics", address["address"].as_str().expect("an address"));
    let scrape = async || Scrape::read(client::get(&url).await.expect("an answer").text().await.expect("text"));
    let open = async |expected: f64| {
        test_support::eventually(&format!("{expected} connections"), async || {
            scrape().await.get(OPEN, &[]) == Some(expected)
        })
        .await;
    };
    assert_eq!(scrape().await.get("keyward_http_connections_limit", &[]), Some(77.0));
    open(0.0).await;
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(connection(replica.address()).await);
    }
    open(3.0).await;
    connections.pop();
    open(2.0).await;
    drop(connections);
    open(0.0).await;
}

#[tokio::test]
async fn when_the_policy_was_read_and_how_often_it_was_not_taken_is_counted() {
    let folder = Folder::new();
    let good = "[[rules]]\npaths = [\"/a\"]\n";
    let file = folder.file("policy.toml", good);
    let before = test_support::actors::now() as f64;
    let replica = replica_with(&[
        ("KEYWARD__AUTHORIZE__POLICY_FILE", &file),
        ("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.1/32"),
    ])
    .await;
    let first = Scrape::of(&replica).await;
    let loaded = first.get(LOADED, &[]).expect("a time");
    assert!((before - 1.0..=test_support::actors::now() as f64 + 1.0).contains(&loaded), "{loaded}");
    assert_eq!(first.get(FAILURES, &[]), Some(0.0));
    fs::write(&file, "[[rules]]\npaths = 1\n").expect("written");
    grows(&replica, &first, FAILURES, &[], 1.0).await;
    assert_eq!(Scrape::of(&replica).await.get(LOADED, &[]), Some(loaded));
    // A time of whole seconds.
    test_support::eventually("another second", async || test_support::actors::now() as f64 > loaded + 1.0).await;
    fs::write(&file, good.replace("/a", "/b")).expect("written");
    becomes(&replica, LOADED, &[], |again| again > loaded).await;
    let without = replica_with(&[]).await;
    let scrape = Scrape::of(&without).await;
    assert_eq!((scrape.get(LOADED, &[]), scrape.get(FAILURES, &[])), (None, None));
}

/// Both are this machine's.
#[tokio::test]
async fn the_clock_of_the_database_is_compared() {
    let replica = replica_with(&[]).await;
    becomes(&replica, "keyward_database_clock_offset_seconds", &[], |ahead| ahead.abs() < 1.0).await;
}
