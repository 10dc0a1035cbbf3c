//! `keyward owners`: lists owners, and disables and enables them, directly on the database.

mod limits;
mod plan;

use anyhow::bail;
use keyward::{
    api::{OwnerDetails, wire::owner_id},
    config::{KeyPolicy, Sources},
    domain::{
        escape::escaped,
        ledger::OwnerSwitch,
        listing::{OwnerDisabled, OwnerFilter, OwnerStanding, Page},
        owner::Owner,
        plan::PlanName,
        text::{ChangeReason, SearchText},
    },
};

use self::{
    limits::{OwnersCredits, OwnersLimits},
    plan::OwnersPlan,
};
use super::shared::{
    DatabaseOptions, Desk, WhichOwner, granted, now, operator,
    output::{print, print_line},
    pages, print_json,
    table::{actor, columns, facts, minute, or_dash},
    tell_if_cut, tell_if_without_keys,
};

#[derive(clap::Args)]
pub(super) struct Owners {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List owners who have keys, are disabled, or are on a plan, in the order of issuer and subject.
    #[command(after_help = "\
A + behind numbers of keys: only the newest thousand keys of this owner were counted.

Examples:
  keyward owners list
  keyward owners list --search alice
  keyward owners list --plan free
  keyward owners list --state disabled --json | jq -r '.[].owner.id'")]
    List(List),
    /// Show an owner's state, plan and number of keys.
    #[command(after_help = "\
Examples:
  keyward owners show AGFsaWNl
  keyward owners show --subject alice --issuer https://issuer.example")]
    Show {
        #[command(flatten)]
        which: WhichOwner,
        /// Print JSON, as the API has it.
        #[arg(long)]
        json: bool,
    },
    /// Refuse all keys of an owner, those of the future too. Returns when no replica accepts one.
    #[command(after_help = "\
Examples:
  keyward owners disable AGFsaWNl
  keyward owners disable --subject alice --reason 'does not pay'")]
    Disable(Switch),
    /// Accept the keys of an owner again, but for those that are disabled themselves. Returns when every replica
    /// applies it.
    #[command(after_help = "\
Examples:
  keyward owners enable AGFsaWNl
  keyward owners enable --subject alice")]
    Enable(Switch),
    Limits(Box<OwnersLimits>),
    Credits(OwnersCredits),
    Plan(OwnersPlan),
}

#[derive(clap::Args)]
struct List {
    /// Only owners with this in their subject or issuer.
    #[arg(long, value_name = "TEXT")]
    search: Option<SearchText>,
    /// Only owners in this state.
    #[arg(long)]
    state: Option<State>,
    /// Only owners on this plan.
    #[arg(long, value_name = "NAME")]
    plan: Option<PlanName>,
    /// The maximum number of owners to list.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON: a list of owners as the API has them.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Active,
    Disabled,
}

#[derive(clap::Args)]
struct Switch {
    #[command(flatten)]
    which: WhichOwner,
    /// Why, for later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<ChangeReason>,
    /// Print JSON, as the API shows the owner.
    #[arg(long)]
    json: bool,
}

impl Owners {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<()> {
        let Self { command, database } = self;
        database.work(sources, async |desk| match command {
            Command::List(list) => list.run(desk).await,
            Command::Show { which, json } => show(desk, &which.read(&desk.settings)?, json).await,
            Command::Disable(switch) => switch.run(desk, true).await,
            Command::Enable(switch) => switch.run(desk, false).await,
            Command::Limits(limits) => limits.run(desk).await,
            Command::Plan(plan) => plan.run(desk).await,
            Command::Credits(credits) => credits.run(desk).await,
        })
    }
}

impl List {
    async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let disabled = self.state.map(|state| state == State::Disabled);
        let (filter, now) = (OwnerFilter { disabled, search: self.search, plan: self.plan }, now());
        let read = async |page: &Page| desk.ledger().owners(&filter, page, now).await;
        let owners = pages::first(self.limit, read).await?;
        let listed = owners.len();
        if self.json {
            print_json(&owners.into_iter().map(OwnerDetails::from).collect::<Vec<_>>())?;
        } else {
            let header = ["ID", "ISSUER", "SUBJECT", "STATE", "PLAN", "ACTIVE", "DISABLED", "EXPIRED", "REVOKED"];
            print(columns(header, owners.iter().map(row)))?;
        }
        tell_if_cut(listed, self.limit);
        Ok(())
    }
}

async fn show(desk: &Desk, owner: &Owner, json: bool) -> anyhow::Result<()> {
    let Some(standing) = desk.ledger().owner(owner, now()).await? else {
        bail!(
            "the owner {:?} of the issuer {:?} has no keys, is not disabled and on no plan; `keyward owners list` shows who has",
            owner.subject,
            owner.issuer
        )
    };
    if json {
        return print_json(&OwnerDetails::from(standing));
    }
    Ok(print(details(&standing))?)
}

impl Switch {
    async fn run(self, desk: &Desk, disabled: bool) -> anyhow::Result<()> {
        let owner = self.which.read_to_change(desk).await?;
        let switch = OwnerSwitch { owner: owner.clone(), disabled, reason: self.reason, at: now() };
        let operator = operator();
        let lifecycle = desk.lifecycle(KeyPolicy::default());
        let switched = lifecycle.switch_owner(switch, operator.reach, operator.author).await;
        let switched = granted("the owner", switched.map(Ok))?.outcome;
        desk.wait_for_everybody().await;
        tell_if_without_keys(&owner, desk).await?;
        if self.json {
            let standing = desk.ledger().owner(&owner, now()).await?;
            return print_json(&OwnerDetails::from(standing.unwrap_or_else(|| OwnerStanding::without_keys(owner))));
        }
        let id = owner_id::write(&owner);
        if !switched.changed {
            let reason = switched
                .reason
                .map_or_else(String::new, |reason| format!(" The reason is: {}", escaped(reason.as_str())));
            let state = if disabled { "disabled" } else { "enabled" };
            return Ok(print_line(format_args!("Nothing has changed: the owner {id} was {state} before.{reason}"))?);
        }
        Ok(print_line(match disabled {
            true => format!("Disabled the owner {id}: no replica accepts a key of theirs any more."),
            false => format!("Enabled the owner {id}: every replica goes by the state of their keys again."),
        })?)
    }
}

fn row(standing: &OwnerStanding) -> [String; 9] {
    let keys = &standing.keys;
    let more = if keys.complete { "" } else { "+" };
    [
        owner_id::write(&standing.owner),
        or_dash(&standing.owner.issuer),
        standing.owner.subject.to_string(),
        state(standing).to_owned(),
        plan(standing),
        format!("{}{more}", keys.active),
        format!("{}{more}", keys.disabled),
        format!("{}{more}", keys.expired),
        format!("{}{more}", keys.revoked),
    ]
}

fn details(standing: &OwnerStanding) -> String {
    let keys = &standing.keys;
    let disabled = standing.disabled.as_ref();
    let reason = disabled.and_then(|disabled| disabled.reason.as_ref());
    let more = if keys.complete { "" } else { ", of the newest ten thousand" };
    facts([
        ("id", owner_id::write(&standing.owner)),
        ("issuer", or_dash(&standing.owner.issuer)),
        ("subject", standing.owner.subject.to_string()),
        ("state", state(standing).to_owned()),
        ("disabled at", minute(disabled.map(|disabled| disabled.at))),
        ("disabled by", actor(disabled.and_then(|OwnerDisabled { by, .. }| by.as_ref()))),
        ("reason", or_dash(reason.map_or("", |reason| reason.as_str()))),
        ("plan", plan(standing)),
        (
            "keys",
            format!(
                "{} active, {} disabled, {} expired, {} revoked{more}",
                keys.active, keys.disabled, keys.expired, keys.revoked
            ),
        ),
    ])
}

fn plan(standing: &OwnerStanding) -> String {
    or_dash(standing.plan.as_ref().map_or("", |assigned| assigned.plan.as_str()))
}

fn state(standing: &OwnerStanding) -> &'static str {
    if standing.disabled.is_some() { "disabled" } else { "active" }
}
