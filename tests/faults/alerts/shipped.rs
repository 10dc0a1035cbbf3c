//! The files as they ship.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use keyward::telemetry::metrics::{family::Kind, groups::GROUPS};
use regex::Regex;
use serde_json::Value;

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rules in a file of `deploy/prometheus`.
pub(crate) fn rules(name: &str) -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&text(&format!("deploy/prometheus/{name}"))).expect("YAML");
    let groups = file["groups"].as_array().expect("groups").iter();
    groups.flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

/// The names of all alerts.
pub(crate) fn alerts() -> Vec<String> {
    rules("alerts.yml").iter().map(|rule| rule["alert"].as_str().expect("a name").to_owned()).collect()
}

/// A dashboard, by the name of its file, and its queries.
pub(crate) struct Dashboard {
    pub(crate) file: String,
    pub(crate) content: Value,
    pub(crate) queries: Vec<String>,
}

pub(crate) fn dashboards() -> Vec<Dashboard> {
    let files = fs::read_dir(path("deploy/grafana")).expect("a folder").map(|file| file.expect("a file").path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    let read = |file: PathBuf| {
        let content: Value = serde_json::from_str(&fs::read_to_string(&file).expect("text")).expect("JSON");
        let panels = content["panels"].as_array().expect("panels").iter();
        let targets = panels.flat_map(|panel| panel["targets"].as_array().expect("targets"));
        let queries = targets.map(|target| target["expr"].as_str().expect("a query").to_owned()).collect();
        Dashboard { file: file.file_name().expect("a name").to_string_lossy().into_owned(), content, queries }
    };
    files.map(read).collect()
}

/// Every name that a query may use: of the metrics, of their parts, and of the recorded rules.
pub(crate) fn known_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for family in GROUPS.iter().flat_map(|group| group.families) {
        if family.kind == Kind::Histogram {
            names.extend(["bucket", "sum", "count"].map(|part| format!("{}_{part}", family.name)));
        } else {
            names.insert(family.name.to_owned());
        }
    }
    names.extend(rules("recording.yml").iter().map(|rule| rule["record"].as_str().expect("a name").to_owned()));
    names
}

/// The names of metrics in a query.
pub(crate) fn names_in(query: &str) -> Vec<String> {
    // Not the values of labels, which are quoted.
    let query = Regex::new(r#""[^"]*""#).expect("a pattern").replace_all(query, "\"\"");
    let names = Regex::new(r"\b(?:keyward|process)[_:][A-Za-z0-9_:]+").expect("a pattern");
    names.find_iter(&query).map(|name| name.as_str().to_owned()).collect()
}
