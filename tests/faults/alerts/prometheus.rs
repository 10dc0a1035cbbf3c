//! A Prometheus that runs with the rules that ship, in minutes instead of hours.

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex::{Captures, Regex};
use serde_json::{Value, json};
use test_support::{client, eventually, program::Folder, replica::Output};

use super::shipped;

/// How often Prometheus scrapes and looks at the rules. A replica gives many scrapes within half a second the same
/// text.
const STEP: &str = "500ms";
/// Ranges of the rules become this much shorter.
const FASTER: u64 = 300;
/// But no shorter than this, in seconds: a rate needs several scrapes.
const RANGE_MIN: u64 = 2;
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether this program can be used here. If not, says so, or fails where it must be.
pub(crate) fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        let reason = format!("the program `{program}` is not installed");
        assert!(std::env::var_os("KEYWARD_REQUIRE_GATEWAYS").is_none(), "{reason}");
        println!("skipped: {reason}");
    }
    found
}

/// The rules as they ship, for a test that can't wait: every range is [`FASTER`] times shorter, each alert fires after
/// a second, and the keys of an issuer are old after 12 s, because the replicas fetch them every 10.
fn shortened(rules: &str) -> String {
    let ranges = Regex::new(r"\[(\d+)([mhd])\]").expect("a pattern");
    let rules = ranges.replace_all(rules, |found: &Captures<'_>| {
        let unit = match &found[2] {
            "m" => 60,
            "h" => 3600,
            _ => 86400,
        };
        let seconds = found[1].parse::<u64>().expect("a number") * unit / FASTER;
        format!("[{}s]", seconds.max(RANGE_MIN))
    });
    let rules = Regex::new(r"(?m)^( +for:) \w+$").expect("a pattern").replace_all(&rules, "$1 1s").into_owned();
    rules.replace("keyward_issuer_key_set_age_seconds > 3600", "keyward_issuer_key_set_age_seconds > 12")
}

/// It ends with this value.
pub(crate) struct Prometheus {
    process: Child,
    output: Arc<Output>,
    url: String,
    folder: Folder,
}

impl Prometheus {
    /// One that scrapes nobody yet.
    pub(crate) async fn start() -> Self {
        let folder = Folder::new();
        for name in ["recording.yml", "alerts.yml"] {
            folder.file(name, &shortened(&shipped::text(&format!("deploy/prometheus/{name}"))));
        }
        folder.file("targets.json", "[]");
        let configuration = json!({
            "global": { "scrape_interval": STEP, "scrape_timeout": STEP, "evaluation_interval": STEP },
            "rule_files": ["recording.yml", "alerts.yml"],
            "scrape_configs": [{ "job_name": "keyward", "file_sd_configs": [{ "files": ["targets.json"] }] }],
        });
        let configuration = folder.file("prometheus.yml", &configuration.to_string());
        let mut command = Command::new("prometheus");
        command.args(["--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=1h"]);
        command.arg(format!("--config.file={configuration}"));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("Prometheus starts");
        let output = Output::collect(&mut process);
        let line = output.line_with("Listening on\" address=").await;
        let (_, address) = line.rsplit_once("address=").expect("the line that was waited for");
        let url = format!("http://{}", address.trim());
        output.line_with("Server is ready to receive web requests").await;
        Self { process, output, url, folder }
    }

    /// From now on it scrapes these, each `host:port`.
    pub(crate) fn scrapes(&self, targets: &[&str]) {
        let new = self.folder.file("targets.new", &json!([{ "targets": targets }]).to_string());
        fs::rename(new, self.folder.path().join("targets.json")).expect("the file is replaced");
    }

    /// What it answers to a query, now: the labels and the value of each series.
    pub(crate) async fn answers(&self, query: &str) -> Vec<(Value, f64)> {
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let answer = client::get(format!("{}/api/v1/query?query={query}", self.url)).await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("no series: {answer}")).iter();
        let value = |series: &Value| series["value"][1].as_str().expect("a value").parse().expect("a number");
        series.map(|series| (series["metric"].clone(), value(series))).collect()
    }

    /// Whether a query has a number for an answer.
    pub(crate) async fn has_data_for(&self, query: &str) -> bool {
        self.answers(query).await.iter().any(|(_, value)| !value.is_nan())
    }

    /// The names of the alerts that fire.
    pub(crate) async fn firing(&self) -> Vec<String> {
        let alerts = self.answers(r#"count by (alertname) (ALERTS{alertstate="firing"})"#).await;
        alerts.iter().map(|(labels, _)| labels["alertname"].as_str().expect("a name").to_owned()).collect()
    }

    /// Waits until all of these fire.
    pub(crate) async fn sees(&self, alerts: &[&str]) {
        self.waits(&format!("{alerts:?} fire"), |firing| {
            alerts.iter().all(|alert| firing.iter().any(|name| name == alert))
        })
        .await;
        self.texts_are_filled_in().await;
    }

    /// Waits until none of these fires.
    pub(crate) async fn sees_the_end_of(&self, alerts: &[&str]) {
        self.waits(&format!("{alerts:?} end"), |firing| {
            !alerts.iter().any(|alert| firing.iter().any(|name| name == alert))
        })
        .await;
    }

    async fn waits(&self, what: &str, wanted: impl Fn(&[String]) -> bool) {
        eventually(what, async || {
            tokio::time::sleep(PAUSE).await;
            wanted(&self.firing().await)
        })
        .await;
    }

    /// The annotations of all alerts, as somebody reads them.
    async fn texts_are_filled_in(&self) {
        let answer = client::get(format!("{}/api/v1/alerts", self.url)).await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        for alert in answer["data"]["alerts"].as_array().expect("alerts") {
            let texts = alert["annotations"].to_string();
            let is_whole = !texts.contains("{{") && !texts.contains("<error") && !texts.contains("<no value>");
            assert!(is_whole, "{texts}");
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("Prometheus has printed:\n{}", self.output.last());
        }
    }
}
