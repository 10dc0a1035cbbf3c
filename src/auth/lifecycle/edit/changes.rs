//! Which fields a change of a key concerns, and what they had before and have now: what the audit says of it.

use serde_json::{Map, Value, json};

use crate::domain::{key_record::ManagedKey, limits::CreditsChange, role::Role, timestamp};

/// A changed field.
pub(super) struct FieldChange {
    pub(super) field: &'static str,
    from: Value,
    to: Value,
}

/// The changed fields, among those that the owner may change.
pub(super) fn changes(before: &ManagedKey, after: &ManagedKey) -> Vec<FieldChange> {
    let (was, is) = (&before.record, &after.record);
    let differs = [
        ("name", was.name != is.name),
        ("description", before.description != after.description),
        ("scopes", was.scopes != is.scopes),
        ("metadata", !was.metadata.says_the_same_as(&is.metadata)),
        ("allowedIps", was.allowed_ips != is.allowed_ips),
        ("limits", was.limits != is.limits),
        ("expiresAt", was.expires_at != is.expires_at),
        ("enabled", was.enabled != is.enabled),
        // An administrator takes over a key that the owner has disabled.
        ("disabledBy", was.enabled == is.enabled && before.disabled_by != after.disabled_by),
    ];
    let differing = differs.into_iter().filter_map(|(field, differs)| differs.then_some(field));
    differing.map(|field| FieldChange { field, from: value_of(before, field), to: value_of(after, field) }).collect()
}

/// A change of the credits, which are not among the key's own fields.
pub(super) fn of_credits(before: &ManagedKey, change: &CreditsChange) -> FieldChange {
    let told = change.to_json(before.credits.as_ref());
    FieldChange { field: "credits", from: told["from"].clone(), to: told["to"].clone() }
}

/// A field as it appears in responses.
fn value_of(key: &ManagedKey, field: &str) -> Value {
    let record = &key.record;
    match field {
        "name" => record.name.as_ref().map(|name| name.as_str()).into(),
        "description" => key.description.as_ref().map(|description| description.as_str()).into(),
        "scopes" => record.scopes.iter().collect::<Vec<_>>().into(),
        // If a number exceeds every numeric type, the text of the metadata is used.
        "metadata" => serde_json::from_str(record.metadata.as_object())
            .unwrap_or_else(|_| Value::String(record.metadata.as_object().to_owned())),
        "allowedIps" => record.allowed_ips.networks().iter().map(ToString::to_string).collect::<Vec<_>>().into(),
        "limits" => record.limits.to_stored(),
        "expiresAt" => record.expires_at.map(timestamp::write).into(),
        "disabledBy" => key.disabled_by.map(Role::as_str).into(),
        _ => record.enabled.into(),
    }
}

/// The old and new values, for an audit event.
pub(super) fn details_of(changes: Vec<FieldChange>) -> Map<String, Value> {
    let changes = changes
        .into_iter()
        .map(|FieldChange { field, from, to }| (field.to_owned(), json!({ "from": from, "to": to })));
    Map::from_iter([("changes".to_owned(), Value::Object(changes.collect()))])
}
