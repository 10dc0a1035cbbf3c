//! What is logged: nothing secret at any level, one line an event, and each request by its id.

use jsonwebtoken::Header;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::Row;
use test_support::{
    actors::{CREATE, KeyHolder, PROTECTED, Person, claims, now, sign, stranger},
    database,
    replica::{JWT_SECRET, PEPPER, Replica},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PASSWORD_IN_URL: &str = "hunter2-in-the-url";
const PASSWORD_ALONE: &str = "hunter2-on-its-own";

/// Everything that must never be printed, each with its name.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn add(&mut self, name: &str, text: impl Into<String>) {
        let text = text.into();
        assert!(text.len() >= 8, "{name} is too short to be looked for: {text}");
        self.0.push((name.to_owned(), text));
    }

    fn add_token(&mut self, name: &str, token: &str) {
        self.add(name, token);
        // The header alone is no secret, and the same for all.
        for (part, text) in ["claims", "signature"].iter().zip(token.split('.').skip(1)) {
            self.add(&format!("{name}'s {part}"), text);
        }
    }

    fn add_key(&mut self, key: &str) {
        let (_, id_secret_tag) = key.rsplit_once('_').expect("prefix, environment and the rest");
        self.add("key", key);
        self.add("secret part of a key", &id_secret_tag[22..65]);
        self.add("tag of a key", &id_secret_tag[65..]);
    }

    fn assert_absent_from(&self, output: &str) {
        for (name, secret) in &self.0 {
            let line = output.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "printed: {name}");
        }
        assert!(!output.contains("hunter2"), "printed: a password");
        assert!(!output.contains("$argon2"), "printed: a hash");
    }
}

/// What a replica has printed from its start to its end, while all that can happen did.
struct Story {
    output: String,
    secrets: Secrets,
    /// The ids that requests came with.
    request_ids: Vec<String>,
}

impl Story {
    async fn of(format: &str) -> Self {
        let database = database().await;
        let url = database.url().replacen("postgres@", &format!("postgres:{PASSWORD_IN_URL}@"), 1);
        assert!(url.contains(PASSWORD_IN_URL), "{url}");
        let trace = [
            ("KEYWARD__LOG__LEVEL", "trace"),
            ("KEYWARD__LOG__FORMAT", format),
            ("KEYWARD__DATABASE__PASSWORD", PASSWORD_ALONE),
        ];
        let replica = Replica::start_on(&url, &trace).await;
        let mut story = Self { output: String::new(), secrets: Secrets::default(), request_ids: Vec::new() };
        for (name, secret) in [("JWT secret", JWT_SECRET), ("pepper", PEPPER)] {
            story.secrets.add(name, secret);
        }

        let alice = Person::named("alice");
        story.secrets.add_token("token", &alice.token);
        let holder = alice.makes_a_key(&replica).await;
        story.secrets.add_key(&holder.key);
        let rows = database.superuser_pool().await;
        let row = sqlx::query("SELECT secret_hash FROM api_keys").fetch_one(&rows).await.expect("one row");
        let hash: String = row.get("secret_hash");
        for (name, part) in [("salt", 4), ("hash output", 5)] {
            story.secrets.add(name, hash.split('$').nth(part).expect("a PHC string"));
        }
        story.secrets.add("PHC string", hash);

        story.good_and_bad_credentials(&replica, &alice, &holder).await;
        story.credentials_in_wrong_places(&replica, &alice, &holder).await;
        story.raw_bytes(&replica, &alice, &holder).await;
        // One that the replica does not remember, so that it has to look at what is damaged.
        let forgotten = alice.makes_a_key(&replica).await;
        story.secrets.add_key(&forgotten.key);
        for damage in [
            "UPDATE api_keys SET secret_hash = replace(secret_hash, 'm=1024', 'm=2097152')",
            "UPDATE api_keys SET scopes = ARRAY[E'two\\nINJECTED lines']",
            "ALTER TABLE api_keys RENAME TO gone",
        ] {
            sqlx::query(damage).execute(&rows).await.expect("damage");
            story.send(stranger(&replica, Method::GET, PROTECTED).header("x-api-key", &forgotten.key), &[503]).await;
        }
        story.send(stranger(&replica, Method::POST, CREATE).bearer_auth(&alice.token), &[503]).await;
        story.output = end(replica).await;
        story
    }

    /// Sends a request under an id of its own.
    async fn send(&mut self, request: RequestBuilder, expected: &[u16]) {
        let id = format!("probe-{}-end", self.request_ids.len());
        let answer = request.header("x-request-id", &id).send().await.expect("an answer");
        assert!(expected.contains(&answer.status().as_u16()), "{id}: {}", answer.status());
        assert_eq!(answer.headers()["x-request-id"].to_str().ok(), Some(&*id));
        self.request_ids.push(id);
    }

    async fn good_and_bad_credentials(&mut self, replica: &Replica, alice: &Person, holder: &KeyHolder) {
        let check = |key: &str| stranger(replica, Method::GET, PROTECTED).header("x-api-key", key);
        self.send(check(&holder.key), &[200]).await;
        let last = if holder.key.ends_with('a') { "b" } else { "a" };
        let changed = format!("{}{last}", &holder.key[..holder.key.len() - 1]);
        for wrong in [changed, holder.key.replace("_live_", "_test_"), format!("{0}{0}", holder.key), "x".to_owned()] {
            self.send(check(&wrong), &[401]).await;
        }
        self.send(check(&holder.key).header("x-api-key", &holder.key), &[400, 401]).await;

        let create = |token: &str| stranger(replica, Method::POST, CREATE).bearer_auth(token);
        let expired = sign(&Header::default(), &json!({ "sub": "alice", "exp": now() - 3600 }), JWT_SECRET);
        let foreign = sign(&Header::default(), &claims("mallory"), &JWT_SECRET.replace('0', "1"));
        self.secrets.add_token("expired token", &expired);
        self.secrets.add_token("foreign token", &foreign);
        for wrong in [&expired, &foreign, &format!("{}.x", alice.token)] {
            self.send(create(wrong), &[401]).await;
        }
        self.send(create(&alice.token).header("authorization", &alice.token), &[400, 401]).await;
        let body = json!({ "apiKey": holder.key, "token": alice.token, "password": "hunter2-in-the-body" });
        self.send(create(&alice.token).json(&body), &[201]).await;
        let broken = format!("{{\"apiKey\": \"{}\", hunter2", holder.key);
        self.send(create(&alice.token).header("content-type", "application/json").body(broken), &[400]).await;
    }

    async fn credentials_in_wrong_places(&mut self, replica: &Replica, alice: &Person, holder: &KeyHolder) {
        let (token, key) = (&alice.token, &holder.key);
        for path in [
            format!("{PROTECTED}?api_key={key}&access_token={token}"),
            format!("{PROTECTED}/{key}"),
            format!("/{token}?{key}"),
            format!("/api/{key}%0d%0aINJECTED%1b[31m"),
        ] {
            self.send(stranger(replica, Method::GET, &path), &[401, 403, 404]).await;
        }
        let odd = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "user-agent",
            "referer",
            "forwarded",
            "x-forwarded-for",
            "traceparent",
            "tracestate",
            "baggage",
            "origin",
            "accept",
            "content-type",
            "if-none-match",
            "x-api-token",
        ];
        for name in odd {
            for value in [key.clone(), format!("Bearer {token}"), format!("Basic {key}")] {
                self.send(stranger(replica, Method::GET, PROTECTED).header(name, value), &[403]).await;
                self.send(stranger(replica, Method::GET, "/unknown").header(name, token), &[404]).await;
            }
        }
        for path in [PROTECTED, "/healthz"] {
            for value in [key, token] {
                let request = stranger(replica, Method::GET, path).header("x-request-id", value);
                let answer = request.send().await.expect("an answer");
                assert_ne!(answer.headers()["x-request-id"], *value, "given back");
            }
        }
    }

    /// What no well-behaved client can send.
    async fn raw_bytes(&mut self, replica: &Replica, alice: &Person, holder: &KeyHolder) {
        let (token, key) = (&alice.token, &holder.key);
        for head in [
            format!("{key} {PROTECTED} HTTP/1.1\r\nhost: x\r\n"),
            format!("GET {PROTECTED} HTTP/1.1\r\nhost: {key}\r\n{key}: {token}\r\n"),
            format!("GET {PROTECTED} HTTP/1.1\r\nhost: x\r\nuser-agent: \x1b[31mINJECTED\x1b[0m\r\n"),
            format!("GET {PROTECTED} HTTP/1.1\r\nhost: x\r\nx-request-id: a\tINJECTED\r\n"),
            format!("GET {PROTECTED} HTTP/1.1\r\nhost: x\r\nx-request-id: \x1b[31mINJECTED\r\n"),
            format!("GET {PROTECTED} HTTP/1.1\r\nhost: x\r\nx-request-id: a\r\n INJECTED: {key}\r\n"),
            format!("GET /\x1b[31mINJECTED{key} HTTP/1.1\r\nhost: x\r\n"),
            format!("GET {PROTECTED} HTTP/7.5 {key}\r\nhost: x\r\n"),
            format!("{token}\r\n{key}\r\n"),
            format!("POST {CREATE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {key}\r\n"),
            format!(
                "POST {CREATE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\n{key}\r\n"
            ),
            format!("GET {PROTECTED} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n", key.repeat(2000)),
        ] {
            let mut connection = TcpStream::connect(replica.address()).await.expect("a connection");
            // It may be cut off before all is sent, and after an answer that it does not want to read.
            let _ = connection.write_all(format!("{}connection: close\r\n\r\n", head).as_bytes()).await;
            let _ = connection.shutdown().await;
            let mut answer = Vec::new();
            let _ = connection.read_to_end(&mut answer).await;
            let answer = String::from_utf8_lossy(&answer);
            let is_refused = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 501 ");
            assert!(is_refused || answer.is_empty(), "{head:?}: {answer}");
        }
    }
}

/// Lets it shut down, and gives all that it has printed.
async fn end(mut replica: Replica) -> String {
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0));
    replica.prints("stopped").await;
    replica.output()
}

#[tokio::test]
async fn at_trace_level_json_lines_hold_no_secret_are_one_an_event_and_carry_the_request_id() {
    let story = Story::of("json").await;
    story.secrets.assert_absent_from(&story.output);
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<Value> = story.output.lines().map(parse).collect();
    let of_requests = ["refused a request", "issued a key", "answered", "could not"];
    // Written beside all requests, when their time has come.
    let of_no_request = "could not write the uses of keys";
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        let message = line["message"].as_str().unwrap_or_default();
        if of_requests.iter().any(|start| message.starts_with(start)) && !message.starts_with(of_no_request) {
            let id = line["span"]["request_id"].as_str().unwrap_or_default();
            assert!(!id.is_empty(), "without a request's id: {line}");
        }
    }
    for id in &story.request_ids {
        let its_own = |line: &&Value| line["span"]["request_id"] == **id;
        let answered = lines.iter().filter(its_own).filter(|line| line["message"] == "answered").count();
        assert_eq!(answered, 1, "{id}");
    }
}

#[tokio::test]
async fn at_trace_level_pretty_lines_hold_no_secret_are_one_an_event_and_carry_the_request_id() {
    let story = Story::of("pretty").await;
    story.secrets.assert_absent_from(&story.output);
    assert!(!story.output.contains('\x1b'), "an escape sequence, though this is no terminal");
    for line in story.output.lines() {
        let mut words = line.split_whitespace();
        let (time, level) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        assert!(time.starts_with("20") && time.ends_with('Z'), "no event of ours: {line}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "no event of ours: {line}");
    }
    for id in &story.request_ids {
        let its_own = |line: &&str| line.contains(&format!("request_id=\"{id}\"")) && line.contains("}: answered");
        assert_eq!(story.output.lines().filter(its_own).count(), 1, "{id}");
    }
}
