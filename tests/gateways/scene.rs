//! A gateway between a client and an API, with Keyward beside it.

use std::iter;

use reqwest::StatusCode;
use serde_json::{Value, json};
use test_support::{
    actors::Person,
    asking::{MadeKey, SHORT_LEASE},
    replica::Replica,
    wire::{Answer, Connection, head},
};

use crate::{
    gateway::{Gateway, Running},
    port::Port,
    server::{Conduct, Request, Server},
};

/// What the API says.
pub(crate) const GREETING: &str = "Hello from the API";

/// Gateways on this machine are believed.
pub(crate) const TRUSTED: (&str, &str) = ("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.0/8");

/// What a Keyward needs that this gateway asks.
pub(crate) fn settings<G: Gateway>() -> Vec<(&'static str, &'static str)> {
    let policy = G::POLICY.map(|file| ("KEYWARD__AUTHORIZE__POLICY_FILE", file));
    iter::once(TRUSTED).chain(policy).collect()
}

pub(crate) struct Scene {
    pub(crate) gateway: Running,
    pub(crate) keyward: Replica,
    pub(crate) api: Server,
    /// Keyward's, so that nobody else listens there when it is dead.
    _port: Port,
}

impl Scene {
    pub(crate) async fn set<G: Gateway>() -> Self {
        Self::set_with::<G>(&[]).await
    }

    /// The same with further environment variables for Keyward.
    pub(crate) async fn set_with<G: Gateway>(env: &[(&str, &str)]) -> Self {
        let port = Port::claim();
        let number = port.number().to_string();
        let env = [&[SHORT_LEASE, ("KEYWARD__SERVER__PORT", &number)], &*settings::<G>(), env].concat();
        let (keyward, api) = tokio::join!(Replica::start_with(&env), api());
        let gateway = Running::start::<G>(keyward.address(), api.address()).await;
        Self { gateway, keyward, api, _port: port }
    }

    /// A key of alice's, with these fields.
    pub(crate) async fn key(&self, fields: Value) -> MadeKey {
        Person::named("alice").creates(&self.keyward, fields).await
    }

    /// A key of alice's that carries `orders:read`.
    pub(crate) async fn reader(&self) -> MadeKey {
        self.key(json!({ "scopes": ["orders:read"] })).await
    }

    /// The answer to a GET.
    pub(crate) async fn gets(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        gets(&self.gateway, target, headers).await
    }

    /// It is refused so, in the RFCs' form, and the API hears nothing of it.
    pub(crate) async fn refuses(&self, status: u16, target: &str, headers: &[(&str, &str)]) -> Answer {
        let answer = self.keeps_away(target, headers).await;
        assert_is_problem(&answer, status);
        answer
    }

    /// The same for want of an answer of Keyward's.
    pub(crate) async fn is_undecided<G: Gateway>(&self, target: &str, headers: &[(&str, &str)]) {
        assert_is_undecided::<G>(&self.keeps_away(target, headers).await);
    }

    /// The answer to a GET of which the API hears nothing.
    async fn keeps_away(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        let before = self.api.requests().len();
        let answer = self.gets(target, headers).await;
        assert_eq!(self.api.requests().len(), before, "the API was asked");
        answer
    }

    /// What the API got last.
    pub(crate) fn last(&self) -> Request {
        self.api.requests().pop().expect("the API was asked")
    }
}

/// The API behind the gateway.
pub(crate) async fn api() -> Server {
    Server::that(Conduct::Answers(200, vec![("Content-Type", "text/plain")], GREETING)).await
}

/// The gateway's answer to a GET.
pub(crate) async fn gets(gateway: &Running, target: &str, headers: &[(&str, &str)]) -> Answer {
    sends(gateway, "GET", target, headers, b"").await
}

/// The gateway's answer to a request with these headers, on a connection of its own.
pub(crate) async fn sends(
    gateway: &Running,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut connection = Connection::to(&gateway.address()).await;
    connection.send(request(method, target, headers, body)).await;
    connection.answer().await
}

/// The bytes of a request.
pub(crate) fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{}{lines}\r\n", head(method, target));
    [head.as_bytes(), body].concat()
}

/// It is what the gateway says where it gets no answer of Keyward's.
#[track_caller]
pub(crate) fn assert_is_undecided<G: Gateway>(answer: &Answer) {
    if G::UNDECIDED == StatusCode::SERVICE_UNAVAILABLE {
        assert_is_problem(answer, G::UNDECIDED);
    } else {
        assert_eq!(answer.status, G::UNDECIDED, "{answer:?}");
    }
}

/// It is a refusal with this status, as RFC 9457 has it.
#[track_caller]
pub(crate) fn assert_is_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(problem["status"], status, "{answer:?}");
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer "), "{challenge}");
    }
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        let seconds = answer.header("retry-after").expect("when to try again");
        assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
    }
}
