//! One table of a list of tables, whose members are removed as they are read.

use std::{collections::BTreeSet, time::Duration};

use config::{Map, Value, ValueKind};

use super::{
    super::{duration::parse_duration, names::nearest_of},
    Check,
};
use crate::domain::{escape::excerpt, timestamp::span};

/// How much of a table's name is told with what is wrong in it, in characters.
const NAME_TOLD: usize = 128;

/// A setting that is a list of tables.
#[derive(Clone, Copy)]
pub(in crate::config) struct Tables {
    /// The setting.
    pub(in crate::config) setting: &'static str,
    /// What a table is about, with its article.
    pub(in crate::config) about: &'static str,
    /// The member that names a table.
    pub(in crate::config) named_by: &'static str,
}

/// One table, whose members are removed as they are read.
pub(in crate::config) struct Table<'a, 'b> {
    kind: Tables,
    members: Map<String, Value>,
    /// Which of the tables it is, for who wrote it.
    title: String,
    /// Members that were asked for, given or not: all that a table may have, once it is read.
    known: BTreeSet<String>,
    check: &'a mut Check<'b>,
}

impl<'a, 'b> Table<'a, 'b> {
    /// `place` counts from 1.
    pub(in crate::config) fn new(
        kind: Tables,
        members: Map<String, Value>,
        place: usize,
        check: &'a mut Check<'b>,
    ) -> Self {
        let named =
            members.get(kind.named_by).and_then(|value| text(value.kind.clone())).filter(|name| !name.is_empty());
        let named = named.map(|name| format!(" ({})", excerpt(&name, NAME_TOLD)));
        let title = format!("number {place}{}", named.unwrap_or_default());
        Self { kind, members, title, known: BTreeSet::new(), check }
    }

    /// Whether the member is present, whatever its value.
    pub(in crate::config) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(in crate::config) fn text(&mut self, name: &str, default: &str) -> Option<String> {
        self.member(name, default.to_owned(), "a text", text).filter(|text| {
            let sound = text.len() <= 1024 && !text.chars().any(char::is_control);
            sound || {
                self.problem(name, "is longer than 1024 bytes, or holds a control character");
                false
            }
        })
    }

    /// A non-empty string; `None` also if the member is absent.
    pub(in crate::config) fn given_text(&mut self, name: &str) -> Option<String> {
        self.text(name, "").filter(|text| !text.is_empty())
    }

    pub(in crate::config) fn is_there(&mut self, name: &str, text: &str) -> bool {
        if text.is_empty() {
            self.problem(name, "is not set");
        }
        !text.is_empty()
    }

    pub(in crate::config) fn duration(
        &mut self,
        name: &str,
        default: &str,
        shortest: Duration,
        longest: Duration,
    ) -> Option<Duration> {
        let text = self.member(name, default.to_owned(), "a duration such as \"30s\"", text)?;
        let read = parse_duration(&text);
        if let Ok(duration) = read
            && (shortest..=longest).contains(&duration)
        {
            return Some(duration);
        }
        let (shortest, longest) = (span(shortest), span(longest));
        let why = read.err().map_or_else(String::new, |invalid| format!(": it is {invalid}"));
        self.problem(name, format!("is {text:?}, not a duration from {shortest} to {longest}{why}"));
        None
    }

    pub(in crate::config) fn member<T>(
        &mut self,
        name: &str,
        default: T,
        expected: &str,
        read: fn(ValueKind) -> Option<T>,
    ) -> Option<T> {
        self.known.insert(name.to_owned());
        let Some(value) = self.members.remove(name) else { return Some(default) };
        let read = read(value.kind);
        if read.is_none() {
            self.problem(name, format!("is not {expected}"));
        }
        read
    }

    pub(in crate::config) fn refuse_unknown(&mut self) {
        let about = self.kind.about;
        let unknown: Vec<String> = self.members.keys().cloned().collect();
        for name in unknown {
            let hint = nearest_of(&name, self.known.iter().map(String::as_str));
            let hint = hint.map_or_else(String::new, |known| format!(": did you mean {known}?"));
            self.problem(&name.escape_debug().to_string(), format!("is not a setting of {about}{hint}"));
        }
    }

    pub(in crate::config) fn problem(&mut self, name: &str, cause: impl std::fmt::Display) {
        let title = &self.title;
        self.check.problem(self.kind.setting, format!("{title}: {name} {cause}"));
    }
}

// The exact type is required, because the config crate would accept 1 for true and 5 for a string.

pub(in crate::config) fn text(kind: ValueKind) -> Option<String> {
    if let ValueKind::String(text) = kind { Some(text) } else { None }
}

pub(in crate::config) fn flag(kind: ValueKind) -> Option<bool> {
    if let ValueKind::Boolean(flag) = kind { Some(flag) } else { None }
}

pub(in crate::config) fn texts(kind: ValueKind) -> Option<Vec<String>> {
    let ValueKind::Array(items) = kind else { return None };
    items.into_iter().map(|item| text(item.kind).filter(|text| !text.is_empty())).collect()
}

pub(in crate::config) fn table_of_texts(kind: ValueKind) -> Option<Vec<(String, String)>> {
    let ValueKind::Table(members) = kind else { return None };
    members.into_iter().map(|(name, value)| Some((name, text(value.kind)?))).collect()
}

/// Each name with a list of strings; a single string may stand alone.
pub(in crate::config) fn table_of_lists(kind: ValueKind) -> Option<Vec<(String, Vec<String>)>> {
    let ValueKind::Table(members) = kind else { return None };
    let list = |kind| match kind {
        ValueKind::String(text) => Some(vec![text]),
        other => texts(other),
    };
    members.into_iter().map(|(name, value)| Some((name, list(value.kind)?))).collect()
}
