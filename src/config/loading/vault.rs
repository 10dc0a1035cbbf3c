//! The texts of secrets, separate from all other settings. Merging the layers makes copies that nobody erases, so the
//! layers contain only marks. The texts are zeroed with their last owner.
//!
//! Secrets in the environment and in the configuration file also remain elsewhere in memory as long as the process
//! lives: in the environment itself, and in the parser of the file. Only a secret from its own file leaves no trace.

use std::{collections::BTreeMap, sync::Arc};

use config::{Value, ValueKind};
use zeroize::Zeroizing;

use super::list::items;
use super::names::LISTS;

/// The mark for a secret that is set.
const MARK: &str = "set";

/// The texts, by setting and origin.
#[derive(Clone, Default)]
pub(super) struct Vault(BTreeMap<(String, String), Arc<Vec<Zeroizing<String>>>>);

impl Vault {
    /// Stores the value of a secret, and returns the mark for it. A value that is not text is returned unchanged.
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

    /// Takes over the content of another vault.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The texts behind a mark; `None` if the value is not a mark.
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
