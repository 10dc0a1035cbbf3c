//! `keyward owners limits`, `keyward owners credits`: show and change what all keys of an
//! owner share, directly on the database.

use keyward::{
    api::{OwnerLimits, wire::owner_id},
    config::KeyPolicy,
    domain::{
        limits::{AskedCredits, AskedLimit, TopUp},
        owner::Owner,
        owner_limits::{OwnerAllowance, OwnerCredits, OwnerLimitsChange},
        precondition::Preconditions,
    },
};

use crate::cli::shared::{
    Desk, WhichOwner, credits, granted,
    limits::{asked, read, written},
    now, operator,
    output::print_line,
    print_json, tell_if_without_keys,
};

/// Show the limits and credits that all keys of an owner share, or change them. Returns when every replica applies
/// them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward owners limits AGFsaWNl
  keyward owners limits AGFsaWNl --limit month=10000/month --limit minute=600/1m
  keyward owners limits AGFsaWNl --credits 10000,refill=10000/monthly,max=20000
  keyward owners limits --subject alice --clear")]
pub(super) struct OwnersLimits {
    #[command(flatten)]
    which: WhichOwner,
    /// A limit, such as minute=1000/1m, in place of all that there are; may be repeated.
    #[arg(long, value_name = "LIMIT", value_parser = read)]
    limit: Vec<AskedLimit>,
    /// Credits, such as 10000,refill=10000/monthly,max=20000; without a number, the
    /// balance stays as it is.
    #[arg(long, value_name = "CREDITS", value_parser = credits::read)]
    credits: Option<AskedCredits>,
    /// Remove all limits.
    #[arg(long, conflicts_with = "limit")]
    clear: bool,
    /// Remove the credits.
    #[arg(long, conflicts_with = "credits")]
    clear_credits: bool,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl OwnersLimits {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let owner = self.which.read_to_change(desk).await?;
        let limits = if self.clear || !self.limit.is_empty() { Some(asked(&self.limit)?) } else { None };
        let credits = match self.credits {
            Some(credits) => OwnerCredits::Ask(Some(credits)),
            None if self.clear_credits => OwnerCredits::Ask(None),
            None => OwnerCredits::Keep,
        };
        let allowance = if limits.is_some() || !matches!(credits, OwnerCredits::Keep) {
            let change = OwnerLimitsChange { limits, credits, ..nothing(&owner) };
            make(desk, change).await?
        } else {
            desk.ledger().owner_limits(&owner).await?
        };
        tell_if_without_keys(&owner, desk).await?;
        tell(&owner, &allowance, self.json)
    }
}

/// Top up the credits that all keys of an owner share, or set them. Returns when every replica applies the change.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward owners credits AGFsaWNl --add 10000 --reason 'invoice 4711'
  keyward owners credits AGFsaWNl --add 10000 --idempotency-key invoice-4711
  keyward owners credits --subject alice --set 0")]
pub(super) struct OwnersCredits {
    #[command(flatten)]
    which: WhichOwner,
    #[command(flatten)]
    top_up: credits::TopUpOptions,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl OwnersCredits {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let owner = self.which.read_to_change(desk).await?;
        let top_up: TopUp = self.top_up.read();
        let once = self.top_up.once(&owner_id::write(&owner));
        let (credits, reason) = (OwnerCredits::TopUp(top_up), self.top_up.reason);
        let change = OwnerLimitsChange { credits, reason, once, ..nothing(&owner) };
        let allowance = make(desk, change).await?;
        tell_if_without_keys(&owner, desk).await?;
        tell(&owner, &allowance, self.json)
    }
}

/// A change that changes nothing yet.
fn nothing(owner: &Owner) -> OwnerLimitsChange {
    OwnerLimitsChange {
        owner: owner.clone(),
        limits: None,
        credits: OwnerCredits::Keep,
        reason: None,
        once: None,
        preconditions: Preconditions::default(),
        granted: None,
        at: now(),
    }
}

async fn make(desk: &Desk, change: OwnerLimitsChange) -> anyhow::Result<OwnerAllowance> {
    let limited = desk.lifecycle(KeyPolicy::default()).limit_owner(change, operator()).await;
    let limited = granted("the owner", limited)?.outcome;
    desk.wait_for_everybody().await;
    Ok(limited.allowance)
}

fn tell(owner: &Owner, allowance: &OwnerAllowance, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(&OwnerLimits::new(owner, allowance));
    }
    print_line(written(&allowance.limits))?;
    if let Some(credits) = &allowance.credits {
        print_line(format!("credits: {credits}"))?;
    }
    Ok(())
}
