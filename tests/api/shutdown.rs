//! How a replica ends: unready first, then drained, in bounded time.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    actors::{CREATE, KeyHolder, PROTECTED, Person, client, stranger},
    program::eventually,
    replica::Replica,
};

async fn readiness(replica: &Replica) -> u16 {
    stranger(replica, Method::GET, "/readyz").send().await.expect("an answer").status().as_u16()
}

/// A client that checks a key over and over until `looks_away`, on one connection that is kept.
fn load(
    replica: &Replica,
    holder: &KeyHolder,
    looks_away: &Arc<AtomicBool>,
) -> (tokio::task::JoinHandle<()>, Arc<AtomicUsize>) {
    let (url, key, looks_away) = (replica.url(PROTECTED), holder.key.clone(), Arc::clone(looks_away));
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let task = tokio::spawn(async move {
        let client = client();
        while !looks_away.load(Ordering::Relaxed) {
            let answer = client.get(&url).header("x-api-key", &key).send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            answer.bytes().await.expect("a whole body");
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (task, served)
}

/// A connection on which `text` has been sent and, so that it is surely being worked on, an answer to
/// an earlier request has been read.
async fn connection_with(replica: &Replica, text: &str) -> TcpStream {
    let mut connection = TcpStream::connect(replica.address()).await.expect("a connection");
    connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: keyward\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"status":"ok"}"#) {
        assert_ne!(connection.read_buf(&mut answer).await.expect("readable"), 0, "the connection was closed");
    }
    connection.write_all(text.as_bytes()).await.expect("sent");
    connection
}

fn half_a_creation(token: &str) -> String {
    format!(
        "POST {CREATE} HTTP/1.1\r\nhost: keyward\r\nauthorization: Bearer {token}\r\ncontent-length: 10\r\n\r\n12345"
    )
}

#[tokio::test]
async fn on_term_it_is_unready_first_then_drained_and_no_request_fails() {
    let mut replica = Replica::start_with(&[("KEYWARD__SERVER__UNREADY_PERIOD", "2s")]).await;
    let alice = Person::named("alice");
    let holder = alice.makes_a_key(&replica).await;
    assert_eq!(readiness(&replica).await, 200);
    let looks_away = Arc::new(AtomicBool::new(false));
    let (load, served) = load(&replica, &holder, &looks_away);
    let mut under_way = connection_with(&replica, &half_a_creation(&alice.token)).await;

    replica.signal("TERM");
    eventually("unready", async || readiness(&replica).await == 503).await;
    let before = served.load(Ordering::Relaxed);
    eventually("still serving", async || served.load(Ordering::Relaxed) > before + 10).await;
    // A new connection is served as well.
    assert_eq!(holder.asks_for_the_resource(&replica).await.status(), 200);
    // This is what the load balancer does on an unready replica.
    looks_away.store(true, Ordering::Relaxed);
    load.await.expect("no request failed");

    let refused = async || TcpStream::connect(replica.address()).await.is_err();
    eventually("no new connections are taken", refused).await;
    under_way.write_all(b"67890").await.expect("sent");
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).await.expect("a whole answer");
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}\n{}", replica.output());
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.output());
}

/// The tests' patience ends before that minute does.
#[tokio::test]
async fn on_int_it_ends_at_once() {
    let mut replica = Replica::start_with(&[("KEYWARD__SERVER__UNREADY_PERIOD", "1m")]).await;
    replica.signal("INT");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.output());
}

/// The tests' patience ends before these timeouts do.
#[tokio::test]
async fn a_request_that_never_ends_cannot_hold_the_end_up_for_longer_than_the_drain_timeout() {
    let mut replica = Replica::start_with(&[
        ("KEYWARD__SERVER__DRAIN_TIMEOUT", "1s"),
        ("KEYWARD__SERVER__HEADER_TIMEOUT", "1m"),
        ("KEYWARD__SERVER__BODY_TIMEOUT", "5m"),
    ])
    .await;
    let token = Person::named("alice").token;
    let _half_a_head = connection_with(&replica, "GET /api/protected-resource HTTP/1.1\r\nx-api-").await;
    let _half_a_body = connection_with(&replica, &half_a_creation(&token)).await;
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.output());
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_end_up() {
    let mut replica = Replica::start_with(&[("KEYWARD__SERVER__DRAIN_TIMEOUT", "5m")]).await;
    let _idle = connection_with(&replica, "").await;
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.output());
}
