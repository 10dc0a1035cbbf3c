//! HTTP servers in the test: the API behind the gateway, and what stands in Keyward's place. They remember what they
//! were sent, as it came. And a wire that counts connections.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Who asks for a path with this end only wants to know whether it is answered. That is no part of a test.
pub(crate) const READY: &str = "/readyz";

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as they were written.
    pub(crate) target: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The header's value, which must not be repeated; an empty one counts as none.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is repeated in {self:?}");
        value.filter(|value| !value.is_empty())
    }
}

/// What a server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Conduct {
    /// Answers with this status, these headers and this body. A WebSocket gets its own bytes back.
    Answers(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Never answers.
    Hangs,
    /// Closes the connection instead of an answer.
    BreaksOff,
}

type Requests = Arc<Mutex<Vec<Request>>>;

/// A server. It ends with the test.
pub(crate) struct Server {
    address: String,
    requests: Requests,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn that(conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        let requests = Requests::default();
        let accepting = tokio::spawn(accept(listener, conduct, Arc::clone(&requests)));
        Self { address, requests, accepting }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("nobody panics meanwhile").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, conduct: Conduct, requests: Requests) {
    while let Ok((stream, _)) = listener.accept().await {
        let (conduct, requests) = (conduct.clone(), Arc::clone(&requests));
        tokio::spawn(async move {
            // A connection that breaks off is the other end's affair.
            let _ = serve(BufReader::new(stream), &conduct, &requests).await;
        });
    }
}

async fn serve(mut stream: BufReader<TcpStream>, conduct: &Conduct, requests: &Requests) -> io::Result<()> {
    while let Some(request) = read_request(&mut stream).await? {
        if request.target.ends_with(READY) {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
            continue;
        }
        let (is_head, is_web_socket) = (request.method == "HEAD", request.header("upgrade") == Some("websocket"));
        requests.lock().expect("nobody panics meanwhile").push(request);
        let (status, headers, body) = match conduct {
            Conduct::Answers(status, headers, body) => (status, headers, body),
            Conduct::Hangs => std::future::pending().await,
            Conduct::BreaksOff => return Ok(()),
        };
        if is_web_socket {
            return be_an_echo(stream).await;
        }
        let mut answer = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str("\r\n");
        if !is_head {
            answer.push_str(body);
        }
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

async fn be_an_echo(mut stream: BufReader<TcpStream>) -> io::Result<()> {
    let accept = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(accept.as_bytes()).await?;
    let (mut read, mut write) = tokio::io::split(stream);
    copy(&mut read, &mut write).await?;
    Ok(())
}

/// The next request; `None` at the end of the connection.
async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let Some(first) = read_line(stream).await? else { return Ok(None) };
    let mut words = first.split(' ').map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let mut headers = Vec::new();
    while let Some(line) = read_line(stream).await?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, target, headers, body: Vec::new() };
    if let Some(length) = request.header("content-length") {
        let mut body = vec![0; length.parse().map_err(io::Error::other)?];
        stream.read_exact(&mut body).await?;
        request.body = body;
    } else if request.header("transfer-encoding") == Some("chunked") {
        request.body = read_chunks(stream).await?;
    }
    Ok(Some(request))
}

async fn read_chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(stream).await?.unwrap_or_default();
        let mut chunk = vec![0; usize::from_str_radix(&size, 16).map_err(io::Error::other)?];
        stream.read_exact(&mut chunk).await?;
        read_line(stream).await?;
        if chunk.is_empty() {
            return Ok(body);
        }
        body.extend(chunk);
    }
}

/// Without its end; `None` at the end of the connection.
async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let count = stream.read_line(&mut line).await?;
    Ok((count > 0).then(|| line.trim_end().to_owned()))
}

/// A wire that counts the connections through it.
pub(crate) struct Wire {
    address: String,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepting = tokio::spawn(connect(listener, server.to_owned(), Arc::clone(&connections)));
        Self { address, connections, accepting }
    }

    /// `host:port` of its near end.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How many there were so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connect(listener: TcpListener, server: String, connections: Arc<AtomicUsize>) {
    while let Ok((mut near, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::Relaxed);
        let server = server.clone();
        tokio::spawn(async move {
            if let Ok(mut far) = TcpStream::connect(&server).await {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
