//! HTTP as the clients of the measurements speak it.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Longer than a load balancer waits.
const PATIENCE: Duration = Duration::from_secs(35);

/// A request with a key.
pub fn get(path: &str, key: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nx-api-key: {key}\r\n\r\n")
}

/// One connection, and one request at a time on it.
pub struct Client(TcpStream);

impl Client {
    /// A new connection.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// The status and the whole answer.
    ///
    /// # Errors
    /// When the connection ends before that.
    pub fn ask(&mut self, request: &str) -> io::Result<(u16, String)> {
        self.0.write_all(request.as_bytes())?;
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let read = self.0.read(&mut piece)?;
            answer.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&answer);
            if let Some(status) = status_when_complete(&text) {
                return Ok((status, text.into_owned()));
            }
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn status_when_complete(answer: &str) -> Option<u16> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    (body.len() >= length.unwrap_or(0)).then(|| head.split(' ').nth(1)?.parse().ok())?
}
