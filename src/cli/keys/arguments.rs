//! What can be typed after `keyward keys`.

use std::{path::PathBuf, time::Duration};

use ipnet::IpNet;
use keyward::domain::{
    api_key::{Environment, KeyId},
    key_record::KeyState,
    network,
    scope::Scope,
    text::{ChangeReason, KeyDescription, KeyName, SearchText},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a key for somebody. Its text is printed once.
    #[command(after_help = "\
Examples:
  keyward keys create --subject billing --scope keyward:verify
  keyward keys create --subject alice --issuer https://issuer.example \\
    --name 'invoice service' --environment test --expires-in 90d
  keyward keys create --subject alice --json | jq -r .apiKey
  keyward keys create --subject alice --dev   # for a running `keyward dev`")]
    Create(Create),
    /// List keys, newest first.
    #[command(after_help = "\
Examples:
  keyward keys list
  keyward keys list --subject alice --state active
  keyward keys list --json | jq -r '.[].id'")]
    List(List),
    /// Show all that is known of a key.
    #[command(after_help = "\
Examples:
  keyward keys show 0352mXAgJX8YoWA3E5sR9r")]
    Show {
        /// The key's id: the 22 characters after keyward_live_, as lists and logs show it.
        id: KeyId,
        /// Print JSON, as the API has it.
        #[arg(long)]
        json: bool,
    },
    /// End a key, whoever owns it, or many. Returns when no replica accepts them any more.
    ///
    /// After a restore of the database, keys that were revoked since the backup work again: revoke them with what an export of the
    /// audit says, or a list. Keys that are revoked already, and those that the database has not got, are counted and left alone.
    #[command(after_help = "\
Examples:
  keyward keys revoke 0352mXAgJX8YoWA3E5sR9r
  keyward keys revoke 0352mXAgJX8YoWA3E5sR9r --reason 'found in a repository'
  keyward keys revoke --from-audit audit.json --reason 'restored from a backup'
  keyward keys revoke --ids-file revoked.txt")]
    Revoke {
        /// The key's id.
        #[arg(required_unless_present_any = ["from_audit", "ids_file"])]
        id: Option<KeyId>,
        /// Revoke each key that these events say was revoked: a page of GET /v1/admin/audit, several of them, or one event a line.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "ids_file"])]
        from_audit: Option<PathBuf>,
        /// Revoke each key of this list: one id a line; what follows a # is for people.
        #[arg(long, value_name = "FILE", conflicts_with = "id")]
        ids_file: Option<PathBuf>,
        /// Why, for the owner and for later.
        #[arg(long)]
        reason: Option<ChangeReason>,
        /// Print JSON, as the API has it.
        #[arg(long)]
        json: bool,
    },
    /// Make a successor with the same rights, and end the old key after a while.
    #[command(after_help = "\
Examples:
  keyward keys rotate 0352mXAgJX8YoWA3E5sR9r --grace-period 7d
  keyward keys rotate 0352mXAgJX8YoWA3E5sR9r --grace-period 0s  # ends now")]
    Rotate {
        /// The key's id.
        id: KeyId,
        /// For how long the old key goes on working; keys.rotation_grace where it is not given, 0s: not at all.
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        grace_period: Option<Duration>,
        /// Print JSON, as the API has it.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct Create {
    /// Whose key: the `sub` of the owner's tokens (or their organisation).
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) subject: String,
    /// The `iss` of the owner's tokens; jwt.issuer where it is not given.
    #[arg(long)]
    pub(super) issuer: Option<String>,
    /// What to call it.
    #[arg(long)]
    pub(super) name: Option<KeyName>,
    /// What it is for.
    #[arg(long)]
    pub(super) description: Option<KeyDescription>,
    /// A right that it gets; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    pub(super) scope: Vec<String>,
    /// live or test; keys.environment where it is not given.
    #[arg(long)]
    pub(super) environment: Option<Environment>,
    /// How long it lives, such as 15m, 1h or 90d; for ever where it is not given.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) expires_in: Option<Duration>,
    /// An address or network that it may be used from; may be repeated.
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub(super) allowed_ip: Vec<IpNet>,
    /// Notes, as a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(super) metadata: Option<String>,
    /// Print JSON, as the API has it.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(clap::Args)]
pub(super) struct List {
    /// Only keys of this subject (or organisation).
    #[arg(long)]
    pub(super) subject: Option<String>,
    /// Of this issuer; jwt.issuer where it is not given.
    #[arg(long, requires = "subject")]
    pub(super) issuer: Option<String>,
    /// Only keys that stand so: active, disabled, expired or revoked; several with commas between.
    #[arg(long, value_parser = state, value_delimiter = ',')]
    pub(super) state: Vec<KeyState>,
    /// Only keys of this environment.
    #[arg(long)]
    pub(super) environment: Option<Environment>,
    /// Only keys with exactly this name.
    #[arg(long)]
    pub(super) name: Option<KeyName>,
    /// Only keys with this in their name or description.
    #[arg(long, value_name = "TEXT")]
    pub(super) search: Option<SearchText>,
    /// Only keys that carry this scope.
    #[arg(long, value_name = "SCOPE")]
    pub(super) with_scope: Option<Scope>,
    /// At most so many.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
    /// Print JSON, as the API has it.
    #[arg(long)]
    pub(super) json: bool,
}

fn network(text: &str) -> Result<IpNet, String> {
    network::parse(text).ok_or_else(|| "an address or a network such as 192.0.2.0/24".to_owned())
}

fn state(text: &str) -> Result<KeyState, String> {
    let known = KeyState::ALL.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| "active, disabled, expired or revoked".to_owned())
}
