//! The Unix socket, for gateways on the same machine.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::json;
use test_support::{
    actors::{CREATE, PROTECTED, Person},
    asking::{Reply, replica_with},
    client::request,
    eventually,
    program::{Folder, run_beside},
    replica::{Replica, command},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

const SETTING: &str = "KEYWARD__SERVER__SOCKET";
const MODE: &str = "KEYWARD__SERVER__SOCKET_MODE";

/// A replica that listens on a socket as well.
struct Local {
    replica: Replica,
    socket: PathBuf,
    _folder: Folder,
}

impl Local {
    async fn with(env: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let socket = folder.path().join("keyward.sock");
        let replica = replica_with(&[&[(SETTING, text(&socket))], env].concat()).await;
        Self { replica, socket, _folder: folder }
    }

    /// A question by the socket.
    fn asks(&self, path: &str) -> RequestBuilder {
        let client = Client::builder().unix_socket(self.socket.as_path()).build().expect("a client");
        client.get(format!("http://keyward{path}"))
    }

    async fn connects(&self) -> UnixStream {
        UnixStream::connect(&self.socket).await.expect("a connection")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test]
async fn by_the_socket_everything_is_answered_as_by_the_port() {
    let local = Local::with(&[]).await;
    let key = Person::named("alice").makes_a_key(&local.replica).await.key;
    for (path, refused) in [(PROTECTED, 403), ("/v1/authorize", 401)] {
        assert_eq!(Reply::to(local.asks(path).header("x-api-key", &key)).await.status, 200, "{path}");
        assert_eq!(Reply::to(local.asks(path)).await.status, refused, "{path}");
    }
    assert_eq!(Reply::to(local.asks("/healthz")).await.status, 200);
}

#[tokio::test]
async fn who_asks_by_the_socket_is_believed_and_nobody_else() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", "[[rules]]\npaths = [\"/orders\"]\n");
    let local = Local::with(&[("KEYWARD__AUTHORIZE__POLICY_FILE", &policy)]).await;
    let key =
        Person::named("alice").creates(&local.replica, json!({ "allowedIps": ["192.0.2.0/24"] })).await.holder.key;
    let told = |request: RequestBuilder, client: &str| {
        request.header("x-api-key", &key).header("x-forwarded-for", client).header("x-original-uri", "/orders")
    };
    let by_socket = || local.asks("/v1/authorize");
    let by_port = || request(Method::GET, local.replica.url("/v1/authorize"));
    assert_eq!(Reply::to(told(by_socket(), "192.0.2.1")).await.status, 200);
    assert_eq!(Reply::to(told(by_socket(), "198.51.100.1")).await.status, 401);
    assert_eq!(Reply::to(told(by_port(), "192.0.2.1")).await.status, 403, "a stranger tells of no request");

    // The socket itself has no address that the key could be bound to.
    let silent = by_socket().header("x-api-key", &key).header("x-original-uri", "/orders");
    assert_eq!(Reply::to(silent).await.status, 401);
}

#[tokio::test]
async fn whoever_reads_late_by_the_socket_gets_every_answer_whole() {
    const ANSWERS: usize = 30;
    let local = Local::with(&[]).await;
    let document = Reply::to(local.asks("/openapi.json")).await.text;
    assert!(ANSWERS * document.len() > 2 << 20, "the system keeps that many answers for the client");
    let mut connection = local.connects().await;
    let question = "GET /openapi.json HTTP/1.1\r\nhost: keyward\r\n\r\n".repeat(ANSWERS - 1);
    let last = "GET /openapi.json HTTP/1.1\r\nhost: keyward\r\nconnection: close\r\n\r\n";
    connection.write_all((question + last).as_bytes()).await.expect("sent");
    // Somebody else is served meanwhile.
    assert_eq!(Reply::to(local.asks("/healthz")).await.status, 200);
    let mut answers = String::new();
    connection.read_to_string(&mut answers).await.expect("answers");
    assert_eq!(answers.matches(&document).count(), ANSWERS);
}

#[tokio::test]
async fn by_the_socket_the_bounds_are_those_of_the_port() {
    let mut local =
        Local::with(&[("KEYWARD__SERVER__HEADER_TIMEOUT", "1s"), ("KEYWARD__SERVER__DRAIN_TIMEOUT", "5m")]).await;
    let mut slow = local.connects().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await.expect("sent");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    // It doesn't hold the end up: the tests' patience ends before five minutes do.
    let _idle = local.connects().await;
    local.replica.signal("TERM");
    assert_eq!(local.replica.exit_code().await, Some(0));
}

#[tokio::test]
async fn the_socket_is_open_to_its_group_and_gone_after_the_end() {
    let mut local = Local::with(&[]).await;
    assert_eq!(mode(&local.socket), 0o660);
    local.replica.signal("TERM");
    assert_eq!(local.replica.exit_code().await, Some(0));
    assert!(!local.socket.exists());

    let open = Local::with(&[(MODE, "666")]).await;
    assert_eq!(mode(&open.socket), 0o666);
}

#[tokio::test]
async fn a_socket_that_a_killed_process_has_left_is_replaced() {
    let mut local = Local::with(&[]).await;
    local.replica.signal("KILL");
    assert_eq!(local.replica.exit_code().await, None);
    assert!(local.socket.exists());
    let again = [(SETTING, text(&local.socket))];
    let successor = Replica::start_on(local.replica.database().url(), &again).await;
    assert_eq!(Reply::to(local.asks("/healthz")).await.status, 200);
    drop(successor);
}

#[tokio::test]
async fn a_successor_that_starts_while_a_replica_drains_keeps_its_socket() {
    let mut local = Local::with(&[]).await;
    // A request under way, for an earlier one has been answered.
    let mut under_way = local.connects().await;
    under_way.write_all(b"GET /healthz HTTP/1.1\r\nhost: keyward\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"status":"ok"}"#) {
        assert_ne!(under_way.read_buf(&mut answer).await.expect("readable"), 0, "the connection was closed");
    }
    let token = Person::named("alice").token;
    let head = format!("POST {CREATE} HTTP/1.1\r\nhost: keyward\r\nauthorization: Bearer {token}\r\n");
    // The answer to `Expect` shows that the replica has read the head, so that the request is under way.
    let head = format!("{head}expect: 100-continue\r\ncontent-length: 10\r\n\r\n");
    under_way.write_all(head.as_bytes()).await.expect("sent");
    answer.clear();
    while !answer.ends_with(b"HTTP/1.1 100 Continue\r\n\r\n") {
        assert_ne!(under_way.read_buf(&mut answer).await.expect("readable"), 0, "the connection was closed");
    }
    under_way.write_all(b"12345").await.expect("sent");

    local.replica.signal("TERM");
    eventually("nobody listens", async || UnixStream::connect(&local.socket).await.is_err()).await;
    let same = [(SETTING, text(&local.socket))];
    let successor = Replica::start_on(local.replica.database().url(), &same).await;
    under_way.write_all(b"67890").await.expect("sent");
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).await.expect("a whole answer");
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}\n{}", local.replica.last_output());
    assert_eq!(local.replica.exit_code().await, Some(0), "{}", local.replica.last_output());
    assert_eq!(Reply::to(local.asks("/healthz")).await.status, 200);
    drop(successor);
}

#[tokio::test]
async fn what_somebody_else_uses_is_left_alone_and_named() {
    let folder = Folder::new();
    let file = folder.file("notes.txt", "mine");
    let taken = folder.path().join("taken.sock");
    let _listener = UnixListener::bind(&taken).expect("a new socket");
    let nowhere = folder.path().join("missing/keyward.sock");
    for (path, complaint) in [
        (file.as_str(), "where something else is"),
        (text(&taken), "listens on"),
        (text(&nowhere), "Its directory must be there"),
    ] {
        let mut serve = command();
        serve.arg("serve").env("DATABASE_URL", "postgres://keyward@127.0.0.1:1/keyward").env(SETTING, path);
        let message = run_beside(serve).await.failed();
        assert!(message.contains(path) && message.contains(complaint), "{message}");
    }
    assert_eq!(fs::read_to_string(&file).expect("it is still there"), "mine");
    assert!(taken.exists());
}
