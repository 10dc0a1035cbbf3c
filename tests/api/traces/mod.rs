//! Traces, as a collector receives them.

mod collector;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{KeyHolder, PROTECTED, Person, stranger},
    asking::replica_with,
    database, eventually,
    program::Folder,
    replica::{Replica, command},
    stub_server::{Answer, Request, StubServer},
};

use self::collector::Collector;
use crate::metrics::Scrape;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const OTHER_TRACE: &str = "0af7651916cd43dd8448eb211c803190";
const CALLER: &str = "b7ad6b7169203331";
const DROPPED: &str = "keyward_trace_spans_dropped_total";

struct Trace(Vec<Span>);

impl Trace {
    fn named(&self, name: &str) -> Vec<&Span> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    #[track_caller]
    fn one(&self, name: &str) -> &Span {
        let [span] = self.named(name)[..] else { panic!("not one {name}: {:#?}", self.0) };
        span
    }

    /// The names from a span up to the request.
    fn above(&self, span: &Span) -> Vec<&str> {
        let mut names = vec![span.name.as_str()];
        let mut below = span;
        while let Some(parent) = self.0.iter().find(|other| other.span_id == below.parent_span_id) {
            names.push(&parent.name);
            below = parent;
        }
        names.iter().map(|name| self.0.iter().find(|span| span.name == *name).expect("it").name.as_str()).collect()
    }

    /// Where a statement of this name stands.
    fn statement(&self, name: &str) -> Option<Vec<&str>> {
        let found = self.named("statement").into_iter().find(|span| attributes(span)["db.operation.name"] == name);
        found.map(|span| self.above(span))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> HashMap<String, String> {
    let text = |value: &KeyValue| match value.value.clone().and_then(|value| value.value) {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

fn attributes(span: &Span) -> HashMap<String, String> {
    texts(&span.attributes)
}

/// What a caller sends who is a part of this trace.
fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{CALLER}-{flags}")
}

async fn asks(replica: &Replica, key: &str, traceparent: &str) -> u16 {
    let request = stranger(replica, Method::GET, PROTECTED).header("x-api-key", key);
    let request = request.header("traceparent", traceparent).header("tracestate", "who=mark");
    request.send().await.expect("an answer").status().as_u16()
}

/// A key that this replica has not seen, and so has to check by its hash.
async fn unknown_key(database: &test_support::TestDatabase) -> KeyHolder {
    let maker = Replica::start_on(database.url(), &[]).await;
    Person::named("alice").creates(&maker, json!({})).await.holder
}

#[tokio::test]
async fn a_first_check_is_a_trace_from_the_caller_to_the_statement_and_the_hash() {
    let database = database().await;
    let holder = unknown_key(&database).await;
    let collector = Collector::start().await;
    let url = collector.url();
    let replica = Replica::start_on(
        database.url(),
        &[
            ("KEYWARD__TRACES__ENABLED", "true"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of%20the%20collector,x-tenant=a"),
            ("OTEL_SERVICE_NAME", "keys"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ],
    )
    .await;
    assert_eq!(asks(&replica, &holder.key, &traceparent(TRACE, "01")).await, 200);
    let trace = collector.trace(TRACE).await;
    let request = trace.one("request");
    assert_eq!(hex(&request.parent_span_id), CALLER);
    assert_eq!(request.kind, SpanKind::Server as i32);
    let told = attributes(request);
    assert_eq!((told["http.request.method"].as_str(), told["http.route"].as_str()), ("GET", PROTECTED));
    assert_eq!(told["http.response.status_code"], "200");
    let status = request.attributes.iter().find(|attribute| attribute.key == "http.response.status_code").expect("it");
    assert!(
        matches!(status.value.as_ref().and_then(|value| value.value.as_ref()), Some(Any::IntValue(200))),
        "{status:?}"
    );
    assert_eq!(trace.above(trace.one("cold_check")), ["cold_check", "request"]);
    assert_eq!(trace.above(trace.one("hash")), ["hash", "cold_check", "request"]);
    assert_eq!(trace.statement("find_keys").expect("it"), ["statement", "cold_check", "request"]);

    let sent = collector.requests().remove(0);
    assert_eq!(sent.target, "POST /v1/traces");
    assert_eq!(sent.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(sent.header("authorization"), Some("Bearer of the collector"));
    assert_eq!(sent.header("x-tenant"), Some("a"));
    let resource = texts(&sent.spans.resource_spans[0].resource.as_ref().expect("a resource").attributes);
    assert_eq!(resource["service.name"], "keys");
    assert_eq!(resource["deployment.environment.name"], "test");

    // A known key waits for nothing.
    let second = TRACE.replace('0', "1");
    assert_eq!(asks(&replica, &holder.key, &traceparent(&second, "01")).await, 200);
    assert_eq!(collector.trace(&second).await.0.len(), 1);
    let all = format!("{:?}", collector.spans());
    assert!(!all.contains(&holder.key) && !all.contains("mark") && !all.contains("x-api-key"), "{all}");
}

#[tokio::test]
async fn a_collector_gets_the_same_by_grpc_and_compressed_if_that_is_asked_for() {
    for (compression, received) in [("none", None), ("gzip", Some("gzip"))] {
        for grpc in [true, false] {
            let collector = if grpc { Collector::by_grpc().await } else { Collector::start().await };
            let replica = collector
                .replica(&[
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", if grpc { "grpc" } else { "http/protobuf" }),
                    ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
                    ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of%20the%20collector,x-tenant=a"),
                ])
                .await;
            assert_eq!(asks(&replica, "x", &traceparent(TRACE, "01")).await, 401);
            let trace = collector.trace(TRACE).await;
            assert_eq!(hex(&trace.one("request").parent_span_id), CALLER);
            let sent = collector.requests().remove(0);
            assert_eq!(sent.header("authorization"), Some("Bearer of the collector"));
            assert_eq!(sent.header("x-tenant"), Some("a"));
            assert_eq!(sent.header(if grpc { "grpc-encoding" } else { "content-encoding" }), received);
        }
    }
}

#[tokio::test]
async fn a_collector_that_comes_back_gets_spans_by_grpc_again() {
    let collector = Collector::by_grpc().await;
    let replica = collector.replica(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).await;
    assert_eq!(asks(&replica, "x", &traceparent(TRACE, "01")).await, 401);
    collector.trace(TRACE).await;
    let address = collector.end().await;
    eventually("dropped spans", async || {
        assert_eq!(asks(&replica, "x", &traceparent(TRACE, "01")).await, 401);
        Scrape::of(&replica).await.sum(DROPPED, &[]) > 0.0
    })
    .await;
    let collector = Collector::by_grpc_at(address).await;
    eventually("a span", async || {
        assert_eq!(asks(&replica, "x", &traceparent(TRACE, "01")).await, 401);
        !collector.of(TRACE).0.is_empty()
    })
    .await;
    replica.prints("spans reach the collector again").await;
}

#[tokio::test]
async fn a_change_is_a_trace_with_its_statement_and_its_confirmation() {
    let collector = Collector::start().await;
    let replica = collector.replica(&[]).await;
    let alice = Person::named("alice");
    let (made, other) = (alice.creates(&replica, json!({})).await, alice.creates(&replica, json!({})).await);
    let by_its_owner = alice.request(&replica, Method::DELETE, &made.path());
    let by_its_holder = stranger(&replica, Method::DELETE, "/v1/keys/self").header("x-api-key", &other.holder.key);
    for (request, name, route) in
        [(by_its_owner, TRACE, "/v1/keys/{id}"), (by_its_holder, OTHER_TRACE, "/v1/keys/self")]
    {
        let request = request.header("traceparent", traceparent(name, "01"));
        assert_eq!(request.send().await.expect("an answer").status(), 200);
        let trace = collector.trace(name).await;
        assert_eq!(attributes(trace.one("request"))["http.route"], route);
        assert_eq!(trace.above(trace.one("confirmation")), ["confirmation", "change", "request"]);
        assert_eq!(trace.statement("change_key").expect("it"), ["statement", "change", "request"]);
    }
}

#[tokio::test]
async fn what_the_caller_does_not_trace_is_not_traced_and_what_names_no_trace_gets_one() {
    let collector = Collector::start().await;
    let replica = collector.replica(&[]).await;
    assert_eq!(asks(&replica, "x", &traceparent(TRACE, "00")).await, 401);
    assert_eq!(asks(&replica, "x", "not a trace").await, 401);
    eventually("the second request", async || {
        collector.spans().iter().any(|span| span.name == "request" && span.parent_span_id.is_empty())
    })
    .await;
    assert!(collector.of(TRACE).0.is_empty());
    let request = collector.spans().into_iter().find(|span| span.name == "request").expect("it");
    let line = replica.prints(&hex(&request.trace_id)).await;
    assert!(line.contains("refused a request"), "{line}");
}

#[tokio::test]
async fn a_sampler_that_takes_nothing_sends_nothing_and_one_that_ignores_the_caller_takes_all() {
    let collector = Collector::start().await;
    let mut none = collector.replica(&[("OTEL_TRACES_SAMPLER", "always_off")]).await;
    assert_eq!(asks(&none, "x", &traceparent(TRACE, "01")).await, 401);
    none.signal("TERM");
    assert_eq!(none.exit_code().await, Some(0));
    assert!(collector.requests().is_empty(), "{:?}", collector.spans());
    let all = collector.replica(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "1")]).await;
    assert_eq!(asks(&all, "x", &traceparent(TRACE, "00")).await, 401);
    collector.trace(TRACE).await;
}

#[tokio::test]
async fn the_line_of_a_refused_request_names_its_trace() {
    let collector = Collector::start().await;
    let replica = collector.replica(&[]).await;
    for flags in ["01", "00"] {
        let trace = TRACE.replace('0', if flags == "01" { "2" } else { "3" });
        assert_eq!(asks(&replica, "x", &traceparent(&trace, flags)).await, 401);
        let line: Value = serde_json::from_str(&replica.prints(&trace).await).expect("JSON");
        assert_eq!(line["message"], "refused a request", "{line}");
        let span = &line["span"];
        assert_eq!((&span["name"], &span["trace_id"]), (&json!("request"), &json!(trace)), "{line}");
        assert!(span["request_id"].is_string() && span["route"] == PROTECTED, "{line}");
    }
}

#[tokio::test]
async fn a_fetch_of_keys_is_a_trace_that_is_passed_on_to_the_issuer() {
    let asked = Arc::<Mutex<Vec<Option<String>>>>::default();
    let kept = Arc::clone(&asked);
    let issuer = StubServer::start(move |request: Request| {
        kept.lock().expect("no panic").push(request.header("traceparent").map(str::to_owned));
        async { Answer::with_body(500, "") }
    })
    .await;
    let folder = Folder::new();
    let table = format!("[[jwt.issuers]]\nissuer = \"http://{}\"\ndiscovery = true\n", issuer.address());
    let file = folder.file("keyward.toml", &table);
    let collector = Collector::start().await;
    let _replica = collector.replica(&[("KEYWARD_CONFIG", &file)]).await;
    eventually("a fetch", async || collector.spans().iter().any(|span| span.name == "key_set_fetch")).await;
    let fetch = collector.spans().into_iter().find(|span| span.name == "key_set_fetch").expect("it");
    assert_eq!(fetch.kind, SpanKind::Client as i32);
    let passed_on = format!("00-{}-{}-01", hex(&fetch.trace_id), hex(&fetch.span_id));
    assert!(asked.lock().expect("no panic").contains(&Some(passed_on)));
}

#[tokio::test]
async fn a_collector_that_is_gone_costs_no_request_anything_and_its_spans_are_counted() {
    let gone = Collector::start().await.url();
    let failing = Collector::that_answers(400).await;
    let silent = "http://192.0.2.1:4318";
    for (protocol, url, queue) in [
        ("http/protobuf", gone.as_str(), "2048"),
        ("grpc", &gone, "2048"),
        ("http/protobuf", &failing.url(), "2048"),
        ("grpc", &failing.url(), "2048"),
        ("http/protobuf", silent, "1"),
        ("grpc", silent, "1"),
        ("grpc", "https://127.0.0.1:1", "2048"),
    ] {
        let env = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("KEYWARD__TRACES__ENABLED", "true"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", queue),
        ];
        let replica = replica_with(&env).await;
        let alice = Person::named("alice");
        let made = alice.creates(&replica, json!({})).await;
        for _ in 0..5 {
            assert_eq!(made.status(&replica).await, 200, "{url}");
        }
        eventually("dropped spans", async || Scrape::of(&replica).await.sum(DROPPED, &[]) > 0.0).await;
    }
}

#[tokio::test]
async fn the_last_spans_are_sent_before_the_end_which_a_silent_collector_does_not_delay() {
    let collector = Collector::start().await;
    let mut replica = collector.replica(&[("OTEL_BSP_SCHEDULE_DELAY", "60000")]).await;
    assert_eq!(asks(&replica, "x", &traceparent(TRACE, "01")).await, 401);
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0));
    collector.of(TRACE).one("request");

    let silent = StubServer::start(|_| async { Answer::Silence }).await;
    let url = format!("http://{}", silent.address());
    let mut replica =
        replica_with(&[("KEYWARD__TRACES__ENABLED", "true"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).await;
    assert_eq!(asks(&replica, "x", &traceparent(TRACE, "01")).await, 401);
    let begun = std::time::Instant::now();
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0));
    assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn without_the_setting_or_with_the_sdk_disabled_nothing_is_sent_whatever_the_platform_says() {
    let collector = Collector::start().await;
    let url = collector.url();
    let platform = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
    ];
    for more in [vec![], vec![("KEYWARD__TRACES__ENABLED", "true"), ("OTEL_SDK_DISABLED", "true")]] {
        let mut replica = replica_with(&[platform.as_slice(), &more].concat()).await;
        assert_eq!(asks(&replica, "x", &traceparent(TRACE, "01")).await, 401);
        replica.signal("TERM");
        assert_eq!(replica.exit_code().await, Some(0));
        assert!(!replica.output().contains(TRACE));
    }
    assert!(collector.requests().is_empty());
}

#[test]
fn protocols_and_samplers_that_are_unknown_are_refused_at_start() {
    for (name, value, hint) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "http/protobuf or grpc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "none or gzip"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "0 to 1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http://"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "100ms"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "name=value"),
    ] {
        let mut command = command();
        command.arg("serve").env("DATABASE_URL", "postgres://keyward@127.0.0.1:1/x").env(name, value);
        let output = command.env("KEYWARD__TRACES__ENABLED", "true").output().expect("keyward runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(name) && text.contains(hint), "{name}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_request_that_fails_is_marked_as_an_error() {
    let collector = Collector::start().await;
    let replica = collector.replica(&[]).await;
    let pool = replica.database().superuser_pool().await;
    sqlx::query("ALTER TABLE api_keys RENAME TO lost").execute(&pool).await.expect("renamed");
    let alice = Person::named("bob").request(&replica, Method::GET, "/v1/keys");
    let answer = alice.header("traceparent", traceparent(TRACE, "01")).send().await.expect("an answer");
    assert_eq!(answer.status(), 503);
    let trace = collector.trace(TRACE).await;
    assert_eq!(trace.one("request").status.as_ref().map(|status| status.code), Some(StatusCode::Error as i32));
}
