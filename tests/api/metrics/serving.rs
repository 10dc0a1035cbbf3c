//! Where the metrics are served, to whom, and in which form.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use keyward::telemetry::metrics::groups::GROUPS;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    actors::{Person, stranger},
    asking::{Reply, replica, replica_with},
    client, eventually,
    replica::{Replica, command},
};

use super::{Scrape, becomes};

const TOKEN: &str = "tGxq3Vv0kqfC6kJ8bYw1nZr5mHs9dPaL";

async fn get(url: &str, token: Option<&str>) -> Reply {
    let request = client::request(Method::GET, url);
    Reply::to(token.into_iter().fold(request, |request, token| request.bearer_auth(token))).await
}

#[tokio::test]
async fn every_metric_is_there_with_its_type_and_its_meaning() {
    let replica = replica().await;
    let made = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(made.status(&replica).await, 200);
    becomes(&replica, "keyward_keys", &[("state", "active")], |_| true).await;
    let reply = get(&replica.url("/metrics"), None).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    for family in GROUPS.iter().flat_map(|group| group.families) {
        let begin = format!("# HELP {0} {1}\n# TYPE {0} {2}\n", family.name, family.help, family.kind);
        assert_eq!(reply.text.matches(&begin).count(), 1, "{begin}");
    }
    let count: usize = GROUPS.iter().map(|group| group.families.len()).sum();
    assert_eq!(reply.text.matches("# TYPE ").count(), count);
    let scrape = Scrape::read(reply.text);
    let version = env!("CARGO_PKG_VERSION");
    let line: Value = serde_json::from_str(&replica.prints("Server running on port").await).expect("JSON");
    let id = line["replica"].as_str().expect("an id").to_owned();
    assert_eq!(scrape.get("keyward_build_info", &[("version", version), ("replica", &id)]), Some(1.0));
    assert!(scrape.text.len() < 200_000, "{} bytes", scrape.text.len());
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "what the system knows is read in /proc")]
async fn the_process_is_described_under_the_names_that_all_programs_use() {
    let replica = replica().await;
    let scrape = Scrape::of(&replica).await;
    let now = test_support::actors::now() as f64;
    for (name, range) in [
        ("process_cpu_seconds_total", 0.0..600.0),
        ("process_resident_memory_bytes", 1e6..4e9),
        ("process_virtual_memory_bytes", 1e6..1e13),
        ("process_start_time_seconds", now - 600.0..now + 60.0),
        ("process_open_fds", 5.0..10_000.0),
        ("process_max_fds", 100.0..1e10),
    ] {
        let value = scrape.get(name, &[]).unwrap_or_else(|| panic!("no {name}"));
        assert!(range.contains(&value), "{name} is {value}");
    }
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_answer() {
    if Command::new("promtool").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("KEYWARD_REQUIRE_GATEWAYS").is_none(), "promtool is missing");
        return;
    }
    let replica = replica().await;
    let made = Person::named("alice").creates(&replica, json!({})).await;
    assert_eq!(made.status(&replica).await, 200);
    becomes(&replica, "keyward_keys", &[("state", "active")], |_| true).await;
    let text = Scrape::of(&replica).await.text;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("promtool starts");
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let checked = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&checked.stderr) + String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn head_is_answered_without_content_and_another_method_with_405() {
    let replica = replica().await;
    let head = Reply::to(stranger(&replica, Method::HEAD, "/metrics")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let post = Reply::to(stranger(&replica, Method::POST, "/metrics")).await;
    post.is_problem(405, "method_not_allowed");
    assert_eq!(post.header("allow"), Some("GET, HEAD"));
}

#[tokio::test]
async fn with_a_token_nobody_reads_them_who_does_not_present_it() {
    let replica = replica_with(&[("KEYWARD__METRICS__TOKEN", TOKEN)]).await;
    let url = replica.url("/metrics");
    let without = get(&url, None).await;
    without.is_problem(401, "missing_credential");
    assert_eq!(without.header("www-authenticate"), Some(r#"Bearer realm="keyward""#));
    let wanted = "This route takes metrics.token, and no other credential: Authorization: Bearer <metrics.token>.";
    assert_eq!(without.is(401)["detail"], wanted);
    let (short, long) = (&TOKEN[1..], format!("{TOKEN}x"));
    for wrong in [short, &long, "x", &Person::administrator().token] {
        let refused = get(&url, Some(wrong)).await;
        refused.is_problem(401, "invalid_token");
        assert_eq!(refused.is(401)["detail"], wanted);
        assert_eq!(refused.header("www-authenticate"), Some(r#"Bearer realm="keyward", error="invalid_token""#));
    }
    let twice =
        client::request(Method::GET, &url).bearer_auth(TOKEN).header("authorization", format!("Bearer {TOKEN}"));
    Reply::to(twice).await.is_problem(400, "invalid_request");
    Reply::to(client::request(Method::GET, format!("{url}?token={TOKEN}"))).await.is_problem(401, "missing_credential");
    assert_eq!(get(&url, Some(TOKEN)).await.status, 200);
    let line = replica.prints("metrics_token").await;
    assert!(line.contains("refused a request") && !replica.output().contains(TOKEN), "{line}");
}

#[tokio::test]
async fn the_token_can_come_from_a_file_and_is_shown_nowhere() {
    let folder = test_support::program::Folder::new();
    let file = folder.file("token", &format!("{TOKEN}\n"));
    let replica = replica_with(&[("KEYWARD__METRICS__TOKEN_FILE", &file)]).await;
    let url = replica.url("/metrics");
    assert_eq!((get(&url, Some(TOKEN)).await.status, get(&url, None).await.status), (200, 401));
    let shown = command().arg("config").env("KEYWARD__METRICS__TOKEN", TOKEN).output().expect("it runs");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("metrics") && !shown.contains(TOKEN), "{shown}");
}

#[tokio::test]
async fn at_an_address_of_their_own_they_are_served_there_and_nowhere_else_and_nothing_else_is() {
    let env = [("KEYWARD__METRICS__LISTEN", "127.0.0.1:0"), ("KEYWARD__METRICS__TOKEN", TOKEN)];
    let replica = replica_with(&env).await;
    let line: Value = serde_json::from_str(&replica.prints("metrics are served").await).expect("JSON");
    let own = |path: &str| format!("http://{}{path}", line["address"].as_str().expect("an address"));
    assert_eq!(get(&own("/metrics"), Some(TOKEN)).await.status, 200);
    get(&own("/metrics"), None).await.is_problem(401, "missing_credential");
    get(&replica.url("/metrics"), Some(TOKEN)).await.is_problem(404, "not_found");
    for path in ["/", "/healthz", "/readyz", "/v1/keys", "/docs/", "/v1/authorize", "/api/protected-resource"] {
        assert_eq!(get(&own(path), Some(TOKEN)).await.status, 404, "{path}");
    }
    // What happens on either port is counted.
    eventually("requests are counted", async || {
        let scrape = Scrape::read(get(&own("/metrics"), Some(TOKEN)).await.text);
        scrape.sum("keyward_http_requests_total", &[("route", "/metrics"), ("status", "401")]) == 1.0
            && scrape.sum("keyward_http_requests_total", &[("route", "/metrics"), ("status", "404")]) == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_replica_with_metrics_of_their_own_address_stops_as_any_other() {
    let mut replica = replica_with(&[("KEYWARD__METRICS__LISTEN", "127.0.0.1:0")]).await;
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, Some(0));
}

#[tokio::test]
async fn switched_off_they_are_nowhere() {
    let replica = replica_with(&[("KEYWARD__METRICS__ENABLED", "false")]).await;
    get(&replica.url("/metrics"), None).await.is_problem(404, "not_found");
    let replica =
        replica_with(&[("KEYWARD__METRICS__ENABLED", "false"), ("KEYWARD__METRICS__LISTEN", "127.0.0.1:0")]).await;
    get(&replica.url("/metrics"), None).await.is_problem(404, "not_found");
    assert!(!replica.output().contains("metrics are served"));
}

#[tokio::test]
async fn they_are_served_before_the_database_is_there() {
    let mut waiting = command();
    waiting.args(["serve"]).env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    waiting.env("KEYWARD__METRICS__LISTEN", "127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = waiting.spawn().expect("it starts");
    let output = test_support::replica::Output::collect(&mut process);
    let line: Value = serde_json::from_str(&output.line_with("metrics are served").await).expect("JSON");
    let scrape = Scrape::at(&format!("http://{}/metrics", line["address"].as_str().expect("an address"))).await;
    assert_eq!(scrape.get("keyward_lease_remaining_seconds", &[]), Some(0.0));
    assert_eq!(scrape.get("keyward_keys", &[]), None);
    test_support::replica::signal(process.id(), "TERM");
    assert_eq!(test_support::replica::exit_code(&mut process, &output).await, Some(0));
}

#[tokio::test]
async fn an_address_that_is_taken_and_a_token_that_is_weak_are_refused_with_the_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    for (setting, value, told) in [
        ("KEYWARD__METRICS__LISTEN", taken.as_str(), "metrics.listen"),
        ("KEYWARD__METRICS__LISTEN", "9464", "metrics.listen"),
        ("KEYWARD__METRICS__TOKEN", "short", "metrics.token"),
        ("KEYWARD__METRICS__TOKEN", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "metrics.token"),
        ("KEYWARD__METRICS__TOKEN", "tGxq3Vv0kqfC6kJ8 bYw1nZr5mHs9dPaL", "metrics.token"),
        ("KEYWARD__METRICS__SAMPLE_EVERY", "1s", "metrics.sample_every"),
    ] {
        let mut serve = command();
        serve.arg("serve").env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").env(setting, value);
        let ended = serve.output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(told), "{setting}={value}: {said}");
        assert!(!told.ends_with("token") || !said.contains(value), "{said}");
    }
}

/// A replica answers with at most one text in half a second, however many ask.
#[tokio::test]
async fn many_readers_get_the_same_text() {
    let replica: Replica = replica().await;
    let url = replica.url("/metrics");
    let texts = futures_util::future::join_all((0..50).map(|_| get(&url, None))).await;
    let different: std::collections::BTreeSet<_> = texts.iter().map(|reply| &reply.text).collect();
    assert!(different.len() < 25, "{} texts", different.len());
}
