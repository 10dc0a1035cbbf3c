//! `keyward keys show`

use anyhow::bail;
use keyward::{
    api::Key,
    domain::{api_key::KeyId, key_record::ManagedKey, ledger::Reach},
};
use time::OffsetDateTime;

use super::table;
use crate::cli::shared::{Desk, now, output::print, print_json};

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
    Ok(print(table::of_key(key, now))?)
}
