//! HTTP as bytes, for what a well-behaved client does not send.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs, UnixStream},
    time::timeout,
};

use crate::{PATIENCE, replica::Replica};

/// A request's head without its end; further header lines and an empty one follow.
pub fn head(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: keyward\r\n")
}

/// A request without a body, with one header.
pub fn with_header(method: &str, target: &str, name: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("{}{name}: ", head(method, target));
    [head.as_bytes(), value.as_ref(), b"\r\n\r\n"].concat()
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The value of the header, which must not be repeated.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is repeated");
        value
    }

    fn of_head(head: &[u8]) -> Self {
        let head = std::str::from_utf8(head).expect("a head that is text");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().expect("a status line");
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: String::new() }
    }
}

/// TCP, or a Unix socket.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to a server.
pub struct Connection {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

impl Connection {
    pub async fn open(replica: &Replica) -> Self {
        Self::to(replica.address()).await
    }

    /// A connection to whatever listens at this address.
    pub async fn to(address: &str) -> Self {
        Self::try_to(address).await.expect("a connection")
    }

    /// The same for a test in which connections fail.
    pub async fn try_to(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Box::new(stream), unread: Vec::new() })
    }

    /// A connection to whatever listens on this socket.
    pub async fn by(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).await.expect("a connection");
        Self { stream: Box::new(stream), unread: Vec::new() }
    }

    /// Sends, as far as the server listens: one that has heard enough closes its side, and its
    /// answer can be read nevertheless.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(PATIENCE, self.try_send(bytes)).await.expect("the server reads or closes");
    }

    /// The same for a test in which connections fail.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Tells the server that nothing more comes.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.expect("a half-closed connection");
    }

    /// The next answer; interim ones (RFC 9110 §15.2) are passed over.
    pub async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    /// The same to a request with this method: one to `HEAD` has no content (RFC 9110 §9.3.2).
    pub async fn answer_to(&mut self, method: &str) -> Answer {
        let answer = self.try_answer_to(method).await;
        answer.unwrap_or_else(|error| panic!("{error}; unread: {:?}", String::from_utf8_lossy(&self.unread)))
    }

    /// The same for a test in which connections fail.
    pub async fn try_answer_to(&mut self, method: &str) -> io::Result<Answer> {
        loop {
            let end = self.read_until(|unread| unread.windows(4).position(|four| four == b"\r\n\r\n")).await?;
            let mut answer = Answer::of_head(&self.unread[..end]);
            self.unread.drain(..end + 4);
            if answer.status >= 200 {
                let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
                let length = if method == "HEAD" { 0 } else { length };
                self.read_until(|unread| (unread.len() >= length).then_some(())).await?;
                let body = self.unread.drain(..length).collect();
                answer.body = String::from_utf8(body).expect("a body that is text");
                return Ok(answer);
            }
        }
    }

    /// Waits until the server wants the body of a request with `Expect: 100-continue`.
    pub async fn continues(&mut self) {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        self.read_until(|unread| unread.starts_with(interim).then_some(())).await.expect("an interim answer");
        self.unread.drain(..interim.len());
    }

    /// The next answer, a little of which is read now and then.
    pub async fn answer_read_slowly(&mut self) -> Answer {
        let end =
            self.read_until(|unread| unread.windows(4).position(|four| four == b"\r\n\r\n")).await.expect("a head");
        let answer = Answer::of_head(&self.unread[..end]);
        let length: usize = answer.header("content-length").expect("a length").parse().expect("a length");
        let mut piece = vec![0; 65_536];
        while self.unread.len() < end + 4 + length {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let read = timeout(PATIENCE, self.stream.read(&mut piece)).await.expect("the server writes or closes");
            let read = read.expect("the connection lasts");
            assert_ne!(read, 0, "the connection ended after {} bytes", self.unread.len());
            self.unread.extend_from_slice(&piece[..read]);
        }
        self.answer().await
    }

    /// The next answer, while `piece` is sent again and again at a slow pace.
    pub async fn answer_to_trickle(&mut self, piece: &[u8]) -> Answer {
        let trickle = async {
            while timeout(Duration::from_millis(50), self.read_some()).await.is_err() {
                self.send(piece).await;
            }
        };
        timeout(PATIENCE, trickle).await.expect("an answer though the request goes on");
        self.answer().await
    }

    /// Sends `piece` again and again, as fast as it goes, until the server closes the connection.
    pub async fn send_until_closed(&mut self, piece: &[u8]) {
        let send = async { while self.stream.write_all(piece).await.is_ok() {} };
        timeout(PATIENCE, send).await.expect("the server closes the connection");
    }

    /// Sends as much of this as the server takes, until it has taken nothing for a while.
    pub async fn send_as_far_as_it_goes(&mut self, bytes: &[u8]) {
        let _ = timeout(Duration::from_millis(200), self.stream.write_all(bytes)).await;
    }

    /// Waits until the server closes the connection; whatever it says before is a failure.
    pub async fn ends(mut self) {
        while self.read_some().await.expect("the server closes") {}
        assert_eq!(String::from_utf8_lossy(&self.unread), "", "the server said more");
    }

    async fn read_until<T>(&mut self, found: impl Fn(&[u8]) -> Option<T>) -> io::Result<T> {
        loop {
            if let Some(found) = found(&self.unread) {
                return Ok(found);
            }
            if !self.read_some().await? {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended"));
            }
        }
    }

    /// Reads more; `false` when the connection has ended, in whatever way.
    async fn read_some(&mut self) -> io::Result<bool> {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await;
        Ok(read
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the server neither answers nor closes"))?
            .is_ok_and(|count| count > 0))
    }
}
