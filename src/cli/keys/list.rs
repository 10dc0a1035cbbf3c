//! `keyward keys list`

use keyward::{
    api::Key,
    domain::{
        api_key::Environment,
        key_record::{KeyState, ManagedKey},
        ledger::Reach,
        listing::{KeyFilter, KeyOrder, KeyTag, Page, words},
        owner::Owner,
        scope::Scope,
        text::{KeyName, SearchText},
    },
};
use time::OffsetDateTime;

use super::show::{name, scopes};
use crate::cli::shared::{
    Desk, Misuse, OwnerOptions, now,
    output::print,
    pages, print_json,
    table::{columns, minute},
    tell_if_cut, values,
};

/// List keys, newest first.
#[derive(clap::Args)]
#[command(after_help = "\
INSTANT is a time such as 2030-01-31T12:00:00Z, or a span such as 90d: that long before now, and for --expiring-before \
that long after now.

Examples:
  keyward keys list
  keyward keys list --subject alice --state active
  keyward keys list --unused-since 90d --state active
  keyward keys list --expires never --limited no --state active
  keyward keys list --subject alice --sort=-lastUsedAt
  keyward keys list --json | jq -r '.[].id'")]
pub(super) struct List {
    #[command(flatten)]
    owner: OwnerOptions,
    /// Only keys in this state; separate several by commas.
    #[arg(long, value_parser = values::state(), value_delimiter = ',')]
    state: Vec<KeyState>,
    #[command(flatten)]
    selection: Selection,
    /// yes: only keys that were revoked with a reason that contains "leak"; no: all others.
    #[arg(long, value_parser = values::yes_or_no())]
    leaked: Option<bool>,
    /// By what, with a minus before it for the last first. Keys of all owners: createdAt alone.
    #[arg(long, value_name = "FIELD", value_parser = values::order(), allow_hyphen_values = true, default_value = "-createdAt")]
    sort: KeyOrder,
    /// The maximum number of keys to list.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON: a list of keys as the API has them.
    #[arg(long)]
    json: bool,
}

// The conditions that `list` and `revoke-many` have in common.
#[derive(clap::Args)]
pub(super) struct Selection {
    /// Only keys of this environment.
    #[arg(long, value_parser = values::environment())]
    environment: Option<Environment>,
    /// Only keys with exactly this name.
    #[arg(long)]
    name: Option<KeyName>,
    /// Only keys with this in their name or description.
    #[arg(long, value_name = "TEXT")]
    search: Option<SearchText>,
    /// Only keys with this text in their metadata, such as team:payments.
    #[arg(long, value_name = "NAME:TEXT")]
    tag: Option<KeyTag>,
    /// Only keys that carry this scope.
    #[arg(long, alias = "with-scope")]
    scope: Option<Scope>,
    /// Only keys that expire before then.
    #[arg(long, value_name = "INSTANT", value_parser = values::future)]
    expiring_before: Option<OffsetDateTime>,
    /// Only keys that were made then or later.
    #[arg(long, value_name = "INSTANT", value_parser = values::past)]
    created_since: Option<OffsetDateTime>,
    /// Only keys that were made before, and not used since.
    #[arg(long, value_name = "INSTANT", value_parser = values::past)]
    unused_since: Option<OffsetDateTime>,
    /// Only keys that were used then or later.
    #[arg(long, value_name = "INSTANT", value_parser = values::past)]
    used_since: Option<OffsetDateTime>,
    /// Only keys that never expire.
    #[arg(long, value_parser = [words::NEVER])]
    expires: Option<String>,
    /// yes: only keys with a limit or credits, of their own, of their owner or of the owner's plan; no: only keys
    /// without any.
    #[arg(long, value_parser = values::yes_or_no())]
    limited: Option<bool>,
}

impl Selection {
    pub(super) fn filter(self, owner: Option<Owner>, states: Vec<KeyState>) -> KeyFilter {
        KeyFilter {
            owner,
            states,
            environment: self.environment,
            name: self.name,
            search: self.search,
            tag: self.tag,
            scope: self.scope,
            expiring_before: self.expiring_before,
            created_since: self.created_since,
            unused_since: self.unused_since,
            used_since: self.used_since,
            never_expires: self.expires.is_some(),
            limited: self.limited,
            leaked: None,
        }
    }
}

impl List {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let now = now();
        let owner = self.owner.read(&desk.settings)?;
        let filter = KeyFilter { leaked: self.leaked, ..self.selection.filter(owner, self.state) };
        if !self.sort.is_possible(filter.owner.as_ref()) {
            let only = "keys of all owners can be sorted by createdAt alone; name an owner with --owner or --subject";
            return Err(Misuse(only.to_owned()).into());
        }
        let read = async |page: &Page| desk.ledger().list(&filter, self.sort, page, &Reach::Any, now).await;
        let keys = pages::first(self.limit, read).await?;
        if self.json {
            let prefix = desk.settings.key_prefix()?;
            print_json(&keys.iter().map(|key| Key::new(key, &prefix, now)).collect::<Vec<_>>())?;
        } else {
            print(table(&keys, now))?;
        }
        tell_if_cut(keys.len(), self.limit);
        Ok(())
    }
}

/// One key per line, in columns.
fn table(keys: &[ManagedKey], now: OffsetDateTime) -> String {
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
