//! An identity provider of a test's own, on loopback. It publishes keys, misbehaves when it is told to, and
//! remembers what it was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use test_support::actors::claims;
use test_support::stub_server::{Answer, Request, StubServer};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::signing::SigningKey;

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
    scheme: &'static str,
    state: Arc<Mutex<State>>,
    server: StubServer,
}

struct State {
    keys: Vec<Value>,
    discovery: Value,
    /// Beside the two.
    documents: HashMap<String, Value>,
    behaviour: Behaviour,
    /// Without which nobody is answered.
    demanded_token: Option<String>,
    asked: Vec<Question>,
}

/// What was asked, in order.
struct Question {
    path: String,
    token: Option<String>,
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
        Self::start(behaviour, None).await
    }

    /// One that publishes these keys to who believes its certificate.
    pub(super) async fn with_tls(keys: &[&SigningKey], tls: TlsAcceptor) -> Self {
        let provider = Self::start(Behaviour::Sound, Some(tls)).await;
        provider.publishes(keys);
        provider
    }

    async fn start(behaviour: Behaviour, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = State {
            keys: Vec::new(),
            discovery: Value::Null,
            documents: HashMap::new(),
            behaviour,
            demanded_token: None,
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let asked = Arc::clone(&state);
        let server = StubServer::start_with(tls, move |request| answer_to(request, Arc::clone(&asked))).await;
        let provider = Self { scheme, state, server };
        let discovery = json!({ "issuer": provider.issuer(), "jwks_uri": provider.key_set() });
        provider.state.lock().expect("no panic").discovery = discovery;
        provider
    }

    /// Its name, which is also where it is.
    pub(super) fn issuer(&self) -> String {
        format!("{}://{}", self.scheme, self.server.address())
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

    /// From now on it has this document, too.
    pub(super) fn serves(&self, path: &str, document: Value) {
        self.state.lock().expect("no panic").documents.insert(path.to_owned(), document);
    }

    /// From now on whoever asks must show this token.
    pub(super) fn demands_token(&self, token: &str) {
        self.state.lock().expect("no panic").demanded_token = Some(token.to_owned());
    }

    /// The tokens that came with the questions.
    pub(super) fn tokens(&self) -> Vec<Option<String>> {
        self.state.lock().expect("no panic").asked.iter().map(|question| question.token.clone()).collect()
    }

    /// How often it was asked for its keys.
    pub(super) fn fetches(&self) -> usize {
        let state = self.state.lock().expect("no panic");
        state.asked.iter().filter(|question| question.path == KEY_SET).count()
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

impl State {
    /// What is to become of a question, and the sound answer to it.
    fn hears(&mut self, question: Question) -> (Behaviour, Vec<u8>) {
        let body = match question.path.as_str() {
            DISCOVERY => self.discovery.clone(),
            KEY_SET => json!({ "keys": self.keys }),
            other => self.documents.get(other).cloned().unwrap_or_default(),
        };
        let bends = question.path == KEY_SET || matches!(self.behaviour, Behaviour::Down);
        let refused = self.demanded_token.is_some() && self.demanded_token != question.token;
        self.asked.push(question);
        let sound = answer("200 OK", "", body.to_string().as_bytes());
        match (refused, bends) {
            (true, _) => (Behaviour::answers("401 Unauthorized", "{}"), sound),
            (false, true) => (self.behaviour.clone(), sound),
            (false, false) => (Behaviour::Sound, sound),
        }
    }
}

/// The answer to a request; the connection ends with it.
async fn answer_to(request: Request, state: Arc<Mutex<State>>) -> Answer {
    let (behaviour, sound) = state.lock().expect("no panic").hears(Question::of(&request));
    match behaviour {
        Behaviour::Sound => Answer::bytes(sound),
        Behaviour::Answers(bytes) => Answer::bytes(bytes),
        Behaviour::Huge => huge(),
        Behaviour::Silent => Answer::Silence,
        Behaviour::Held(mut release) => {
            let _ = release.wait_for(|released| *released).await;
            Answer::bytes(sound)
        }
        Behaviour::Down => Answer::nothing(),
    }
}

impl Question {
    /// Asked as a proxy, it is asked for a whole address.
    fn of(request: &Request) -> Self {
        let path = match request.target.split_once("://") {
            Some((_, rest)) => &rest[rest.find('/').unwrap_or(rest.len())..],
            None => &request.target,
        };
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        Self { path: path.to_owned(), token: token.map(str::to_owned) }
    }
}

fn huge() -> Answer {
    const MEGABYTES: usize = 100;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{{\"keys\":[", MEGABYTES << 20);
    let megabytes = std::iter::repeat_with(|| vec![b' '; 1 << 20]).take(MEGABYTES);
    Answer::Bytes(Box::new(std::iter::once(head.into_bytes()).chain(megabytes)))
}

fn answer(status: &str, header: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{header}\r\n", body.len());
    [head.as_bytes(), body].concat()
}
