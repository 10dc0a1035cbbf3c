//! Certificates, servers that speak TLS, and a proxy in front of them: all of the tests' own, on loopback.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// A certificate authority that nobody knows.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no name is a bad one");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.pem.clone()
    }

    /// What a server of these names needs to speak TLS.
    pub(crate) fn server(&self, names: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).expect("names").signed_by(&key, &self.issuer);
        let chain = vec![certificate.expect("a certificate").der().clone()];
        let key = key.serialize_der().try_into().expect("a private key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a pair");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A head of HTTP, as text; `None` when the client hangs up before its end.
async fn head(stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// A proxy by `CONNECT` (RFC 9110 §9.3.6) that leads all who ask to one server, and remembers whom they asked for.
pub(crate) struct ConnectProxy {
    address: SocketAddr,
    state: Arc<Mutex<Proxied>>,
    serving: JoinHandle<()>,
}

struct Proxied {
    target: String,
    /// Who is somewhere else: `host:port`, and where.
    exceptions: HashMap<String, String>,
    asked: Vec<String>,
}

impl ConnectProxy {
    /// In front of the server at `target`, an address with a port.
    pub(crate) async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(Mutex::new(Proxied { target, exceptions: HashMap::new(), asked: Vec::new() }));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(tunnel(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, serving }
    }

    /// The same, but whoever asks for `name` is led to another server.
    pub(crate) fn but_for(self, name: &str, target: String) -> Self {
        self.state.lock().expect("no panic").exceptions.insert(name.to_owned(), target);
        self
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `host:port` of each question.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().expect("no panic").asked.clone()
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn tunnel(mut client: TcpStream, state: Arc<Mutex<Proxied>>) {
    let Some(head) = head(&mut client).await else { return };
    let Some(name) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else { return };
    let target = {
        let mut state = state.lock().expect("no panic");
        state.asked.push(name.to_owned());
        state.exceptions.get(name).unwrap_or(&state.target).clone()
    };
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    if client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}
