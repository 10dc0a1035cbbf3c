//! How a replica ends: unready first, then drained, in bounded time.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use test_support::{
    actors::{CREATE, KeyHolder, PROTECTED, Person, stranger},
    client::client,
    eventually,
    replica::Replica,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
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
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}\n{}", replica.last_output());
}

/// Of two workers one ends at once, while the other's request waits for the database on a connection that the first has
/// opened.
#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "the workers are counted by /proc")]
async fn a_connection_to_the_database_outlives_the_worker_that_has_opened_it() {
    let mut replica = Replica::start_with(&[
        ("KEYWARD__SERVER__WORKERS", "2"),
        ("KEYWARD__SERVER__UNREADY_PERIOD", "0s"),
        ("KEYWARD__DATABASE__POOL_SIZE", "1"),
        ("KEYWARD__DATABASE__STATEMENT_TIMEOUT", "30s"),
    ])
    .await;
    let token = Person::named("alice").token;
    // Connections are given to workers in turn.
    let mut under_way = connection_with(&replica, &half_a_creation(&token)).await;
    let mut other = TcpStream::connect(replica.address()).await.expect("a connection");
    let database = replica.database().superuser_pool().await;
    let before = session_that_is_asked(&mut other, &database).await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(before).execute(&database).await.expect("ended");
    assert_ne!(session_that_is_asked(&mut other, &database).await, before);
    drop(other);

    let mut in_the_way = database.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE api_keys").execute(&mut *in_the_way).await.expect("a lock");
    under_way.write_all(b"67890").await.expect("sent");
    eventually("the creation waits", async || waiting(&database).await.is_some()).await;
    replica.signal("TERM");
    eventually("one worker is left", async || workers(replica.pid()) == 1).await;
    in_the_way.rollback().await.expect("out of the way");

    let mut answer = String::new();
    under_way.read_to_string(&mut answer).await.expect("a whole answer");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}\n{}", replica.last_output());
}

/// The process id of the session with the database in which a worker asks whether the replica is ready.
async fn session_that_is_asked(connection: &mut TcpStream, database: &PgPool) -> i32 {
    let mut in_the_way = database.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE _sqlx_migrations").execute(&mut *in_the_way).await.expect("a lock");
    let session = tokio::select! {
        session = async { loop { if let Some(session) = waiting(database).await { break session } } } => session,
        // The last answer serves for a while.
        () = async { loop { asks_for_readiness(connection).await } } => unreachable!("it never ends"),
    };
    in_the_way.rollback().await.expect("out of the way");
    session
}

/// A session of Keyward's that waits for a lock.
async fn waiting(database: &PgPool) -> Option<i32> {
    let session = "SELECT pid FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name LIKE 'keyward%' AND wait_event_type = 'Lock'";
    sqlx::query_scalar(session).fetch_optional(database).await.expect("a process id")
}

async fn asks_for_readiness(connection: &mut TcpStream) {
    connection.write_all(b"HEAD /readyz HTTP/1.1\r\nhost: keyward\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        assert_ne!(connection.read_buf(&mut answer).await.expect("readable"), 0, "the connection was closed");
    }
}

/// How many threads of a process serve requests.
fn workers(pid: u32) -> usize {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("a process").flatten();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.starts_with("actix-server wo")).count()
}

/// The tests' patience ends before that minute does.
#[tokio::test]
async fn on_int_it_ends_at_once() {
    let mut replica = Replica::start_with(&[("KEYWARD__SERVER__UNREADY_PERIOD", "1m")]).await;
    replica.signal("INT");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
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
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_end_up() {
    let mut replica = Replica::start_with(&[("KEYWARD__SERVER__DRAIN_TIMEOUT", "5m")]).await;
    let _idle = connection_with(&replica, "").await;
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
}

/// Whoever sends it again has no patience left.
#[tokio::test]
async fn a_second_term_ends_the_wait_for_load_balancers_and_for_requests_under_way() {
    const LONG: &str = "60s";
    let env = [("KEYWARD__SERVER__UNREADY_PERIOD", LONG), ("KEYWARD__SERVER__DRAIN_TIMEOUT", LONG)];
    let mut replica = Replica::start_with(&env).await;
    let alice = Person::named("alice");
    let limited = json!({ "credits": { "remaining": 100 } });
    let key = alice.creates(&replica, limited).await;
    assert_eq!(key.status(&replica).await, 200);
    let mut under_way = connection_with(&replica, &half_a_creation(&alice.token)).await;
    replica.signal("TERM");
    eventually("unready", async || readiness(&replica).await == 503).await;

    let told = std::time::Instant::now();
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0), "{}", replica.last_output());
    assert!(told.elapsed() < std::time::Duration::from_secs(10), "it took {:?}", told.elapsed());
    let output = replica.output();
    assert!(output.contains("stopping at once") && output.contains("\"stopped\""), "{output}");
    let mut answer = String::new();
    let _ = under_way.read_to_string(&mut answer).await;
    assert!(answer.is_empty(), "{answer}");
    // What it had in hand was given back, and it has told the others that it is gone.
    let rows = replica.database().superuser_pool().await;
    let replicas: i64 = sqlx::query_scalar("SELECT count(*) FROM replicas").fetch_one(&rows).await.expect("a count");
    let slices = "SELECT coalesce(sum(held), 0)::bigint FROM credit_slices";
    let in_hand: i64 = sqlx::query_scalar(slices).fetch_one(&rows).await.expect("a sum");
    assert_eq!((replicas, in_hand), (0, 0));
}
