//! The rules for Prometheus.

use std::process::Command;

use serde_json::Value;

use super::{
    prometheus,
    shipped::{alerts, known_names, names_in, path, rules, text},
};

pub(crate) fn promtool(arguments: &[&str]) {
    if !prometheus::is_installed("promtool") {
        return;
    }
    let ended = Command::new("promtool").args(arguments).current_dir(path("deploy/prometheus")).output();
    let ended = ended.expect("promtool runs");
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.contains("SUCCESS"), "{said}");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules() {
    promtool(&["check", "rules", "--lint-fatal", "recording.yml", "alerts.yml"]);
}

#[test]
fn each_alert_fires_on_its_fault_after_its_time_and_none_while_all_is_well() {
    promtool(&["test", "rules", "tests.yml"]);
}

#[test]
fn each_alert_is_tested_and_says_who_should_look_what_is_wrong_and_where_to_read_on() {
    let tests = text("deploy/prometheus/tests.yml");
    for rule in rules("alerts.yml") {
        let name = rule["alert"].as_str().expect("a name");
        assert!(tests.contains(&format!("ALERTS{{alertname=\"{name}\"")), "no test of {name}");
        let severity = rule["labels"]["severity"].as_str();
        assert!(severity.is_some_and(|word| ["critical", "warning", "info"].contains(&word)), "{name}: {severity:?}");
        assert!(rule["for"].is_string(), "{name} fires at once");
        let annotation = |key: &str| rule["annotations"][key].as_str().unwrap_or_else(|| panic!("{name}: no {key}"));
        let (summary, description) = (annotation("summary"), annotation("description"));
        assert!(!summary.ends_with('.') && description.ends_with('.'), "{name}: {summary} {description}");
        let entry = format!("https://docs.example.com/keyward/runbook.md#{}", name.to_lowercase());
        assert_eq!(annotation("runbook_url"), entry);
    }
    let mut names = alerts();
    names.dedup();
    assert_eq!(names.len(), rules("alerts.yml").len());
}

#[test]
fn the_rules_ask_only_for_metrics_that_exist() {
    let known = known_names();
    let asked: Vec<Value> = [rules("recording.yml"), rules("alerts.yml")].concat();
    let mut found = 0;
    for query in asked.iter().map(|rule| rule["expr"].as_str().expect("a query")) {
        for name in names_in(query) {
            assert!(known.contains(&name), "{name} in {query}");
            found += 1;
        }
    }
    assert!(found > 30, "only {found} names were found");
}
