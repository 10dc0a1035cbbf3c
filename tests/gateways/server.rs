//! The API behind the gateway, and what stands in Keyward's place. They remember what they were sent, as it came. And a
//! wire that counts connections.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use test_support::stub_server::{Answer, StubServer};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(crate) use test_support::stub_server::Request;

/// Who asks for a path with this end only wants to know whether it is answered. That is no part of a test.
pub(crate) const READY: &str = "/readyz";

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

impl Conduct {
    fn answer_to(&self, request: &Request) -> Answer {
        match self {
            Self::Answers(..) if request.header("upgrade") == Some("websocket") => Answer::Echo,
            Self::Answers(status, headers, body) => {
                let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                Answer::Response(*status, headers.collect(), (*body).into())
            }
            Self::Hangs => Answer::Silence,
            Self::BreaksOff => Answer::nothing(),
        }
    }
}

/// A server. It ends with the test.
pub(crate) struct Server {
    address: String,
    _stub: StubServer,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) async fn that(conduct: Conduct) -> Self {
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let seen = Arc::clone(&requests);
        let stub = StubServer::start(move |request| {
            let answer = if request.target.ends_with(READY) {
                Answer::with_body(200, "")
            } else {
                let answer = conduct.answer_to(&request);
                seen.lock().expect("nobody panics meanwhile").push(request);
                answer
            };
            std::future::ready(answer)
        });
        let stub = stub.await;
        Self { address: stub.address().to_string(), _stub: stub, requests }
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
