//! The metrics: each moves when its cause happens, and none takes a label from a request.

mod checks;
mod clients;
mod closed_labels;
mod coherence;
mod database;
mod hashing;
mod requests;
mod serving;

use std::collections::BTreeMap;

use test_support::{client, eventually, replica::Replica};

/// A label and its value.
type Label = (String, String);

/// What a replica has answered to a scrape.
pub(crate) struct Scrape {
    pub(crate) text: String,
    samples: BTreeMap<(String, Vec<Label>), f64>,
}

impl Scrape {
    /// The metrics of `replica` on its main port.
    pub(crate) async fn of(replica: &Replica) -> Self {
        Self::at(&replica.url("/metrics")).await
    }

    async fn at(url: &str) -> Self {
        let answer = client::get(url).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        Self::read(answer.text().await.expect("text"))
    }

    fn read(text: String) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').expect("an end of the labels");
            ((name.to_owned(), pairs(labels)), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        });
        let samples: Vec<_> = samples.collect();
        let count = samples.len();
        let samples: BTreeMap<_, _> = samples.into_iter().collect();
        assert_eq!(samples.len(), count, "a series is there twice");
        Self { text, samples }
    }

    /// The sum of the samples of this name that have these labels, and perhaps others; `None` if there is none.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |own: &[Label]| {
            labels.iter().all(|(name, value)| own.iter().any(|(own_name, own)| own_name == name && own == value))
        };
        let found = self.samples.iter().filter(|((own, own_labels), _)| own == name && has(own_labels));
        found.map(|(_, value)| *value).reduce(|sum, value| sum + value)
    }

    /// The same, where nothing is nought.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.get(name, labels).unwrap_or_default()
    }
}

fn pairs(labels: &str) -> Vec<Label> {
    let mut pairs = Vec::new();
    let mut rest = labels;
    while let Some((name, quoted)) = rest.split_once("=\"") {
        let mut end = 0;
        let bytes = quoted.as_bytes();
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        pairs.push((name.trim_start_matches(',').to_owned(), quoted[..end].to_owned()));
        rest = &quoted[end + 1..];
    }
    pairs.sort();
    pairs
}

/// Waits until the series has grown by this much since `before`, and no more.
pub(crate) async fn grows(replica: &Replica, before: &Scrape, name: &str, labels: &[(&str, &str)], by: f64) {
    let expected = before.sum(name, labels) + by;
    let what = format!("{name} {labels:?} is {expected}");
    eventually(&what, async || {
        let now = Scrape::of(replica).await.sum(name, labels);
        assert!(now <= expected, "{what}, not {now}");
        now == expected
    })
    .await;
}

/// Waits until a sample is as wanted.
pub(crate) async fn becomes(replica: &Replica, name: &str, labels: &[(&str, &str)], wanted: impl Fn(f64) -> bool) {
    eventually(&format!("{name} {labels:?}"), async || {
        Scrape::of(replica).await.get(name, labels).is_some_and(&wanted)
    })
    .await;
}
