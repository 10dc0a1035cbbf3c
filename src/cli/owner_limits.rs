//! `keyward owners limits`: shows and replaces the limits that all keys of an owner share, directly on the database.

use keyward::{
    api::OwnerLimits,
    config::KeyPolicy,
    domain::{
        limits::{AskedLimit, Limits},
        owner::Owner,
        owner_limits::OwnerLimitsChange,
        precondition::Preconditions,
    },
};

use super::shared::{
    Desk, WhichOwner, granted,
    limits::{asked, read, written},
    now, operator,
    output::print_line,
    print_json,
};

/// Show the limits that all keys of an owner share, or replace them. Returns when every replica applies them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward owners limits AGFsaWNl
  keyward owners limits AGFsaWNl --limit month=10000/month --limit minute=600/1m
  keyward owners limits --subject alice --clear")]
pub(super) struct OwnersLimits {
    #[command(flatten)]
    which: WhichOwner,
    /// A limit, such as minute=1000/1m, in place of all that there are; may be repeated.
    #[arg(long, value_name = "LIMIT", value_parser = read)]
    limit: Vec<AskedLimit>,
    /// Remove all of them.
    #[arg(long, conflicts_with = "limit")]
    clear: bool,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl OwnersLimits {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let owner = self.which.read(&desk.settings)?;
        let limits = if self.clear || !self.limit.is_empty() {
            let change = OwnerLimitsChange {
                owner: owner.clone(),
                limits: asked(&self.limit)?,
                preconditions: Preconditions::default(),
                at: now(),
            };
            let limited = desk.lifecycle(KeyPolicy::default()).limit_owner(change, operator()).await;
            let limited = granted("the owner", limited)?;
            desk.wait_for_everybody().await;
            limited.limits
        } else {
            desk.ledger().owner_limits(&owner).await?
        };
        tell(&owner, &limits, self.json)
    }
}

fn tell(owner: &Owner, limits: &Limits, json: bool) -> anyhow::Result<()> {
    if json { print_json(&OwnerLimits::new(owner, limits)) } else { Ok(print_line(written(limits))?) }
}
