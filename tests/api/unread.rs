//! Answers that nobody reads, and requests that never end: bounded memory, no core at work for them, cut by a deadline.

use std::path::PathBuf;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::json;
use test_support::{
    actors::Person,
    asking::{Reply, replica_with},
    eventually,
    program::Folder,
    replica::Replica,
    wire::{Connection, head},
};

use crate::process::{busyness, memory_kib};

/// The largest file that is served: 1.4 MB.
const FILE: &str = "/docs/swagger-ui-bundle.js";
const CONNECTIONS: usize = 200;
/// How many of them are filled at once.
const AT_ONCE: usize = 20;
/// What docs/configuration.md says that a connection takes at most, in KiB.
const CONNECTION_KIB: u64 = 56;

/// A replica that is asked by port and by socket.
struct Place {
    replica: Replica,
    socket: PathBuf,
    _folder: Folder,
}

impl Place {
    async fn with(env: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let socket = folder.path().join("keyward.sock");
        let setting = ("KEYWARD__SERVER__SOCKET", socket.to_str().expect("UTF-8"));
        let replica = replica_with(&[&[setting], env].concat()).await;
        Self { replica, socket, _folder: folder }
    }

    async fn connection(&self, by_socket: bool) -> Connection {
        if by_socket { Connection::by(&self.socket).await } else { Connection::open(&self.replica).await }
    }

    fn memory_kib(&self) -> u64 {
        memory_kib(self.replica.pid())
    }
}

fn get(target: &str) -> String {
    format!("{}\r\n", head("GET", target))
}

#[tokio::test]
async fn a_client_that_pipelines_and_reads_nothing_keeps_no_core_busy() {
    for by_socket in [false, true] {
        let place = Place::with(&[("KEYWARD__SERVER__WRITE_TIMEOUT", "1m")]).await;
        let mut silent = place.connection(by_socket).await;
        silent.send_as_far_as_it_goes(get(FILE).repeat(6_500).as_bytes()).await;
        let busyness = busyness(place.replica.pid()).await;
        assert!(busyness < 0.5, "by socket: {by_socket}, busy for {busyness} of the time");
        drop(silent);
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_take_little_memory() {
    for by_socket in [false, true] {
        for requests in [1, 60] {
            let place = Place::with(&[("KEYWARD__SERVER__WRITE_TIMEOUT", "1m")]).await;
            let mut warm = place.connection(by_socket).await;
            warm.send(get(FILE)).await;
            assert_eq!(warm.answer().await.status, 200);
            let before = place.memory_kib();
            // With the largest heads that need none of the budget.
            let request = format!("{}x: {}\r\n\r\n", head("GET", FILE), "x".repeat(7_900));
            let request = request.repeat(requests);
            let silent = stream::iter(0..CONNECTIONS).map(async |_| {
                let mut connection = place.connection(by_socket).await;
                connection.send_as_far_as_it_goes(request.as_bytes()).await;
                connection
            });
            let _silent: Vec<_> = silent.buffer_unordered(AT_ONCE).collect().await;
            // All of them are being answered when somebody behind them has been.
            warm.send(get("/healthz")).await;
            assert_eq!(warm.answer().await.status, 200);
            let each = place.memory_kib().saturating_sub(before) / CONNECTIONS as u64;
            assert!(
                each < CONNECTION_KIB,
                "by socket: {by_socket}, requests: {requests}, {each} KiB for each connection"
            );
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off_and_a_slow_one_is_not() {
    for by_socket in [false, true] {
        let place = Place::with(&[("KEYWARD__SERVER__WRITE_TIMEOUT", "1s")]).await;
        let mut silent = place.connection(by_socket).await;
        silent.send(get(FILE)).await;
        silent.send_until_closed(get(FILE).as_bytes()).await;

        let mut slow = place.connection(by_socket).await;
        slow.send(get(FILE)).await;
        let answer = slow.answer_read_slowly().await;
        assert_eq!(
            (answer.status, answer.body.len().to_string().as_str()),
            (200, answer.header("content-length").expect("a length"))
        );
        assert!(answer.body.len() > 1_000_000);
    }
}

/// The list is made for its client alone; it is as large as one may ask for.
#[tokio::test]
async fn what_is_made_for_clients_that_do_not_read_has_a_bound_for_all_of_them_together() {
    let place =
        Place::with(&[("KEYWARD__SERVER__WRITE_TIMEOUT", "5s"), ("KEYWARD__SERVER__MAX_BUFFERED_BYTES", "1048576")])
            .await;
    let alice = Person::named("alice");
    let note = "n".repeat(4_000);
    for _ in 0..100 {
        alice.creates(&place.replica, json!({ "metadata": { "note": note } })).await;
    }
    let list = format!("{}Authorization: Bearer {}\r\n\r\n", head("GET", "/v1/keys?limit=100"), alice.token);
    let size = {
        let mut connection = place.connection(true).await;
        connection.send(&list).await;
        connection.answer().await.body.len()
    };
    assert!(size > 400_000, "{size}");
    let before = place.memory_kib();
    let mut silent = Vec::new();
    for _ in 0..60 {
        let mut connection = place.connection(true).await;
        connection.send(&list).await;
        silent.push(connection);
    }
    let reads = async || Reply::to(alice.request(&place.replica, Method::GET, "/v1/keys?limit=100")).await;
    // Those who came too late were told so, and hold nothing.
    place.replica.prints("server.max_buffered_bytes is used up").await;
    // Her own requests that still wait for their turn go first.
    eventually("who comes too late is refused", async || {
        let late = reads().await;
        (late.status, late.header("retry-after")) == (503, Some("1"))
    })
    .await;
    let grown = place.memory_kib().saturating_sub(before);
    assert!(grown < 12_000, "{grown} KiB for {} lists of {size} bytes", silent.len());
    assert_eq!(Reply::to(alice.request(&place.replica, Method::GET, "/v1/keys?limit=1")).await.status, 200);
    drop(silent);
    eventually("there is room again", async || reads().await.status == 200).await;
}

/// What a connection keeps of a large head it keeps for as long as it lasts. And to announce a body costs nothing.
#[tokio::test]
async fn who_holds_connections_open_and_sends_nothing_does_not_keep_large_requests_of_others_out() {
    let place = Place::with(&[
        ("KEYWARD__SERVER__MAX_BUFFERED_BYTES", "1048576"),
        ("KEYWARD__SERVER__BODY_TIMEOUT", "1m"),
        ("KEYWARD__SERVER__KEEP_ALIVE", "1h"),
    ])
    .await;
    let large = format!("{}x: {}\r\n\r\n", head("GET", "/healthz"), "x".repeat(12_000));
    // Three times as many as the budget has room for.
    let mut idle = Vec::new();
    for number in 0..64 {
        let mut connection = place.connection(number % 2 == 0).await;
        connection.send(&large).await;
        assert_eq!(connection.answer().await.status, 200, "{number}");
        idle.push(connection);
    }
    let mut silent = Vec::new();
    for _ in 0..64 {
        let mut connection = place.connection(false).await;
        let announces = format!("{}Content-Length: 65536\r\nExpect: 100-continue\r\n\r\n", head("POST", "/v1/keys"));
        connection.send(announces).await;
        connection.continues().await;
        silent.push(connection);
    }
    let mut other = place.connection(false).await;
    other.send(&large).await;
    assert_eq!(other.answer().await.status, 200);
    let alice = Person::named("alice");
    let note = "n".repeat(4_000);
    alice.creates(&place.replica, json!({ "metadata": { "note": note }, "name": "a".repeat(100) })).await;
}
