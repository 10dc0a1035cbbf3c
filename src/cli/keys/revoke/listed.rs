//! Key ids from files: lists, and revocations in audit exports.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, bail};
use keyward::domain::api_key::KeyId;
use serde_json::{Deserializer, Value};

/// The audit's action for a revocation.
const REVOKED: &str = "key.revoked";

/// The ids of a list, one per line. Either all are valid, or none is used.
pub(super) fn in_list(path: &Path) -> anyhow::Result<Vec<KeyId>> {
    let mut ids = BTreeSet::new();
    for (number, line) in read(path)?.lines().enumerate() {
        let word = line.split('#').next().unwrap_or_default().trim();
        if !word.is_empty() {
            ids.insert(id(word).with_context(|| format!("{}, line {}", path.display(), number + 1))?);
        }
    }
    some(ids, path)
}

/// The keys that were revoked according to these events. The file may contain pages of events, arrays of events and
/// single events, one after another.
pub(super) fn in_audit(path: &Path) -> anyhow::Result<Vec<KeyId>> {
    let text = read(path)?;
    let mut ids = BTreeSet::new();
    for value in Deserializer::from_str(&text).into_iter::<Value>() {
        let value = value.with_context(|| format!("{} is not JSON", path.display()))?;
        for event in events(&value) {
            let action =
                event["action"].as_str().with_context(|| format!("{}: an event without an action", path.display()))?;
            if action == REVOKED {
                let word = event["keyId"]
                    .as_str()
                    .with_context(|| format!("{}: a revocation without a keyId", path.display()))?;
                ids.insert(id(word).with_context(|| path.display().to_string())?);
            }
        }
    }
    some(ids, path)
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

/// A file without any id is probably the wrong one.
fn some(ids: BTreeSet<KeyId>, path: &Path) -> anyhow::Result<Vec<KeyId>> {
    if ids.is_empty() {
        bail!("{} names no key to revoke", path.display());
    }
    Ok(ids.into_iter().collect())
}
