//! The texts of secrets, apart from all other settings: what puts the layers over each other makes copies that nobody
//! erases, so it gets only a mark. These are zeroed with their last owner.
//!
//! What the environment and the configuration file say stays in memory elsewhere too, for as long as the process lives: in
//! the environment itself, and in what has read the file. Only a secret from a file of its own leaves no trace.

use std::{collections::BTreeMap, sync::Arc};

use config::{Value, ValueKind};
use zeroize::Zeroizing;

use super::list::items;
use super::names::LISTS;

/// Stands for a secret that is set.
const MARK: &str = "set";

/// Texts by setting and origin.
#[derive(Clone, Default)]
pub(super) struct Vault(BTreeMap<(String, String), Arc<Vec<Zeroizing<String>>>>);

impl Vault {
    /// Keeps what a secret is set to, and gives what stands for it. A value of another kind than a secret can have is
    /// given back as it is.
    pub(super) fn keep(&mut self, setting: &str, origin: &str, kind: ValueKind) -> ValueKind {
        let is_list = LISTS.contains(&setting);
        let texts = match kind {
            ValueKind::String(text) if is_list => zeroizing(items(&Zeroizing::new(text), ',')),
            ValueKind::String(text) => zeroizing(vec![text]),
            ValueKind::Array(items) if is_list && items.iter().all(is_scalar) => {
                zeroizing(items.into_iter().map(|item| text_of(item.kind)).collect())
            }
            scalar @ (ValueKind::Boolean(_) | ValueKind::I64(_) | ValueKind::Float(_)) if !is_list => {
                zeroizing(vec![text_of(scalar)])
            }
            other => return other,
        };
        let mark = |text: &Zeroizing<String>| if text.is_empty() { "" } else { MARK };
        let marks: Vec<&str> = texts.iter().map(mark).collect();
        let kind = if is_list { ValueKind::from(marks) } else { ValueKind::from(marks[0]) };
        self.0.insert((setting.to_owned(), origin.to_owned()), Arc::new(texts));
        kind
    }

    /// Takes over what another one keeps.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What a mark stands for; `None` for what is no mark.
    pub(super) fn texts(&self, setting: &str, value: &Value) -> Option<&[Zeroizing<String>]> {
        let origin = value.origin().unwrap_or_default().to_owned();
        let texts = self.0.get(&(setting.to_owned(), origin))?;
        let is_mark = matches!(value.kind, ValueKind::String(_)) != LISTS.contains(&setting);
        is_mark.then_some(texts)
    }
}

fn zeroizing(texts: Vec<String>) -> Vec<Zeroizing<String>> {
    texts.into_iter().map(Zeroizing::new).collect()
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value.kind, ValueKind::Table(_) | ValueKind::Array(_) | ValueKind::Nil)
}

fn text_of(kind: ValueKind) -> String {
    match kind {
        ValueKind::String(text) => text,
        kind => kind.to_string(),
    }
}
