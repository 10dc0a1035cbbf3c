//! A client on one keep-alive connection. It never repeats a request by itself, as ready-made ones
//! do: a request that is sent again is a later request than its log says.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::log::Answer;

/// Longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection, made when it is needed.
#[derive(Default)]
pub(crate) struct Client {
    connection: Option<(SocketAddr, TcpStream)>,
}

/// What came back.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Client {
    /// Sends the request; the answer is for [`answer`](Self::answer).
    pub(crate) async fn send(&mut self, to: SocketAddr, request: &str) -> io::Result<()> {
        let reusable = self.connection.take().filter(|(address, _)| *address == to);
        let mut stream = match reusable {
            Some((_, stream)) => stream,
            None => TcpStream::connect(to).await?,
        };
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes()).await?;
        self.connection = Some((to, stream));
        Ok(())
    }

    /// Reads the answer to what was sent, with limited patience.
    pub(crate) async fn answer(&mut self) -> io::Result<Response> {
        // Put back only after a whole answer: half of one would be taken for the next.
        let (address, mut stream) = self.connection.take().ok_or(io::ErrorKind::NotConnected)?;
        let response = tokio::time::timeout(PATIENCE, read_response(&mut stream)).await??;
        self.connection = Some((address, stream));
        Ok(response)
    }

    /// Both.
    pub(crate) async fn ask(&mut self, to: SocketAddr, request: &str) -> io::Result<Response> {
        self.send(to, request).await?;
        self.answer().await
    }
}

/// The answer's status, for the log.
pub(crate) fn as_answer(response: &io::Result<Response>) -> Answer {
    match response {
        Ok(response) => Answer::Status(response.status),
        Err(_) => Answer::Nothing,
    }
}

/// `GET /api/protected-resource` with a key.
pub(crate) fn check_request(key: &str) -> String {
    format!("GET /api/protected-resource HTTP/1.1\r\nhost: keyward\r\nx-api-key: {key}\r\n\r\n")
}

/// `POST /api/create-api-key` with a token.
pub(crate) fn create_request(token: &str) -> String {
    format!(
        "POST /api/create-api-key HTTP/1.1\r\nhost: keyward\r\nauthorization: Bearer {token}\r\n\
         content-length: 0\r\n\r\n"
    )
}

/// `DELETE /v1/keys/{id}` with a token.
pub(crate) fn revoke_request(id: &str, token: &str) -> String {
    format!("DELETE /v1/keys/{id} HTTP/1.1\r\nhost: keyward\r\nauthorization: Bearer {token}\r\n\r\n")
}

async fn read_response(stream: &mut TcpStream) -> io::Result<Response> {
    let mut received = Vec::with_capacity(1024);
    let head_length = loop {
        read_more(stream, &mut received).await?;
        if let Some(position) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break position + 4;
        }
    };
    let head = String::from_utf8_lossy(&received[..head_length]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let length: usize = length.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
    while received.len() < head_length + length {
        read_more(stream, &mut received).await?;
    }
    Ok(Response { status, body: String::from_utf8_lossy(&received[head_length..]).into_owned() })
}

async fn read_more(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(received).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
