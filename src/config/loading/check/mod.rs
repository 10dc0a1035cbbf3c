//! Reads single settings, and collects all errors instead of stopping at the first.
//!
//! - `table`: one table of a list of tables

pub(in crate::config) mod table;

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;
use std::thread::available_parallelism;
use std::time::Duration;

use config::{Map, Value, ValueKind};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::duration::{InvalidDuration, parse_duration};
use super::load::Settings;
use super::names::{SECRETS, how_to_set};
use super::problems::Problems;

/// The number of characters of an invalid value that a message shows.
const MAX_QUOTED: usize = 60;

/// Each method returns `None` after it has recorded a problem.
pub(in crate::config) struct Check<'a> {
    settings: &'a Settings,
    problems: Vec<String>,
}

impl<'a> Check<'a> {
    /// Starts with the problems found while loading.
    pub(in crate::config) fn new(settings: &'a Settings) -> Self {
        let problems = settings.problems.clone();
        Self { settings, problems }
    }

    /// `value`, if there were no problems.
    pub(in crate::config) fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problems(self.problems)),
        }
    }

    /// Records a problem with `setting`. `cause` continues a sentence that starts with its name, and must not contain a
    /// secret.
    pub(in crate::config) fn problem(&mut self, setting: &str, cause: impl Display) {
        let value = self.settings.value(setting);
        let origin = match value.origin() {
            Some(origin) if origin != "default" => format!(" ({origin})"),
            _ => String::new(),
        };
        self.problems.push(format!("{setting}{origin} {cause}; {}", how_to_set(setting)));
    }

    /// The number of problems so far.
    pub(in crate::config) fn problems(&self) -> usize {
        self.problems.len()
    }

    /// Drops those of the problems after the first `before` whose value comes from variables with this prefix.
    pub(in crate::config) fn overlook(&mut self, before: usize, prefix: &str) {
        let origin = format!(" (env {prefix}");
        let mut place = 0;
        self.problems.retain(|problem| {
            place += 1;
            let named = problem.split_once(' ').map_or("", |(name, _)| name);
            place <= before || !problem[named.len()..].starts_with(&origin)
        });
    }

    /// Records a problem in a file that a setting names.
    pub(in crate::config) fn problem_within(&mut self, path: &Path, cause: impl Display) {
        self.problems.push(format!("{}: {cause}", path.display()));
    }

    /// Any type that serde can read; `expected` describes it.
    pub(in crate::config) fn value<T: DeserializeOwned>(&mut self, setting: &str, expected: &str) -> Option<T> {
        let value = self.settings.value(setting);
        let read = value.clone().try_deserialize().ok();
        if read.is_none() {
            self.not(setting, &value, expected);
        }
        read
    }

    /// A whole number within `range`.
    pub(in crate::config) fn number<T>(&mut self, setting: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let value = self.settings.value(setting);
        // Parsed from text, because the config crate would read "yes" as 1 and round 2.7.
        let number = text_of(&value).and_then(|text| text.trim().parse().ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            self.not(setting, &value, &expected);
        }
        number
    }

    /// A count of threads up to `most`; 0 is one per core.
    pub(in crate::config) fn count_of_threads(&mut self, setting: &str, most: usize) -> Option<NonZeroUsize> {
        let count = self.number(setting, 0..=most)?;
        Some(NonZeroUsize::new(count).or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN))
    }

    /// An address with a port; within, `None` if there is none. `usual` is an example of the port.
    pub(in crate::config) fn listen(&mut self, setting: &str, usual: u16) -> Option<Option<SocketAddr>> {
        let text = self.text(setting, 64)?;
        if text.is_empty() {
            return Some(None);
        }
        let address = text.parse().ok();
        if address.is_none() {
            let examples = format!("127.0.0.1:{usual} or [::]:{usual}");
            self.problem(setting, format!("is {text:?}, not an address with a port such as {examples}"));
        }
        address.map(Some)
    }

    /// A duration from `shortest` to `longest`, which are written like settings ("500ms").
    pub(in crate::config) fn duration(&mut self, setting: &str, shortest: &str, longest: &str) -> Option<Duration> {
        let value = self.settings.value(setting);
        let bound = |text| parse_duration(text).expect("the bounds are literals");
        let range = bound(shortest)..=bound(longest);
        let read = text_of(&value).map_or(Err(InvalidDuration::Form), |text| parse_duration(&text));
        if let Ok(duration) = read
            && range.contains(&duration)
        {
            return Some(duration);
        }
        let why = read.err().map_or_else(String::new, |invalid| format!(": it is {invalid}"));
        self.not(setting, &value, &format!("a duration from {shortest} to {longest}{why}"));
        None
    }

    /// A string of at most `longest` characters.
    pub(in crate::config) fn text(&mut self, setting: &str, longest: usize) -> Option<String> {
        let value = self.settings.value(setting);
        let text = text_of(&value).filter(|text| is_sound(text, longest));
        if text.is_none() {
            let expected = format!("text of at most {longest} characters without control characters");
            self.not(setting, &value, &expected);
        }
        text
    }

    /// A list of at most `most` strings of at most `longest` characters each.
    pub(in crate::config) fn list(&mut self, setting: &str, most: usize, longest: usize) -> Option<Vec<String>> {
        let value = self.settings.value(setting);
        let list = list_of(&value)
            .filter(|list| list.len() <= most && list.iter().all(|item| !item.is_empty() && is_sound(item, longest)));
        if list.is_none() {
            let expected = format!("a list of at most {most} texts of 1 to {longest} characters each");
            self.not(setting, &value, &expected);
        }
        list
    }

    /// The tables of a list of them, with their members.
    pub(in crate::config) fn tables(&mut self, setting: &str) -> Option<Vec<Map<String, Value>>> {
        let value = self.settings.value(setting);
        let tables = match value.kind.clone() {
            ValueKind::Array(items) => items.into_iter().map(|item| item.into_table().ok()).collect(),
            _ => None,
        };
        if tables.is_none() {
            self.not(setting, &value, &format!("a list of tables: [[{setting}]] in the configuration file"));
        }
        tables
    }

    /// Whether there is an issuer besides that of the shared secret.
    pub(in crate::config) fn names_issuers(&self) -> bool {
        !matches!(&self.settings.value("jwt.issuers").kind, ValueKind::Array(items) if items.is_empty())
    }

    /// A secret string; empty if it is not set.
    pub(in crate::config) fn secret(&mut self, setting: &'static str) -> Option<Zeroizing<String>> {
        self.readable(setting)?;
        let texts = self.settings.secret(setting).unwrap_or_default();
        let text = texts.first().filter(|text| is_utf8(text)).cloned();
        if text.is_none() {
            self.problem(setting, "is not UTF-8 text");
        }
        text
    }

    /// A list of secret strings; empty if it is not set.
    pub(in crate::config) fn secrets(&mut self, setting: &'static str) -> Option<Vec<Zeroizing<String>>> {
        self.readable(setting)?;
        let texts = self.settings.secret(setting);
        let list = texts.filter(|list| list.iter().all(|item| is_utf8(item))).map(<[_]>::to_vec);
        if list.is_none() {
            self.problem(setting, "is not a list of UTF-8 texts");
        }
        list
    }

    /// Records a problem if the secret's file can't be read.
    fn readable(&mut self, setting: &'static str) -> Option<()> {
        let Some(cause) = self.settings.unreadable.get(setting) else {
            return Some(());
        };
        let twin = super::names::file_twin(setting);
        self.problem(&twin, format!("names a file that {cause}"));
        None
    }

    /// Records that a value is not of the expected form.
    fn not(&mut self, setting: &str, value: &Value, expected: &str) {
        self.problem(setting, format!("is {}, not {expected}", quoted(setting, value)));
    }
}

/// A scalar as text.
fn text_of(value: &Value) -> Option<String> {
    value.clone().try_deserialize().ok()
}

/// A list, or a string with commas.
fn list_of(value: &Value) -> Option<Vec<String>> {
    match &value.kind {
        ValueKind::Array(_) => value.clone().try_deserialize().ok(),
        ValueKind::String(text) => Some(super::list::items(text, ',')),
        _ => None,
    }
}

/// Whether a string is short enough, and can't break a log line or a header.
fn is_sound(text: &str, longest: usize) -> bool {
    text.chars().count() <= longest && is_utf8(text) && !text.chars().any(char::is_control)
}

/// Whether a string was valid UTF-8: other bytes have become the replacement character.
fn is_utf8(text: &str) -> bool {
    !text.contains(char::REPLACEMENT_CHARACTER)
}

/// An invalid value as messages show it: on one line, truncated, and never a secret.
fn quoted(setting: &str, value: &Value) -> String {
    if SECRETS.contains(&setting) {
        return "something else".to_owned();
    }
    match &value.kind {
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "another list".to_owned(),
        kind => {
            let text = kind.to_string();
            let cut: String = text.chars().take(MAX_QUOTED).collect();
            let dots = if cut.len() < text.len() { "…" } else { "" };
            format!("{cut:?}{dots}")
        }
    }
}
