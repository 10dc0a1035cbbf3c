//! `keyward keys create`

use anyhow::bail;
use keyward::{
    api::CreatedKey,
    auth::lifecycle::{Expiry, Issued, NewKey},
    domain::{api_key::Environment, metadata::Metadata, owner::Owner},
};
use time::OffsetDateTime;

use super::{content::Content, printed_once};
use crate::cli::shared::{
    Desk, OwnerOptions, granted, now, operator,
    output::{print_line, tell_line},
    print_json, values,
};

/// Make a key for somebody. Its text is printed once.
#[derive(clap::Args)]
#[command(
    group(clap::ArgGroup::new("whose").args(["owner", "subject"]).required(true)),
    after_help = "\
Without --expires-at and --expires-in, it lives for ever, or as long as keys.max_lifetime allows.

Examples:
  keyward keys create --subject billing --scope keyward:verify
  keyward keys create --subject alice --issuer https://issuer.example \\
    --name 'invoice service' --environment test --expires-in 90d
  keyward keys create --subject alice --limit day=50000/day
  keyward keys create --subject alice --credits 1000,refill=1000/monthly
  keyward keys create --subject alice --json | jq -r .apiKey
  keyward keys create --subject alice --dev   # for a running `keyward dev`"
)]
pub(super) struct Create {
    #[command(flatten)]
    owner: OwnerOptions,
    /// The environment of the key; keys.environment by default.
    #[arg(long, value_parser = values::environment())]
    environment: Option<Environment>,
    #[command(flatten)]
    content: Content,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl Create {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let Self { owner, environment, content, json } = self;
        let now = now();
        let Some(owner) = owner.read_to_change(desk).await? else { bail!("whose key it is to be is not said") };
        let new_key = new_key(owner, environment, content, now)?;
        let issued = desk.issuer().await?.issue(new_key, None, &operator(), now).await;
        let Issued::Now(new) = granted("a new key", issued)? else { bail!("the key was made before") };
        let id = new.key.record.id;
        if json {
            let prefix = desk.settings.key_prefix()?;
            return printed_once(id, print_json(&CreatedKey::new(*new, &prefix)));
        }
        printed_once(id, print_line(new.text.expose()).map_err(Into::into))?;
        tell_line(format_args!("This is the whole key, and the only time that it is shown. Its id is {id}."));
        Ok(())
    }
}

fn new_key(
    owner: Owner,
    environment: Option<Environment>,
    content: Content,
    now: OffsetDateTime,
) -> anyhow::Result<NewKey> {
    Ok(NewKey {
        environment,
        scopes: content.scopes()?,
        metadata: content.notes(Metadata::read)?.unwrap_or_default(),
        allowed_ips: content.allowed_ips()?,
        limits: content.limits()?,
        credits: content.credits,
        expiry: content.expiry.read(now)?.unwrap_or(Expiry::Latest),
        enabled: content.enabled.unwrap_or(true),
        name: content.name,
        description: content.description,
        ..NewKey::plain(owner)
    })
}
