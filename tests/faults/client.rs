//! A client on one keep-alive connection. It never repeats a request by itself, as ready-made ones
//! do: a request that is sent again is a later request than its log says.

use std::{io, net::SocketAddr};

use test_support::wire::{self, Connection};

use crate::log::Answer;

/// A connection, made when it is needed.
#[derive(Default)]
pub(crate) struct Client {
    connection: Option<(SocketAddr, Connection)>,
}

impl Client {
    /// Sends the request; the answer is for [`answer`](Self::answer).
    pub(crate) async fn send(&mut self, to: SocketAddr, request: &str) -> io::Result<()> {
        let reusable = self.connection.take().filter(|(address, _)| *address == to);
        let mut connection = match reusable {
            Some((_, connection)) => connection,
            None => Connection::try_to(to).await?,
        };
        connection.try_send(request).await?;
        self.connection = Some((to, connection));
        Ok(())
    }

    /// Reads the answer to what was sent, with limited patience.
    pub(crate) async fn answer(&mut self) -> io::Result<wire::Answer> {
        // Put back only after a whole answer: half of one would be taken for the next.
        let (address, mut connection) = self.connection.take().ok_or(io::ErrorKind::NotConnected)?;
        let answer = connection.try_answer_to("GET").await?;
        self.connection = Some((address, connection));
        Ok(answer)
    }

    /// Both.
    pub(crate) async fn ask(&mut self, to: SocketAddr, request: &str) -> io::Result<wire::Answer> {
        self.send(to, request).await?;
        self.answer().await
    }
}

/// The answer's status, for the log.
pub(crate) fn as_answer(answer: &io::Result<wire::Answer>) -> Answer {
    match answer {
        Ok(answer) => Answer::Status(answer.status),
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
