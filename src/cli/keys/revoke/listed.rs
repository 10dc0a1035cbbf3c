//! Key ids from files: lists, and revocations in audit exports.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, bail};
use keyward::domain::{api_key::KeyId, audit::Action};
use serde_json::{Deserializer, Value};
use uuid::Uuid;

/// What events of the audit say.
pub(super) struct Revocations {
    /// The keys that were revoked.
    pub(super) ids: Vec<KeyId>,
    /// What else took something away, or may have.
    pub(super) others: Vec<Other>,
}

/// An event that this command does not repeat.
pub(super) struct Other {
    /// `None` if it names none.
    pub(super) id: Option<Uuid>,
    pub(super) action: String,
}

/// The ids of a list, one per line. Either all are valid, or none is used. There may be none: what makes the list has
/// found nothing to revoke.
pub(super) fn in_list(path: &Path) -> anyhow::Result<Vec<KeyId>> {
    let mut ids = BTreeSet::new();
    for (number, line) in read(path)?.lines().enumerate() {
        let word = line.split('#').next().unwrap_or_default().trim();
        if !word.is_empty() {
            ids.insert(id(word).with_context(|| format!("{}, line {}", path.display(), number + 1))?);
        }
    }
    Ok(ids.into_iter().collect())
}

/// What was taken away according to these events. The file may contain pages of events, arrays of events and single
/// events, one after another.
pub(super) fn in_audit(path: &Path) -> anyhow::Result<Revocations> {
    let text = read(path)?;
    let (mut ids, mut others, mut has_events) = (BTreeSet::new(), Vec::new(), false);
    for value in Deserializer::from_str(&text).into_iter::<Value>() {
        let value = value.with_context(|| format!("{} is not JSON", path.display()))?;
        for event in events(&value) {
            has_events = true;
            let action =
                event["action"].as_str().with_context(|| format!("{}: an event without an action", path.display()))?;
            match Action::of(action) {
                Some(Action::KeyRevoked) => {
                    let word = event["keyId"]
                        .as_str()
                        .with_context(|| format!("{}: a revocation without a keyId", path.display()))?;
                    ids.insert(id(word).with_context(|| path.display().to_string())?);
                }
                Some(action) if !action.may_take_away() => {}
                // A later version may have written one that this version does not know.
                _ => others
                    .push(Other { id: event["id"].as_str().and_then(|id| id.parse().ok()), action: action.to_owned() }),
            }
        }
    }
    if !has_events {
        bail!("{} has no event of the audit, so it is no export of one", path.display());
    }
    Ok(Revocations { ids: ids.into_iter().collect(), others })
}

fn events(value: &Value) -> Vec<&Value> {
    match (value, &value["events"]) {
        (Value::Array(events), _) | (_, Value::Array(events)) => events.iter().collect(),
        _ => vec![value],
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn id(word: &str) -> anyhow::Result<KeyId> {
    // The word itself is not shown, because it may be a whole key.
    word.parse().ok().context("there is something other than the id of a key (22 letters and digits)")
}
