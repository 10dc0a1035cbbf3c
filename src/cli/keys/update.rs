//! `keyward keys update`, `disable` and `enable`

use keyward::{
    auth::lifecycle::{Edit, Expiry, KeyTopUp, Switch},
    config::KeyPolicy,
    domain::{
        api_key::KeyId,
        metadata::{Metadata, MetadataChange, MetadataPatch},
        precondition::Preconditions,
        text::ChangeReason,
    },
};
use time::OffsetDateTime;

use super::{content::Content, show::print_key};
use crate::cli::shared::{Desk, Misuse, credits::TopUpOptions, granted, now, operator, output::print_line};

/// Change a key. What is not named stays as it is. Returns when every replica applies it.
#[derive(clap::Args)]
#[command(after_help = "\
--scope, --allowed-ip and --limit replace all that there are. --metadata is merged into what is there (RFC 7396): a member \
that is null is removed.

Examples:
  keyward keys update 0352mXAgJX8YoWA3E5sR9r --name 'invoice service'
  keyward keys update 0352mXAgJX8YoWA3E5sR9r \\
    --scope orders:read --scope orders:write --expires-in 90d
  keyward keys update 0352mXAgJX8YoWA3E5sR9r --metadata '{\"team\":\"payments\"}'
  keyward keys update 0352mXAgJX8YoWA3E5sR9r --limit minute=1000/1m,cost=5
  keyward keys update 0352mXAgJX8YoWA3E5sR9r --credits 1000,refill=1000/daily
  keyward keys update 0352mXAgJX8YoWA3E5sR9r --clear allowed-ips,expiry")]
pub(super) struct Update {
    /// The key's id.
    id: KeyId,
    #[command(flatten)]
    content: Content,
    /// What it is to have no more: several with commas between. Without allowed-ips it may be used from anywhere,
    /// without an expiry for ever.
    #[arg(long, value_name = "FIELD", value_enum, value_delimiter = ',')]
    clear: Vec<Field>,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

/// A field that can be cleared.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Field {
    Name,
    Description,
    Scopes,
    Metadata,
    AllowedIps,
    Limits,
    Credits,
    Expiry,
}

impl Update {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let now = now();
        let edit = self.edit(now)?;
        let lifecycle = desk.lifecycle(desk.settings.key_policy()?);
        let changed = lifecycle.edit(self.id, edit, Preconditions::default(), operator(), now).await;
        let changed = granted(self.id, changed)?.outcome;
        desk.wait_for_everybody().await;
        print_key(desk, &changed, self.json, now)
    }

    fn edit(&self, now: OffsetDateTime) -> anyhow::Result<Edit> {
        let content = &self.content;
        let expiry = content.expiry.read(now)?;
        let given = [
            ("--name", content.name.is_some(), Field::Name),
            ("--description", content.description.is_some(), Field::Description),
            ("--scope", !content.scope.is_empty(), Field::Scopes),
            ("--metadata", content.metadata.is_some(), Field::Metadata),
            ("--allowed-ip", !content.allowed_ip.is_empty(), Field::AllowedIps),
            ("--limit", !content.limit.is_empty(), Field::Limits),
            ("--credits", content.credits.is_some(), Field::Credits),
            ("an expiry", expiry.is_some(), Field::Expiry),
        ];
        if let Some((option, ..)) = given.iter().find(|(_, given, field)| *given && self.clear.contains(field)) {
            return Err(Misuse(format!("give {option}, or --clear it, not both")).into());
        }
        if self.clear.is_empty() && content.enabled.is_none() && given.iter().all(|(_, given, _)| !given) {
            let nothing = "say what to change, such as --name or --expires-in; `keyward keys update --help` tells all";
            return Err(Misuse(nothing.to_owned()).into());
        }
        let is_cleared = |field| self.clear.contains(&field);
        Ok(Edit {
            name: is_cleared(Field::Name).then_some(None).or(content.name.clone().map(Some)),
            description: is_cleared(Field::Description).then_some(None).or(content.description.clone().map(Some)),
            scopes: (is_cleared(Field::Scopes) || !content.scope.is_empty()).then(|| content.scopes()).transpose()?,
            metadata: match content.notes(MetadataPatch::read)? {
                Some(patch) => Some(MetadataChange::Merge(patch)),
                None => is_cleared(Field::Metadata).then(|| MetadataChange::Replace(Metadata::default())),
            },
            allowed_ips: (is_cleared(Field::AllowedIps) || !content.allowed_ip.is_empty())
                .then(|| content.allowed_ips())
                .transpose()?,
            limits: (is_cleared(Field::Limits) || !content.limit.is_empty()).then(|| content.limits()).transpose()?,
            credits: is_cleared(Field::Credits).then_some(None).or(content.credits.clone().map(Some)),
            expiry: is_cleared(Field::Expiry).then_some(Expiry::Never).or(expiry),
            enabled: content.enabled,
        })
    }
}

/// Top up the credits of a key, or set them. Returns when every replica applies the change.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward keys credits 0352mXAgJX8YoWA3E5sR9r --add 10000 --reason 'invoice 7'
  keyward keys credits 0352mXAgJX8YoWA3E5sR9r --add 5 --idempotency-key bill-7
  keyward keys credits 0352mXAgJX8YoWA3E5sR9r --set 0")]
pub(super) struct KeyCredits {
    /// The key's id.
    id: KeyId,
    #[command(flatten)]
    top_up: TopUpOptions,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl KeyCredits {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let (now, top_up) = (now(), self.top_up.read());
        let once = self.top_up.once(&self.id.to_string());
        let key_top_up = KeyTopUp { id: self.id, top_up, granted: None, reason: self.top_up.reason, once };
        let changed = desk.lifecycle(KeyPolicy::default()).top_up(key_top_up, operator(), now).await;
        let changed = granted(self.id, changed)?.outcome;
        desk.wait_for_everybody().await;
        print_key(desk, &changed, self.json, now)
    }
}

/// Switch a key off until it is enabled. Its owner cannot enable it. Returns when no replica accepts it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward keys disable 0352mXAgJX8YoWA3E5sR9r
  keyward keys disable 0352mXAgJX8YoWA3E5sR9r --reason 'found in a repository'")]
pub(super) struct Disable {
    #[command(flatten)]
    which: Which,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<ChangeReason>,
}

/// Enable a key, whoever has disabled it. Returns when every replica applies it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward keys enable 0352mXAgJX8YoWA3E5sR9r")]
pub(super) struct Enable {
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args)]
struct Which {
    /// The key's id.
    id: KeyId,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl Disable {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        self.which.switch(desk, Switch { enabled: false, reason: self.reason }).await
    }
}

impl Enable {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        self.which.switch(desk, Switch { enabled: true, reason: None }).await
    }
}

impl Which {
    async fn switch(self, desk: &Desk, to: Switch) -> anyhow::Result<()> {
        let (now, enabled) = (now(), to.enabled);
        // Disabling and enabling are not subject to the policy for new keys.
        let lifecycle = desk.lifecycle(KeyPolicy::default());
        let changed = lifecycle.switch(self.id, to, Preconditions::default(), operator(), now).await;
        let changed = granted(self.id, changed)?.outcome;
        desk.wait_for_everybody().await;
        if self.json {
            return print_key(desk, &changed, true, now);
        }
        let state = changed.record.state(now).as_str();
        let done = if enabled { "Enabled" } else { "Disabled" };
        Ok(print_line(format_args!("{done} {}: it is {state}.", self.id))?)
    }
}
