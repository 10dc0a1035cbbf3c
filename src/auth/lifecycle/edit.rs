//! A key is changed, switched, revoked.

use std::{num::NonZeroI64, sync::Arc};

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{ChangedKey, Done, Editor, Expiry, Lifecycle};
use crate::domain::{
    api_key::KeyId,
    audit::Action,
    key_record::{AllowedIps, ManagedKey},
    ledger::{Decision, Event, Refusal, Violation},
    metadata::{InvalidMetadata, Metadata},
    principal::Scopes,
    text::{ChangeReason, KeyName},
};

/// What of a key is to change. `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// The name, or none.
    pub name: Option<Option<KeyName>>,
    /// The scopes, all of them.
    pub scopes: Option<Scopes>,
    /// The notes, merged into those that are there (RFC 7396), or none.
    pub metadata: Option<Option<Merge>>,
    /// The networks, all of them.
    pub allowed_ips: Option<AllowedIps>,
    /// When its life ends.
    pub expiry: Option<Expiry>,
    /// Whether it works.
    pub enabled: Option<bool>,
}

/// What of an object is to change: each member replaced, or removed where it is `null`, all the way
/// down (RFC 7396 §2).
#[derive(Clone, Debug)]
pub struct Merge(pub Map<String, Value>);

/// Which versions of a key an editor has seen (`If-Match`, RFC 9110 §13.1.1); `None`: any.
pub type Seen = Option<Vec<NonZeroI64>>;

impl Lifecycle {
    /// Changes a key. When this returns, no replica believes anything else.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) when it may not have been changed, or not everywhere.
    pub async fn edit(
        self: &Arc<Self>,
        id: KeyId,
        edit: Edit,
        seen: Seen,
        editor: Editor,
        now: OffsetDateTime,
    ) -> Done<ChangedKey> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let decide = |key: &ManagedKey| lifecycle.edited(key, &edit, &seen, &editor);
            // Another end of its life is all that makes an expired key a living one.
            let most = lifecycle.policy.max_per_owner.filter(|_| edit.expiry.is_some());
            lifecycle.change(id, &editor, now, &decide, None, most).await
        };
        self.to_its_end(work).await
    }

    /// Switches a key on or off. When this returns, that is true everywhere.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) when it may not have been switched, or not everywhere.
    pub async fn switch(
        self: &Arc<Self>,
        id: KeyId,
        enabled: bool,
        editor: Editor,
        now: OffsetDateTime,
    ) -> Done<ChangedKey> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let decide = |key: &ManagedKey| switched(key, enabled);
            lifecycle.change(id, &editor, now, &decide, None, None).await
        };
        self.to_its_end(work).await
    }

    /// Revokes a key. When this returns, no replica accepts it any more.
    ///
    /// # Errors
    /// [`Undecided`](crate::auth::Undecided) when it may not be revoked, or not everywhere; asking again is safe.
    pub async fn revoke(
        self: &Arc<Self>,
        id: KeyId,
        reason: Option<ChangeReason>,
        editor: Editor,
        now: OffsetDateTime,
    ) -> Done<ChangedKey> {
        let lifecycle = Arc::clone(self);
        let work = async move {
            let decide = |key: &ManagedKey| Ok(revoked(key, reason.as_ref(), now));
            lifecycle.change(id, &editor, now, &decide, None, None).await
        };
        self.to_its_end(work).await
    }

    fn edited(&self, key: &ManagedKey, edit: &Edit, seen: &Seen, editor: &Editor) -> Result<Decision, Refusal> {
        if seen.as_ref().is_some_and(|versions| !versions.contains(&key.version)) {
            return Err(Refusal::VersionMismatch);
        }
        if key.record.revoked_at.is_some() {
            return Err(Refusal::KeyRevoked);
        }
        let (changed, fields) = apply(key, edit).map_err(|error| Refusal::Against(vec![Violation::Metadata(error)]))?;
        if fields.is_empty() {
            return Ok(Decision { key: changed, event: None, successor: None });
        }
        self.allow(&changed, Some(key), editor)?;
        let action = match *fields {
            ["enabled"] if changed.record.enabled => Action::KeyEnabled,
            ["enabled"] => Action::KeyDisabled,
            _ => Action::KeyUpdated,
        };
        let details = Map::from_iter([("changed".to_owned(), fields.into())]);
        Ok(Decision { key: changed, event: Some(Event { action, details }), successor: None })
    }
}

/// The key with the changes in it, and the names of the fields that differ.
fn apply(key: &ManagedKey, edit: &Edit) -> Result<(ManagedKey, Vec<&'static str>), InvalidMetadata> {
    let mut changed = key.clone();
    let record = &mut changed.record;
    if let Some(name) = &edit.name {
        changed.name.clone_from(name);
    }
    if let Some(scopes) = &edit.scopes {
        record.scopes.clone_from(scopes);
    }
    match &edit.metadata {
        Some(Some(merge)) => record.metadata = merged(&record.metadata, merge)?,
        Some(None) => record.metadata = Metadata::default(),
        None => {}
    }
    if let Some(allowed_ips) = &edit.allowed_ips {
        record.allowed_ips.clone_from(allowed_ips);
    }
    match edit.expiry {
        Some(Expiry::At(end)) => record.expires_at = Some(end),
        Some(Expiry::Never | Expiry::Latest) => record.expires_at = None,
        None => {}
    }
    if let Some(enabled) = edit.enabled {
        record.enabled = enabled;
    }
    let (was, is) = (&key.record, &changed.record);
    let differs = [
        ("name", key.name != changed.name),
        ("scopes", was.scopes != is.scopes),
        ("metadata", was.metadata != is.metadata),
        ("allowedIps", was.allowed_ips != is.allowed_ips),
        ("expiresAt", was.expires_at != is.expires_at),
        ("enabled", was.enabled != is.enabled),
    ];
    let fields = differs.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect();
    Ok((changed, fields))
}

fn merged(metadata: &Metadata, merge: &Merge) -> Result<Metadata, InvalidMetadata> {
    let mut members = metadata.members();
    merge_into(&mut members, &merge.0);
    Metadata::new(members)
}

/// RFC 7396 §2. As deep as the patch, whose depth the reader of its JSON has bounded.
fn merge_into(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(name)),
            Value::Object(inner) => {
                let mut members = match target.remove(name) {
                    Some(Value::Object(members)) => members,
                    _ => Map::new(),
                };
                merge_into(&mut members, inner);
                target.insert(name.clone(), Value::Object(members));
            }
            value => drop(target.insert(name.clone(), value.clone())),
        }
    }
}

fn switched(key: &ManagedKey, enabled: bool) -> Result<Decision, Refusal> {
    if key.record.revoked_at.is_some() {
        return Err(Refusal::KeyRevoked);
    }
    let action = if enabled { Action::KeyEnabled } else { Action::KeyDisabled };
    let event = (key.record.enabled != enabled).then(|| Event { action, details: Map::new() });
    let mut key = key.clone();
    key.record.enabled = enabled;
    Ok(Decision { key, event, successor: None })
}

/// The first revocation's time and reason stay.
fn revoked(key: &ManagedKey, reason: Option<&ChangeReason>, now: OffsetDateTime) -> Decision {
    let mut key = key.clone();
    if key.record.revoked_at.is_some() {
        return Decision { key, event: None, successor: None };
    }
    key.record.revoked_at = Some(now);
    key.revoked_reason = reason.map(|reason| reason.as_str().to_owned());
    let details = reason.map(|reason| ("reason".to_owned(), reason.as_str().into())).into_iter().collect();
    Decision { key, event: Some(Event { action: Action::KeyRevoked, details }), successor: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396, appendix A, as far as they are about objects.
    #[test]
    fn a_merge_patch_does_what_rfc_7396_shows() {
        for (original, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let mut members = original.as_object().expect("an object").clone();
            merge_into(&mut members, patch.as_object().expect("an object"));
            assert_eq!(Value::Object(members), result, "{original} with {patch}");
        }
    }
}
