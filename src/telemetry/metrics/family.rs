//! What a metric and a label are.

use std::fmt::{Display, Formatter};

/// A metric.
#[derive(Debug)]
pub struct Family {
    /// Its name, with the unit at the end.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its labels, in the order in which samples name their values.
    pub labels: &'static [&'static Label],
    /// What it says, without its unit.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; 0 at the start of the process.
    Counter,
    /// May grow and shrink.
    Gauge,
    /// Durations, counted by how long they are.
    Histogram,
}

impl Display for Kind {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

impl Family {
    /// The unit of its values.
    pub fn unit(&self) -> &'static str {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        ["seconds", "bytes", "ratio"].into_iter().find(|unit| name.ends_with(unit)).unwrap_or("number")
    }
}

/// A label.
#[derive(Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// The values that it can have.
    pub values: Values,
    /// What they say.
    pub help: &'static str,
}

/// The values of a label.
#[derive(Debug)]
pub enum Values {
    /// These words.
    Words(&'static [&'static str]),
    /// Those of another table of the program, which the text names.
    OfTheProgram(&'static str),
    /// Those of the configuration, or of the process itself.
    OfTheReplica(&'static str),
}

pub(super) const fn counter(name: &'static str, labels: &'static [&'static Label], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

pub(super) const fn gauge(name: &'static str, labels: &'static [&'static Label], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

pub(super) const fn histogram(name: &'static str, labels: &'static [&'static Label], help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, labels, help }
}

pub(super) const fn words(name: &'static str, words: &'static [&'static str], help: &'static str) -> Label {
    Label { name, values: Values::Words(words), help }
}
