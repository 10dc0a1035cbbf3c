//! HTTP as bytes, for what a well-behaved client does not send.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::replica::Replica;

/// Long enough that only a defect reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request's head without its end; further header lines and an empty one follow.
pub(crate) fn head(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: keyward\r\n")
}

/// A request without a body, with one header.
pub(crate) fn with_header(method: &str, target: &str, name: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("{}{name}: ", head(method, target));
    [head.as_bytes(), value.as_ref(), b"\r\n\r\n"].concat()
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of the header, which must not be repeated.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
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
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(replica: &Replica) -> Self {
        Self::to(replica.address()).await
    }

    /// A connection to whatever listens at this address.
    pub(crate) async fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self { stream: Box::new(stream), unread: Vec::new() }
    }

    /// A connection to whatever listens on this socket.
    pub(crate) async fn by(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).await.expect("a connection");
        Self { stream: Box::new(stream), unread: Vec::new() }
    }

    /// Sends, as far as the server listens: one that has heard enough closes its side, and its
    /// answer can be read nevertheless.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("the server reads or closes");
    }

    /// Tells the server that nothing more comes.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("a half-closed connection");
    }

    /// The next answer; interim ones (RFC 9110 §15.2) are passed over.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    /// The same to a request with this method: one to `HEAD` has no content (RFC 9110 §9.3.2).
    pub(crate) async fn answer_to(&mut self, method: &str) -> Answer {
        loop {
            let end = self.read_until(|unread| unread.windows(4).position(|four| four == b"\r\n\r\n")).await;
            let mut answer = Answer::of_head(&self.unread[..end]);
            self.unread.drain(..end + 4);
            if answer.status >= 200 {
                let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
                let length = if method == "HEAD" { 0 } else { length };
                self.read_until(|unread| (unread.len() >= length).then_some(())).await;
                let body = self.unread.drain(..length).collect();
                answer.body = String::from_utf8(body).expect("a body that is text");
                return answer;
            }
        }
    }

    /// Waits until the server wants the body of a request with `Expect: 100-continue`.
    pub(crate) async fn continues(&mut self) {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        self.read_until(|unread| unread.starts_with(interim).then_some(())).await;
        self.unread.drain(..interim.len());
    }

    /// The next answer, a little of which is read now and then.
    pub(crate) async fn answer_read_slowly(&mut self) -> Answer {
        let end = self.read_until(|unread| unread.windows(4).position(|four| four == b"\r\n\r\n")).await;
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
    pub(crate) async fn answer_to_trickle(&mut self, piece: &[u8]) -> Answer {
        let trickle = async {
            while timeout(Duration::from_millis(50), self.read_some()).await.is_err() {
                self.send(piece).await;
            }
        };
        timeout(PATIENCE, trickle).await.expect("an answer though the request goes on");
        self.answer().await
    }

    /// Sends `piece` again and again, as fast as it goes, until the server closes the connection.
    pub(crate) async fn send_until_closed(&mut self, piece: &[u8]) {
        let send = async { while self.stream.write_all(piece).await.is_ok() {} };
        timeout(PATIENCE, send).await.expect("the server closes the connection");
    }

    /// Sends as much of this as the server takes, until it has taken nothing for a while.
    pub(crate) async fn send_as_far_as_it_goes(&mut self, bytes: &[u8]) {
        let _ = timeout(Duration::from_millis(200), self.stream.write_all(bytes)).await;
    }

    /// Waits until the server closes the connection; whatever it says before is a failure.
    pub(crate) async fn ends(mut self) {
        while self.read_some().await {}
        assert_eq!(String::from_utf8_lossy(&self.unread), "", "the server said more");
    }

    async fn read_until<T>(&mut self, found: impl Fn(&[u8]) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(&self.unread) {
                return found;
            }
            assert!(
                self.read_some().await,
                "the connection ended; unread: {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        }
    }

    /// Reads more; `false` when the connection has ended.
    async fn read_some(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await;
        read.expect("the server answers or closes").is_ok_and(|count| count > 0)
    }
}
