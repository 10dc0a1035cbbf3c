//! `keyward keys revoke` and `revoke-many`

mod listed;

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::ValueHint;
use keyward::{
    config::KeyPolicy,
    domain::{
        api_key::KeyId, counted::counted, escape::escaped, key_record::KeyState, ledger::Reach, ports::health::Health,
        text::ChangeReason,
    },
};
use serde_json::json;
use uuid::Uuid;

use self::listed::{Other, Revocations};
use super::{list::Selection, show::print_key};
use crate::cli::shared::{Desk, Misuse, OwnerOptions, granted, now, operator, output::print_line, print_json, values};

/// How many events are looked up in one statement.
const IDS_AT_ONCE: usize = 1000;
const REVOKED_AND_NOT_SHOWN: &str = "the key is revoked, and no replica accepts it; it could not be shown";

/// Revoke a key, whoever owns it, or many. Returns when no replica accepts them any more.
///
/// After a restore of the database, keys that were revoked since the backup work again: revoke them with what an export
/// of the audit says, or a list. Keys that are revoked already, and those that the database has not got, are counted
/// and left alone. What else such an export says was taken away since the backup is counted, and not repeated.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward keys revoke 0352mXAgJX8YoWA3E5sR9r
  keyward keys revoke 0352mXAgJX8YoWA3E5sR9r --reason 'found in a repository'
  keyward keys revoke --from-audit audit.json --reason 'restored from a backup'
  keyward keys revoke --ids-file revoked.txt")]
pub(super) struct Revoke {
    /// The key's id.
    #[arg(required_unless_present_any = ["from_audit", "ids_file"])]
    id: Option<KeyId>,
    /// Revoke each key that these events say was revoked: a page of GET /v1/admin/audit, several of them, or one event
    /// a line, as `keyward audit list` prints them as JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["id", "ids_file"])]
    from_audit: Option<PathBuf>,
    /// Revoke each key of this list: one id a line; text after a # is a comment. An empty list is nothing to do.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "id")]
    ids_file: Option<PathBuf>,
    /// Why, for the owner and for later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<ChangeReason>,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl Revoke {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        match (self.id, &self.from_audit, &self.ids_file) {
            (Some(id), ..) => self.revoke(desk, id).await,
            (_, Some(audit), _) => {
                let Revocations { ids, others } = listed::in_audit(audit)?;
                let others = not_in_the_audit(desk, others).await?;
                self.revoke_listed(desk, audit, &ids, Some(others)).await
            }
            (_, _, Some(list)) => self.revoke_listed(desk, list, &listed::in_list(list)?, None).await,
            (None, None, None) => bail!("name a key, or a file with --from-audit or --ids-file"),
        }
    }

    async fn revoke(self, desk: &Desk, id: KeyId) -> anyhow::Result<()> {
        let now = now();
        let revoked = desk.lifecycle(KeyPolicy::default()).revoke(id, self.reason, operator(), now).await;
        granted(id, revoked)?;
        desk.wait_for_everybody().await;
        if self.json {
            let key = desk.ledger().show(id, &Reach::Any).await;
            let key = key.context(REVOKED_AND_NOT_SHOWN)?.context(REVOKED_AND_NOT_SHOWN)?;
            return print_key(desk, &key, true, now);
        }
        Ok(print_line(format_args!("Revoked {id}: no replica accepts it any more."))?)
    }

    /// Revokes the keys one by one, and waits once for all replicas. If this fails in between, running the same command
    /// again completes it. `file`: where the ids stand, if there are any. `others`: what else an audit says was taken
    /// away, which this does not repeat.
    async fn revoke_listed(
        &self,
        desk: &Desk,
        file: &Path,
        ids: &[KeyId],
        others: Option<BTreeMap<String, u64>>,
    ) -> anyhow::Result<()> {
        let (ledger, lifecycle) = (desk.ledger(), desk.lifecycle(KeyPolicy::default()));
        let (mut revoked, mut before, mut unknown) = (0_u64, 0_u64, 0_u64);
        for id in ids {
            let known = ledger.show(*id, &Reach::Any).await.context("stopped in between; run it again")?;
            match known {
                None => unknown += 1,
                Some(key) if key.record.revoked_at.is_some() => before += 1,
                Some(_) => {
                    granted(id, lifecycle.revoke(*id, self.reason.clone(), operator(), now()).await)
                        .with_context(|| format!("stopped after {}; run it again", counted(revoked, "key")))?;
                    revoked += 1;
                }
            }
        }
        // Whoever has revoked the others may have waited for the standby in vain, and this server may be one that was
        // superseded.
        desk.store.is_ready().await.context("what was found is not certain; run it again")?;
        desk.wait_for_everybody().await;
        if self.json {
            let mut done = json!({ "revoked": revoked, "revokedBefore": before, "unknown": unknown });
            if let Some(others) = others {
                done["notRepeated"] = json!(others);
            }
            return print_json(&done);
        }
        let rest = [(before, "was revoked before", "were revoked before"), (unknown, "does not exist", "do not exist")];
        let rest = rest.into_iter().filter(|(count, ..)| *count > 0).map(|(count, one, many)| {
            let what = if count == 1 { one } else { many };
            format!(" {count} {what}.")
        });
        let done = match ids {
            [] => format!("Revoked no key: {} names none.", escaped(&file.display().to_string())),
            _ => told(revoked),
        };
        print_line(format_args!("{done}{}", rest.collect::<String>()))?;
        let others = others.unwrap_or_default();
        if !others.is_empty() {
            // Whoever restores a database must not take this for all there is to do.
            let others: Vec<String> = others.iter().map(|(action, count)| format!("{count} {action}")).collect();
            let others = others.join(", ");
            print_line(format_args!("Not repeated: {}. See docs/operations.md, After a restore.", escaped(&others)))?;
        }
        Ok(())
    }
}

/// How many events of each action the database has not got. What happened before its backup is in effect there.
async fn not_in_the_audit(desk: &Desk, events: Vec<Other>) -> anyhow::Result<BTreeMap<String, u64>> {
    let ids: Vec<Uuid> = events.iter().filter_map(|event| event.id).collect();
    let mut known = HashSet::new();
    for ids in ids.chunks(IDS_AT_ONCE) {
        known.extend(desk.store.known_events(ids).await?);
    }
    let mut counted = BTreeMap::new();
    for Other { id, action } in events {
        if id.is_none_or(|id| !known.contains(&id)) {
            *counted.entry(action).or_default() += 1;
        }
    }
    Ok(counted)
}

/// Revoke all keys that meet every condition. Returns when no replica accepts one of them any more.
#[derive(clap::Args)]
#[command(after_help = "\
At least one condition is needed. `keyward keys list` with the same conditions shows which keys these are.
INSTANT is a time such as 2030-01-31T12:00:00Z, or a span such as 90d: that long before now, and for --expiring-before \
that long after now.

Examples:
  keyward keys revoke-many --subject alice --reason 'left the company'
  keyward keys revoke-many --created-since 2h --tag team:payments
  keyward keys revoke-many --unused-since 90d --state active,disabled --dry-run
  keyward keys revoke-many --state expired")]
pub(super) struct RevokeMany {
    #[command(flatten)]
    owner: OwnerOptions,
    /// Only keys in this state; separate several by commas.
    #[arg(long, value_parser = values::living_state(), value_delimiter = ',')]
    state: Vec<KeyState>,
    #[command(flatten)]
    selection: Selection,
    /// Revoke nothing, and tell how many keys there are.
    #[arg(long)]
    dry_run: bool,
    /// Why, for the owners and for later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<ChangeReason>,
    /// Print JSON: how many.
    #[arg(long)]
    json: bool,
}

impl RevokeMany {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let filter = self.selection.filter(self.owner.read(&desk.settings)?, self.state);
        // A forgotten condition must not revoke every key.
        if !filter.has_condition(&Reach::Any) {
            return Err(Misuse("name an owner with --owner or --subject, or another condition".to_owned()).into());
        }
        let lifecycle = desk.lifecycle(KeyPolicy::default());
        if self.dry_run {
            let count = desk.ledger().count_living(&filter, &Reach::Any, now()).await?;
            if self.json {
                return print_json(&json!({ "dryRun": true, "wouldBeRevoked": count }));
            }
            let keys = counted(count, "key");
            return Ok(print_line(format_args!("{keys} would be revoked; nothing was done."))?);
        }
        let revoked = lifecycle.revoke_in_bulk(filter, None, self.reason, operator(), now()).await;
        let revoked = granted("these keys", revoked.map(Ok))?.outcome;
        desk.wait_for_everybody().await;
        if self.json {
            return print_json(&json!({ "revoked": revoked }));
        }
        Ok(print_line(told(revoked))?)
    }
}

/// What was done to so many keys.
fn told(revoked: u64) -> String {
    match revoked {
        0 => "Revoked no key.".to_owned(),
        1 => "Revoked 1 key: no replica accepts it any more.".to_owned(),
        many => format!("Revoked {many} keys: no replica accepts any of them any more."),
    }
}
