//! A proxy that hands every request on, and loses answers: the server has done it, and the client doesn't know.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The connection is closed instead.
    Closed,
    /// The connection is reset instead.
    Reset,
    /// It ends in the middle of the body, or of the head where there is none.
    Torn,
    /// Nothing comes, and the connection stays.
    Silence,
    /// What comes is not HTTP.
    Garbage,
    /// The proxy says that it has got none.
    GatewayTimeout,
}

impl Loss {
    pub(crate) const ALL: [Self; 6] =
        [Self::Closed, Self::Reset, Self::Torn, Self::Silence, Self::Garbage, Self::GatewayTimeout];
}

/// Which answers are lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The first one to each method and path, where all ids of keys count as one.
    First,
    /// The first one to each method and path, so the first about each key.
    FirstOfEachKey,
    All,
}

/// The proxy. Its connections end with it.
pub(crate) struct Lossy {
    address: SocketAddr,
    requests: Arc<Mutex<HashMap<String, usize>>>,
    _accepting: JoinSet<()>,
}

impl Lossy {
    /// One in front of `server` (`host:port`).
    pub(crate) async fn in_front_of(server: &str, loss: Loss, lost: Lost) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let requests = Arc::<Mutex<HashMap<String, usize>>>::default();
        let (server, counts) = (server.to_owned(), Arc::clone(&requests));
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, counts) = (server.clone(), Arc::clone(&counts));
                connections.spawn(async move {
                    let mut client = client;
                    let request = read_request(&mut client).await;
                    let line = first_line(&request);
                    let answer = answer_of(&server, &request).await;
                    // A busy server has done nothing, so there is nothing to lose.
                    if answer.starts_with(b"HTTP/1.1 503 ") {
                        let _ = client.write_all(&answer).await;
                        return;
                    }
                    let counted = if lost == Lost::FirstOfEachKey { line } else { without_ids(&line) };
                    let count = count(&counts, counted);
                    if lost == Lost::All || count == 1 {
                        lose(client, &answer, loss).await;
                    } else {
                        let _ = client.write_all(&answer).await;
                    }
                });
            }
        });
        Self { address, requests, _accepting: accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often the server has done this, such as `POST /v1/keys/{id}/rotate`.
    pub(crate) fn done(&self, line: &str) -> usize {
        let requests = self.requests.lock().expect("no panic");
        requests.iter().filter(|(asked, _)| without_ids(asked) == line).map(|(_, count)| count).sum()
    }
}

fn count(requests: &Mutex<HashMap<String, usize>>, line: String) -> usize {
    let mut requests = requests.lock().expect("no panic");
    let count = requests.entry(line).or_default();
    *count += 1;
    *count
}

/// The line with `{id}` in place of each id of a key, which has 22 characters.
fn without_ids(line: &str) -> String {
    line.split('/').map(|part| if part.len() == 22 { "{id}" } else { part }).collect::<Vec<_>>().join("/")
}

/// Method and path.
fn first_line(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The whole request, with `connection: close` so that the server's answer has an end.
async fn read_request(client: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let head = loop {
        if client.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return received;
        }
        if let Some(end) = end_of_head(&received) {
            break end;
        }
    };
    let text = String::from_utf8_lossy(&received[..head]).into_owned();
    let length =
        text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
    while received.len() < head + length && client.read_buf(&mut received).await.unwrap_or(0) > 0 {}
    let kept = text.lines().filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"));
    let head_lines: String = kept.map(|line| format!("{line}\r\n")).collect();
    [format!("{head_lines}connection: close\r\n\r\n").as_bytes(), &received[head..]].concat()
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|position| position + 4)
}

async fn answer_of(server: &str, request: &[u8]) -> Vec<u8> {
    let mut server = TcpStream::connect(server).await.expect("the server listens");
    server.write_all(request).await.expect("the server reads");
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.expect("the server answers");
    answer
}

async fn lose(mut client: TcpStream, answer: &[u8], loss: Loss) {
    let instead: &[u8] = match loss {
        Loss::Closed => b"",
        Loss::Reset => {
            client.set_zero_linger().expect("a socket");
            b""
        }
        Loss::Torn => {
            let head = end_of_head(answer).expect("a head");
            &answer[..if answer.len() > head { head + (answer.len() - head) / 2 } else { head / 2 }]
        }
        Loss::Silence => return std::future::pending().await,
        Loss::Garbage => b"\0\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\r\n\r\n",
        Loss::GatewayTimeout => b"HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 4\r\nconnection: close\r\n\r\nLate",
    };
    let _ = client.write_all(instead).await;
}
