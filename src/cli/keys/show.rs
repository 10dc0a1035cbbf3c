//! `keyward keys show`

use anyhow::bail;
use keyward::{
    api::Key,
    domain::{api_key::KeyId, key_record::ManagedKey, ledger::Reach, owner_id},
};
use time::OffsetDateTime;

use crate::cli::shared::{
    Desk, limits, now,
    output::print,
    print_json,
    table::{actor, facts, minute, or_dash},
};

/// Show all that is known of a key.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward keys show 0352mXAgJX8YoWA3E5sR9r
  keyward keys show 0352mXAgJX8YoWA3E5sR9r --json | jq .scopes")]
pub(super) struct Show {
    /// The key's id: the 22 characters after keyward_live_, as lists and logs show it.
    id: KeyId,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let id = self.id;
        let Some(key) = desk.ledger().show(id, &Reach::Any).await? else { bail!("there is no key {id}") };
        print_key(desk, &key, self.json, now())
    }
}

/// A key with its state at `now`.
pub(super) fn print_key(desk: &Desk, key: &ManagedKey, json: bool, now: OffsetDateTime) -> anyhow::Result<()> {
    if json {
        return print_json(&Key::new(key, &desk.settings.key_prefix()?, now));
    }
    Ok(print(facts_of(key, now))?)
}

/// One fact per line.
fn facts_of(key: &ManagedKey, now: OffsetDateTime) -> String {
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

/// The name of a key, as tables show it.
pub(super) fn name(key: &ManagedKey) -> String {
    or_dash(key.record.name.as_ref().map_or("", |name| name.as_str()))
}

/// The scopes of a key, as tables show them.
pub(super) fn scopes(key: &ManagedKey) -> String {
    or_dash(&key.record.scopes.iter().collect::<Vec<_>>().join(" "))
}
