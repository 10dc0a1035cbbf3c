//! An identity provider of a test's own, on loopback. It publishes keys, misbehaves when it is told to, and
//! remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::signing::SigningKey;
use crate::actors::claims;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEY_SET: &str = "/keys";

/// What becomes of a question for keys.
#[derive(Clone, Debug)]
pub(super) enum Behaviour {
    /// The keys.
    Sound,
    /// This answer, from its status line on.
    Answers(Vec<u8>),
    /// A sound beginning, and then a hundred megabytes.
    Huge,
    /// The connection stays open, and nothing comes.
    Silent,
    /// The keys, once this turns true.
    Held(watch::Receiver<bool>),
    /// Connections are closed at once, whatever they want to ask.
    Down,
}

impl Behaviour {
    /// An answer of this status and body.
    pub(super) fn answers(status: &str, body: impl AsRef<[u8]>) -> Self {
        Self::Answers(answer(status, "", body.as_ref()))
    }

    /// The same with a further header line.
    pub(super) fn answers_with(status: &str, header: &str, body: impl AsRef<[u8]>) -> Self {
        Self::Answers(answer(status, &format!("{header}\r\n"), body.as_ref()))
    }
}

/// Ends with its test.
pub(super) struct Provider {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

struct State {
    keys: Vec<Value>,
    discovery: Value,
    behaviour: Behaviour,
    /// The paths, in order.
    asked: Vec<String>,
}

impl Provider {
    /// One that publishes these keys.
    pub(super) async fn with(keys: &[&SigningKey]) -> Self {
        let provider = Self::that_is(Behaviour::Sound).await;
        provider.publishes(keys);
        provider
    }

    /// One without keys that behaves like this.
    pub(super) async fn that_is(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let issuer = format!("http://{address}");
        let discovery = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}{KEY_SET}") });
        let state = Arc::new(Mutex::new(State { keys: Vec::new(), discovery, behaviour, asked: Vec::new() }));
        let serving = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, serving }
    }

    /// Its name, which is also where it is.
    pub(super) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its keys are.
    pub(super) fn key_set(&self) -> String {
        format!("{}{KEY_SET}", self.issuer())
    }

    /// From now on it publishes these keys.
    pub(super) fn publishes(&self, keys: &[&SigningKey]) {
        self.publishes_jwks(keys.iter().map(|key| key.jwk()).collect());
    }

    /// The same with members of the test's choice.
    pub(super) fn publishes_jwks(&self, keys: Vec<Value>) {
        self.state.lock().expect("no panic").keys = keys;
    }

    /// From now on its discovery document has this member.
    pub(super) fn discovers(&self, name: &str, value: &str) {
        self.state.lock().expect("no panic").discovery[name] = json!(value);
    }

    /// From now on it behaves like this.
    pub(super) fn is(&self, behaviour: Behaviour) {
        self.state.lock().expect("no panic").behaviour = behaviour;
    }

    /// How often it was asked for its keys.
    pub(super) fn fetches(&self) -> usize {
        let state = self.state.lock().expect("no panic");
        state.asked.iter().filter(|path| *path == KEY_SET).count()
    }

    /// How often it was asked for anything.
    pub(super) fn questions(&self) -> usize {
        self.state.lock().expect("no panic").asked.len()
    }

    /// The claims of a good token of its own.
    pub(super) fn claims(&self, subject: &str) -> Value {
        let mut claims = claims(subject);
        claims["iss"] = json!(self.issuer());
        claims
    }

    /// A good token of its own.
    pub(super) fn token(&self, key: &SigningKey) -> String {
        key.signs(&self.claims("alice"))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(converse(stream, Arc::clone(&state)));
    }
}

async fn converse(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let Some(path) = path(&mut stream).await else { return };
    let (behaviour, sound) = {
        let mut state = state.lock().expect("no panic");
        state.asked.push(path.clone());
        let body = match path.as_str() {
            DISCOVERY => state.discovery.clone(),
            KEY_SET => json!({ "keys": state.keys }),
            _ => Value::Null,
        };
        let bends = path == KEY_SET || matches!(state.behaviour, Behaviour::Down);
        let behaviour = if bends { state.behaviour.clone() } else { Behaviour::Sound };
        (behaviour, answer("200 OK", "", body.to_string().as_bytes()))
    };
    // Whoever has heard enough hangs up, which is no failure here.
    let _ = match behaviour {
        Behaviour::Sound => stream.write_all(&sound).await,
        Behaviour::Answers(bytes) => stream.write_all(&bytes).await,
        Behaviour::Huge => huge(&mut stream).await,
        Behaviour::Silent => stream.read_u8().await.map(drop),
        Behaviour::Held(mut release) => {
            let _ = release.wait_for(|released| *released).await;
            stream.write_all(&sound).await
        }
        Behaviour::Down => Ok(()),
    };
}

/// The path of the one request that is answered on a connection.
async fn path(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).map(str::to_owned)
}

async fn huge(stream: &mut TcpStream) -> std::io::Result<()> {
    const MEGABYTES: usize = 100;
    let length = MEGABYTES << 20;
    stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{{\"keys\":[").as_bytes()).await?;
    let megabyte = vec![b' '; 1 << 20];
    for _ in 0..MEGABYTES {
        stream.write_all(&megabyte).await?;
    }
    Ok(())
}

fn answer(status: &str, header: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{header}\r\n", body.len());
    [head.as_bytes(), body].concat()
}
