//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};

use super::{counting::Distribution, family::Family};

/// The media type of the format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text of an answer to a scrape, to which metrics are added.
#[derive(Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a metric. Each is begun once, and all of its samples follow.
    pub fn family(&mut self, family: &'static Family) -> Samples<'_> {
        self.write(format_args!("# HELP {} {}\n# TYPE {} {}\n", family.name, family.help, family.name, family.kind));
        Samples { text: self, family }
    }

    /// A metric with one sample.
    pub fn single(&mut self, family: &'static Family, value: impl Display) {
        self.family(family).value(&[], value);
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.0
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.0.write_fmt(arguments).expect("writing to a string never fails");
    }
}

/// A metric whose samples are being written.
pub struct Samples<'a> {
    text: &'a mut Exposition,
    family: &'static Family,
}

impl Samples<'_> {
    /// Adds a sample. `labels`: one value for each label of the family, in the same order.
    pub fn value(&mut self, labels: &[&str], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// Adds the samples of a histogram.
    pub fn distribution(&mut self, labels: &[&str], distribution: &Distribution) {
        let mut below = 0;
        for (bound, count) in distribution.bounds.iter().zip(&distribution.counts) {
            below += count;
            self.line("_bucket", labels, Some(&bound.as_secs_f64().to_string()), below);
        }
        let count = distribution.count();
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, distribution.sum.as_secs_f64());
        self.line("_count", labels, None, count);
    }

    fn line(&mut self, suffix: &str, labels: &[&str], bound: Option<&str>, value: impl Display) {
        let Self { text, family } = self;
        debug_assert_eq!(labels.len(), family.labels.len(), "{}", family.name);
        text.write(format_args!("{}{suffix}", family.name));
        let named = family.labels.iter().map(|label| label.name).zip(labels.iter().copied());
        let mut separator = '{';
        for (name, value) in named.chain(bound.map(|bound| ("le", bound))) {
            text.write(format_args!("{separator}{name}=\"{}\"", Escaped(value)));
            separator = ',';
        }
        text.write(format_args!("{} {value}\n", if separator == ',' { "}" } else { "" }));
    }
}

/// A value of a label, as the format demands. Ours hold none of these letters, except perhaps an issuer's name.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\\' => formatter.write_str("\\\\")?,
                '"' => formatter.write_str("\\\"")?,
                '\n' => formatter.write_str("\\n")?,
                letter => formatter.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::metrics::{
        counting::{FAST, Histogram},
        table,
    };

    #[test]
    fn the_text_is_of_the_format_that_prometheus_reads() {
        let mut text = Exposition::default();
        text.single(&table::LEASE, Duration::from_millis(4_500).as_secs_f64());
        text.family(&table::ISSUER_AGE).value(&["a \"b\"\\\n"], 7);
        let waits = Histogram::new(FAST);
        waits.observe(Duration::from_micros(200));
        waits.observe(Duration::from_secs(5));
        text.family(&table::HASH_DURATION).distribution(&[], &waits.distribution());
        let text = text.finish();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("# HELP keyward_lease_remaining_seconds "), "{}", lines[0]);
        assert_eq!(
            lines[1..3],
            ["# TYPE keyward_lease_remaining_seconds gauge", "keyward_lease_remaining_seconds 4.5"]
        );
        assert_eq!(lines[5], r#"keyward_issuer_key_set_age_seconds{issuer="a \"b\"\\\n"} 7"#);
        assert_eq!(lines[8], r#"keyward_hash_duration_seconds_bucket{le="0.0001"} 0"#);
        assert_eq!(lines[9], r#"keyward_hash_duration_seconds_bucket{le="0.00025"} 1"#);
        let end = [
            r#"keyward_hash_duration_seconds_bucket{le="2.5"} 1"#,
            r#"keyward_hash_duration_seconds_bucket{le="+Inf"} 2"#,
            "keyward_hash_duration_seconds_sum 5.0002",
            "keyward_hash_duration_seconds_count 2",
        ];
        assert_eq!(lines[lines.len() - 4..], end);
    }
}
