//! A replica that gets bad requests, and somebody on it whose good ones must go on being answered.

use serde_json::Value;
use test_support::{
    actors::{KeyHolder, PROTECTED, Person},
    replica::Replica,
    shared_replica::SharedReplica,
    unique,
    wire::{Answer, Connection, with_header},
};

/// Everything that a refusal of ours may say.
const MESSAGES: [&str; 19] = [
    "No token provided",
    "Failed to authenticate token",
    "No API key provided",
    "Invalid API key",
    "The body is not valid JSON",
    "Not found",
    "Method not allowed",
    "The body did not arrive in time",
    "The body could not be read",
    "The body is too large",
    "The headers are too large",
    "The request is not well-formed HTTP/1.1",
    "The request target is not valid",
    "The request target is too long",
    "The request did not arrive in time",
    "The host is missing, repeated or not valid",
    "The method is not known",
    "Send the body without a content coding",
    "Temporarily unavailable",
];

/// Everything that a problem of a request that is no good may have.
const PROBLEM: [&str; 7] = ["type", "title", "status", "code", "detail", "instance", "requestId"];
/// Where what they say in `detail` is written down.
const PAGE: &str = include_str!("../../docs/problems.md");

/// Every header that a refusal may have.
const HEADERS: [&str; 10] = [
    "accept-encoding",
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

pub(crate) struct Scene {
    pub(crate) replica: SharedReplica,
    /// A good token.
    pub(crate) token: String,
    /// A good key.
    pub(crate) key: String,
}

impl Scene {
    /// On a replica that others use too.
    pub(crate) async fn set() -> Self {
        Self::set_on(SharedReplica::get().await).await
    }

    /// On a replica of its own with these environment variables.
    pub(crate) async fn set_with(env: &[(&str, &str)]) -> Self {
        Self::set_on(SharedReplica::alone(Replica::start_with(env).await)).await
    }

    async fn set_on(replica: SharedReplica) -> Self {
        let bystander = Person::named(&format!("bystander-{}", unique()));
        let KeyHolder { key } = bystander.makes_a_key(&replica).await;
        Self { replica, token: bystander.token, key }
    }

    /// The answer to these bytes on a connection of their own.
    pub(crate) async fn answer(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut connection = Connection::open(&self.replica).await;
        connection.send(request).await;
        connection.answer().await
    }

    /// The request is refused with this status, the refusal tells nothing, and nothing breaks.
    pub(crate) async fn refuses(&self, status: u16, request: impl AsRef<[u8]>) -> Answer {
        let answer = self.answer(&request).await;
        assert_eq!(answer.status, status, "{:?} got {answer:?}", Excerpt(request.as_ref()));
        assert_tells_nothing(&answer);
        self.still_serves().await;
        answer
    }

    /// The same, and the server closes the connection: it can't know where the next request begins.
    pub(crate) async fn refuses_and_closes(&self, status: u16, request: impl AsRef<[u8]>) {
        let mut connection = Connection::open(&self.replica).await;
        connection.send(&request).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, status, "{:?} got {answer:?}", Excerpt(request.as_ref()));
        assert_tells_nothing(&answer);
        connection.ends().await;
        self.still_serves().await;
    }

    /// The bystander's good request is answered.
    pub(crate) async fn still_serves(&self) {
        let answer = self.answer(with_header("GET", PROTECTED, "x-api-key", &self.key)).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, r#"{"message":"Access granted to protected resource"}"#)
        );
    }
}

/// A refusal is one of a few fixed texts, so it holds no SQL, no stack and nothing of what was sent.
pub(crate) fn assert_tells_nothing(answer: &Answer) {
    assert!((400..500).contains(&answer.status) || answer.status == 501, "{answer:?}");
    for (name, _) in &answer.headers {
        assert!(HEADERS.contains(&name.as_str()), "{name} in {answer:?}");
    }
    if answer.status == 401 {
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.contains(r#" realm="keyward""#) && challenge.len() < 64, "{challenge}");
    }
    let media_type = answer.header("content-type").unwrap_or_else(|| panic!("no body: {answer:?}"));
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert!(is_fixed_text(media_type, answer.status, &body), "{answer:?}");
}

fn is_fixed_text(media_type: &str, status: u16, body: &Value) -> bool {
    let members = body.as_object().expect("an object");
    let known = |name: &str| members.get(name).and_then(Value::as_str).is_some_and(|text| MESSAGES.contains(&text));
    match media_type {
        "application/json" => members.len() == 1 && known("message"),
        "application/problem+json" => {
            let code = members["code"].as_str().expect("a code");
            let plain = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let detail = members["detail"].as_str().expect("a detail");
            // Of what was sent, only the path is repeated, to who has sent it.
            members.keys().all(|name| PROBLEM.contains(&name.as_str()))
                && known("title")
                && (PAGE.replace('`', "").contains(detail) || detail.starts_with("This route takes "))
                && plain
                && members["type"] == format!("/problems/{code}")
                && members["status"] == status
        }
        _ => false,
    }
}

/// The beginning of a request, for the message of a failed test.
pub(crate) struct Excerpt<'a>(pub(crate) &'a [u8]);

impl std::fmt::Debug for Excerpt<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0[..self.0.len().min(300)].escape_ascii())
    }
}
