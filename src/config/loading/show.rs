//! The effective configuration as text: values and their origins, without secrets.

use config::{Value, ValueKind};

use super::load::Settings;
use super::masked::{MASK, masked_url};
use super::names::{SECRETS, file_twin};

/// Secrets of which only the password is hidden.
const ADDRESSES: [&str; 3] = ["database.url", "database.listen_url", "database.migrate_url"];

/// The column of the origins, if the value is short enough.
const ORIGIN_COLUMN: usize = 40;

impl Settings {
    /// Every setting with its value, secrets masked, and its origin as a comment. Similar to TOML, for people; does not
    /// check whether the values are valid.
    pub fn show(&self) -> String {
        let mut text = String::new();
        let mut current = "";
        let mut settings: Vec<_> =
            self.known.iter().map(|it| (it.rsplit_once('.').unwrap_or(("", it.as_str())), it)).collect();
        // Tables within a section come after it.
        settings.sort();
        for ((section, name), setting) in settings {
            if section != current {
                let gap = if text.is_empty() { "" } else { "\n" };
                text.push_str(&format!("{gap}[{section}]\n"));
                current = section;
            }
            let value = self.value(setting);
            let line = format!("{name} = {}", self.shown(setting, &value));
            let origin = value.origin().unwrap_or_default().escape_debug();
            text.push_str(&format!("{line:ORIGIN_COLUMN$} # {origin}\n"));
        }
        text
    }

    /// The database's address without its password.
    pub fn database_shown(&self) -> String {
        self.secret("database.url").and_then(|texts| texts.first()).map_or_else(String::new, |url| masked_url(url))
    }

    /// A value as it may be shown.
    fn shown(&self, setting: &str, value: &Value) -> String {
        if self.unreadable.keys().any(|secret| file_twin(secret) == setting) {
            // Somebody may have set the secret itself instead of its path.
            return format!("{MASK:?} (can't be read)");
        }
        match &value.kind {
            ValueKind::String(_) if ADDRESSES.contains(&setting) => {
                let url = self.secret(setting).and_then(|texts| texts.first());
                format!("{:?}", url.map_or_else(String::new, |url| masked_url(url)))
            }
            kind if SECRETS.contains(&setting) => masked(kind),
            kind => plain(&typed(kind, &self.default_of(setting))),
        }
    }
}

/// A value from the environment, which is text, as the type that the setting has.
fn typed(kind: &ValueKind, default: &ValueKind) -> ValueKind {
    let ValueKind::String(text) = kind else { return kind.clone() };
    let text = text.trim();
    match default {
        ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::I128(_) | ValueKind::U128(_) => {
            text.parse().map_or_else(|_| kind.clone(), ValueKind::I64)
        }
        ValueKind::Boolean(_) => text.parse().map_or_else(|_| kind.clone(), ValueKind::Boolean),
        _ => kind.clone(),
    }
}

/// A value in the notation of TOML.
fn plain(kind: &ValueKind) -> String {
    match kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| plain(&item.kind)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// A secret: shows only whether it is set, and how many there are.
fn masked(kind: &ValueKind) -> String {
    match kind {
        ValueKind::String(text) if text.is_empty() => "\"\"".to_owned(),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| masked(&item.kind)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => format!("{MASK:?}"),
    }
}
