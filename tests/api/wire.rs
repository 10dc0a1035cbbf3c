//! HTTP as bytes, for what a well-behaved client does not send.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
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

/// A connection to a server.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(replica: &Replica) -> Self {
        Self::to(replica.address()).await
    }

    /// A connection to whatever listens at this address.
    pub(crate) async fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self { stream, unread: Vec::new() }
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
        loop {
            let end = self.read_until(|unread| unread.windows(4).position(|four| four == b"\r\n\r\n")).await;
            let mut answer = Answer::of_head(&self.unread[..end]);
            self.unread.drain(..end + 4);
            if answer.status >= 200 {
                let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
                self.read_until(|unread| (unread.len() >= length).then_some(())).await;
                let body = self.unread.drain(..length).collect();
                answer.body = String::from_utf8(body).expect("a body that is text");
                return answer;
            }
        }
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
