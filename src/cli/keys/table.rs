//! Keys as tables.

use keyward::domain::{key_record::ManagedKey, owner_id};
use time::OffsetDateTime;

use crate::cli::shared::{
    limits,
    table::{actor, columns, facts, minute, or_dash},
};

/// One key per line, in columns.
pub(super) fn of_keys(keys: &[ManagedKey], now: OffsetDateTime) -> String {
    let header = ["ID", "STATE", "ENV", "OWNER", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED"];
    let row = |key: &ManagedKey| {
        let record = &key.record;
        [
            record.id.to_string(),
            record.state(now).as_str().to_owned(),
            record.environment.as_str().to_owned(),
            record.owner.subject.to_string(),
            name(key),
            scopes(key),
            minute(Some(key.created_at)),
            minute(record.expires_at),
            minute(key.last_use.map(|last| last.at)),
        ]
    };
    columns(header, keys.iter().map(row))
}

/// One fact per line.
pub(super) fn of_key(key: &ManagedKey, now: OffsetDateTime) -> String {
    let record = &key.record;
    let networks: Vec<String> = record.allowed_ips.networks().iter().map(ToString::to_string).collect();
    facts([
        ("id", record.id.to_string()),
        ("name", name(key)),
        ("description", or_dash(key.description.as_ref().map_or("", |text| text.as_str()))),
        ("state", record.state(now).as_str().to_owned()),
        ("disabled by", key.disabled_by.map_or("-".to_owned(), |by| by.as_str().to_owned())),
        ("environment", record.environment.as_str().to_owned()),
        ("issuer", or_dash(&record.owner.issuer)),
        ("subject", record.owner.subject.to_string()),
        ("owner", owner_id::write(&record.owner)),
        ("scopes", scopes(key)),
        ("metadata", record.metadata.as_object().to_owned()),
        ("allowed ips", or_dash(&networks.join(" "))),
        ("limits", limits::written(&record.limits)),
        ("credits", key.credits.as_ref().map_or("-".to_owned(), ToString::to_string)),
        ("created", minute(Some(key.created_at))),
        ("made by", actor(key.created_by.as_ref())),
        ("updated", minute(Some(key.updated_at))),
        ("expires", minute(record.expires_at)),
        ("revoked", minute(record.revoked_at)),
        ("reason", or_dash(key.revoked_reason.as_deref().unwrap_or_default())),
        ("predecessor", key.predecessor.map_or("-".to_owned(), |id| id.to_string())),
        ("successor", key.successor.map_or("-".to_owned(), |id| id.to_string())),
        ("last used", minute(key.last_use.map(|last| last.at))),
        ("from", key.last_use.and_then(|last| last.from).map_or("-".to_owned(), |from| from.to_string())),
    ])
}

fn name(key: &ManagedKey) -> String {
    or_dash(key.record.name.as_ref().map_or("", |name| name.as_str()))
}

fn scopes(key: &ManagedKey) -> String {
    or_dash(&key.record.scopes.iter().collect::<Vec<_>>().join(" "))
}
