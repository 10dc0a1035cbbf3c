//! Keys for people.

use keyward::domain::{audit::Actor, key_record::ManagedKey};
use time::{OffsetDateTime, macros::format_description};

/// A line a key, in columns.
pub(super) fn of_keys(keys: &[ManagedKey], now: OffsetDateTime) -> String {
    let header = ["ID", "STATE", "ENV", "OWNER", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(keys.iter().map(|key| {
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
        .map(|cell| harmless(&cell))
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A line a fact.
pub(super) fn of_key(key: &ManagedKey, now: OffsetDateTime) -> String {
    let record = &key.record;
    let networks: Vec<String> = record.allowed_ips.networks().iter().map(ToString::to_string).collect();
    let facts = [
        ("id", record.id.to_string()),
        ("name", name(key)),
        ("description", or_dash(key.description.as_ref().map_or("", |text| text.as_str()))),
        ("state", record.state(now).as_str().to_owned()),
        ("environment", record.environment.as_str().to_owned()),
        ("issuer", or_dash(&record.owner.issuer)),
        ("subject", record.owner.subject.to_string()),
        ("scopes", scopes(key)),
        ("metadata", record.metadata.as_object().to_owned()),
        ("allowed ips", or_dash(&networks.join(" "))),
        ("created", minute(Some(key.created_at))),
        ("made by", maker(key)),
        ("updated", minute(Some(key.updated_at))),
        ("expires", minute(record.expires_at)),
        ("revoked", minute(record.revoked_at)),
        ("reason", or_dash(key.revoked_reason.as_deref().unwrap_or_default())),
        ("predecessor", key.predecessor.map_or("-".to_owned(), |id| id.to_string())),
        ("successor", key.successor.map_or("-".to_owned(), |id| id.to_string())),
        ("last used", minute(key.last_use.map(|last| last.at))),
        ("from", key.last_use.and_then(|last| last.from).map_or("-".to_owned(), |from| from.to_string())),
    ];
    facts.iter().map(|(name, value)| format!("{name:12} {}\n", harmless(value))).collect()
}

/// Subjects are the issuer's texts: one must neither break its line nor command the terminal.
fn harmless(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

fn name(key: &ManagedKey) -> String {
    or_dash(key.record.name.as_ref().map_or("", |name| name.as_str()))
}

fn maker(key: &ManagedKey) -> String {
    match &key.created_by {
        Some(Actor::Token { subject, .. }) => subject.to_string(),
        Some(Actor::Key(id)) => id.to_string(),
        Some(Actor::CommandLine) => "the command line".to_owned(),
        None => "-".to_owned(),
    }
}

fn scopes(key: &ManagedKey) -> String {
    or_dash(&key.record.scopes.iter().collect::<Vec<_>>().join(" "))
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

pub(super) fn minute(instant: Option<OffsetDateTime>) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]Z");
    instant.and_then(|instant| instant.format(format).ok()).unwrap_or_else(|| "-".to_owned())
}
