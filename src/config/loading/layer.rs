//! One layer of the configuration: the values from one source, with their origins.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use config::{ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use zeroize::Zeroizing;

use super::list::items;
use super::names::{self, ALIASES, FILE_VARIABLE, LISTS, PREFIX, SECRETS, file_twin, nearest, variable};
use super::vault::Vault;

/// Settings by their dotted name.
#[derive(Clone, Default)]
pub(super) struct Layer {
    values: BTreeMap<String, Value>,
    /// The texts behind the marks in the values.
    secrets: Vault,
}

impl Layer {
    /// Adds or replaces a setting.
    pub(super) fn set(&mut self, setting: &str, origin: &str, kind: impl Into<ValueKind>) {
        let kind = kind.into();
        let kind = if SECRETS.contains(&setting) { self.secrets.keep(setting, origin, kind) } else { kind };
        self.values.insert(setting.to_owned(), Value::new(Some(&origin.to_owned()), kind));
    }

    /// The names of the settings, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }

    /// What each setting is.
    pub(super) fn kinds(&self) -> BTreeMap<String, ValueKind> {
        self.values.iter().map(|(name, value)| (name.clone(), value.kind.clone())).collect()
    }

    /// The texts of secrets. The layer itself contains only marks for them.
    pub(super) fn secrets(&self) -> Vault {
        self.secrets.clone()
    }

    /// Where a secret comes from that this layer gives, and its text.
    pub(super) fn secret_given(&self, setting: &str) -> Option<(String, Option<&Zeroizing<String>>)> {
        let value = self.values.get(setting).filter(|value| is_given(value))?;
        let text = self.secrets.texts(setting, value).and_then(|texts| texts.first());
        Some((value.origin().unwrap_or_default().to_owned(), text))
    }

    /// The same for another setting, which is a text.
    pub(super) fn text_given(&self, setting: &str) -> Option<(String, String)> {
        let value = self.values.get(setting).filter(|value| is_given(value))?;
        Some((value.origin().unwrap_or_default().to_owned(), value.clone().into_string().ok()?))
    }

    /// Every setting in a TOML text, known or not.
    ///
    /// # Errors
    /// The position if the text is not TOML; without the line itself, which may contain a secret.
    pub(super) fn from_toml(text: &str, origin: &str) -> Result<Self, String> {
        let sections = File::from_str(text, FileFormat::Toml).collect().map_err(|error| without_excerpt(&error))?;
        let mut layer = Self::default();
        for (section, value) in sections {
            match value.kind {
                ValueKind::Table(settings) => layer.set_table(&section, origin, settings),
                kind => layer.set(&section, origin, kind),
            }
        }
        Ok(layer)
    }

    /// Sets every setting in a table, and in the tables within.
    fn set_table(&mut self, table: &str, origin: &str, settings: Map<String, Value>) {
        for (name, value) in settings {
            let setting = format!("{table}.{name}");
            match value.kind {
                ValueKind::Table(inner) => self.set_table(&setting, origin, inner),
                kind => self.set(&setting, origin, kind),
            }
        }
    }

    /// The settings from the environment's usual names (`PORT` …).
    pub(super) fn from_aliases(env: &[(String, String)]) -> Self {
        let mut layer = Self::default();
        for (alias, setting) in ALIASES {
            for (variable, value) in env.iter().filter(|(name, value)| name == alias && !value.is_empty()) {
                layer.set_text(setting, &format!("env {variable}"), value);
            }
        }
        layer
    }

    /// The settings from the environment's own names (`KEYWARD__JWT__SECRET` …). An empty variable counts as not set,
    /// because `${JWT_SECRET:-}` in a compose file results in one.
    pub(super) fn from_env(env: &[(String, String)], known: &[String], problems: &mut Vec<String>) -> Self {
        let mut layer = Self::default();
        for (name, value) in env {
            match known.iter().find(|setting| variable(setting) == *name) {
                Some(_) if value.is_empty() => {}
                Some(setting) => layer.set_text(setting, &format!("env {name}"), value),
                None => problems.extend(unknown_variable(name, value, known)),
            }
        }
        layer
    }

    /// Sets a setting from plain text, splitting lists.
    pub(super) fn set_text(&mut self, setting: &str, origin: &str, text: &str) {
        if LISTS.contains(&setting) {
            self.set(setting, origin, items(text, ','));
        } else {
            self.set(setting, origin, text);
        }
    }

    /// Removes what is set in these sections, and returns where it came from.
    pub(super) fn take_sections(&mut self, sections: &[&str]) -> Vec<String> {
        let is_in = |name: &String| name.split_once('.').is_some_and(|(section, _)| sections.contains(&section));
        let taken: Vec<Value> = self.values.extract_if(.., |name, _| is_in(name)).map(|(_, value)| value).collect();
        taken.iter().filter(|value| is_given(value)).filter_map(|value| value.origin().map(str::to_owned)).collect()
    }

    /// Removes unknown settings, and reports them with the nearest known name.
    pub(super) fn refuse_unknown(&mut self, known: &[String], problems: &mut Vec<String>) {
        self.values.retain(|name, value| {
            let is_known = known.contains(name);
            if !is_known {
                let hint = match nearest(name, known) {
                    Some(setting) => format!("did you mean {setting}?"),
                    None => "docs/configuration.md lists every setting".to_owned(),
                };
                let origin = value.origin().unwrap_or_default();
                let name = name.escape_debug();
                problems.push(format!("{name} ({origin}) is not a setting: {hint}"));
            }
            is_known
        });
    }

    /// Makes each secret and its `…_file` twin exclude each other: the one in this layer unsets the other if a layer
    /// `below` has set it. An empty value counts as not given, so that a copy of the defaults with one line filled in
    /// works as expected.
    pub(super) fn settle_secrets(&mut self, below: &BTreeSet<String>, problems: &mut Vec<String>) {
        let unset = |layer: &mut Self, setting: &str, by: &Value| {
            if below.contains(setting) {
                layer.set(setting, &format!("unset by {}", by.origin().unwrap_or_default()), "");
            }
        };
        for secret in SECRETS {
            let twin = file_twin(secret);
            match (self.take_given(secret), self.take_given(&twin)) {
                (None, None) => {}
                (Some(value), None) => {
                    unset(self, &twin, &value);
                    self.values.insert(secret.to_owned(), value);
                }
                (None, Some(path)) => {
                    unset(self, secret, &path);
                    self.values.insert(twin, path);
                }
                (Some(value), Some(path)) => {
                    problems.push(format!(
                        "{secret} ({}) and {twin} ({}) are both set: remove one of them",
                        value.origin().unwrap_or_default(),
                        path.origin().unwrap_or_default()
                    ));
                    // Kept; otherwise "not set" would be reported too.
                    self.values.insert(secret.to_owned(), value);
                }
            }
        }
    }

    /// Removes and returns a setting; `None` also if it is empty.
    fn take_given(&mut self, setting: &str) -> Option<Value> {
        let value = self.values.remove(setting)?;
        is_given(&value).then_some(value)
    }
}

/// Whether a value says anything.
fn is_given(value: &Value) -> bool {
    match &value.kind {
        ValueKind::String(text) => !text.is_empty(),
        ValueKind::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// The message for an environment variable that is not a setting, if it looks like one.
///
/// With single underscores, only exact matches count (`KEYWARD_JWT_SECRET`); other such names are not ours. Kubernetes
/// sets `KEYWARD_PORT=tcp://…` and others for a service named keyward.
fn unknown_variable(name: &str, value: &str, known: &[String]) -> Option<String> {
    let meant = if let Some(rest) = name.strip_prefix(PREFIX) {
        nearest(&rest.to_lowercase().replace("__", "."), known)
    } else {
        let single = |name: &str| name.replace("__", "_");
        let meant = known.iter().find(|setting| single(&variable(setting)) == single(name))?;
        if name == FILE_VARIABLE || value.contains("://") {
            return None;
        }
        Some(meant.as_str())
    };
    let hint = match meant {
        Some(setting) => format!("did you mean {}?", names::variable(setting)),
        None => "docs/configuration.md lists every setting".to_owned(),
    };
    let name = name.escape_debug();
    Some(format!("{name} in the environment is not a setting: {hint}"))
}

/// The parser's message without the quoted source line: position and cause.
fn without_excerpt(error: &ConfigError) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    match lines.as_slice() {
        // position, gutter, the line itself, the marker under it, cause
        [position, _, _, _, cause @ ..] => format!("{position}: {}", cause.join(" ")),
        other => other.join(" "),
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.values.clone().into_iter().collect())
    }
}

/// Required by `Source`. Shows only names, because values may be secret.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
