//! HTTP servers that answer what a test says, plain or by TLS, on loopback.

use std::{future::pending, io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// What came, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query, as they were written.
    pub target: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The header's value, which must not be repeated; an empty one counts as none.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is repeated in {self:?}");
        value.filter(|value| !value.is_empty())
    }
}

/// What becomes of a request.
pub enum Answer {
    /// This status with these headers and this body; the connection is kept.
    Response(u16, Vec<(String, String)>, Vec<u8>),
    /// These bytes, piece by piece, in place of an answer; then the connection is closed.
    Bytes(Box<dyn Iterator<Item = Vec<u8>> + Send>),
    /// The client of a WebSocket gets its own bytes back.
    Echo,
    /// Nothing, for ever.
    Silence,
}

impl Answer {
    /// A response with a body and no headers but those that every one has.
    pub fn with_body(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Response(status, Vec::new(), body.into())
    }

    /// These bytes, from the status line on.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(Box::new(std::iter::once(bytes.into())))
    }

    /// The connection is closed.
    pub fn nothing() -> Self {
        Self::Bytes(Box::new(std::iter::empty()))
    }
}

/// A server. It ends with this value.
pub struct StubServer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl StubServer {
    /// One that gives each request to `handle`.
    pub async fn start<F>(handle: impl Fn(Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::start_with(None, handle).await
    }

    /// The same by TLS, if `tls` is given.
    pub async fn start_with<F>(tls: Option<TlsAcceptor>, handle: impl Fn(Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let handle = Arc::new(handle);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, handle) = (tls.clone(), Arc::clone(&handle));
                // A connection that breaks off is the other end's affair, be it because it doesn't believe the
                // certificate.
                tokio::spawn(async move { converse(stream, tls, &*handle).await });
            }
        });
        Self { address, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for StubServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// TCP, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn converse<F>(stream: TcpStream, tls: Option<TlsAcceptor>, handle: &impl Fn(Request) -> F) -> io::Result<()>
where
    F: Future<Output = Answer>,
{
    let stream: Box<dyn Stream> = match tls {
        Some(tls) => Box::new(tls.accept(stream).await?),
        None => Box::new(stream),
    };
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream).await? {
        let is_head = request.method == "HEAD";
        match handle(request).await {
            Answer::Response(status, headers, body) => {
                let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n{lines}\r\n", body.len());
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(if is_head { b"" } else { &body }).await?;
                stream.flush().await?;
            }
            Answer::Bytes(pieces) => {
                for piece in pieces {
                    stream.write_all(&piece).await?;
                }
                return stream.shutdown().await;
            }
            Answer::Echo => return be_an_echo(stream).await,
            Answer::Silence => pending().await,
        }
    }
    Ok(())
}

async fn be_an_echo(mut stream: BufReader<Box<dyn Stream>>) -> io::Result<()> {
    let accept = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(accept.as_bytes()).await?;
    let (mut read, mut write) = tokio::io::split(stream);
    copy(&mut read, &mut write).await?;
    Ok(())
}

/// The next request; `None` at the end of the connection.
async fn read_request(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Request>> {
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

async fn read_chunks(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
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
async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = String::new();
    let count = stream.read_line(&mut line).await?;
    Ok((count > 0).then(|| line.trim_end().to_owned()))
}
