//! `keyward plans`: lists, shows, sets and deletes plans, directly on the database.

use std::{fmt::Display, time::Duration};

use anyhow::{Context, anyhow, bail};
use keyward::{
    api::Plan,
    auth::Undecided,
    config::{KeyPolicy, Sources},
    domain::{
        api_key::Environment,
        counted::counted,
        limits::AskedLimit,
        listing::Page,
        plan::{self, Caps, PLAN_KEYS_MAX, PlanCredits, PlanName},
        plan_changes::{PlanChange, PlanDeletion, PlanDid, PlanRefusal},
        precondition::Preconditions,
        scope::Scopes,
        text::KeyDescription,
        timestamp::span,
    },
};

use super::shared::{
    DatabaseOptions, Desk, credits, granted,
    limits::{asked, read, written},
    now, operator,
    output::{print, print_line},
    pages, print_json,
    table::{columns, facts, or_dash, second},
    values,
};

/// See and change plans: named sets of limits and caps that owners are on. On the database directly.
#[derive(clap::Args)]
pub(super) struct Plans {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    database: DatabaseOptions,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List plans, in the order of their names.
    #[command(after_help = "\
Examples:
  keyward plans list
  keyward plans list --json | jq -r '.[].name'")]
    List {
        /// Print JSON: a list of plans as the API has them.
        #[arg(long)]
        json: bool,
    },
    /// Show a plan.
    #[command(after_help = "\
Examples:
  keyward plans show pro
  keyward plans show pro --json")]
    Show {
        /// Its name.
        name: PlanName,
        /// Print JSON, as the API has it.
        #[arg(long)]
        json: bool,
    },
    Set(Box<Set>),
    /// Delete a plan that nobody is on.
    #[command(after_help = "\
Examples:
  keyward plans delete trial
  keyward owners list --plan trial  # who is on it")]
    Delete {
        /// Its name.
        name: PlanName,
    },
}

/// Create a plan, or replace all of one. Returns when every replica applies it.
#[derive(clap::Args)]
#[command(after_help = "\
What is not given is neither limited nor capped, whatever the plan said before.

Examples:
  keyward plans set free --limit month=10000/month --max-keys 3 \\
    --credits 1000,refill=1000/monthly,max=1000 --environment test
  keyward plans set pro --limit month=1000000/month --limit minute=6000/1m \\
    --max-keys 50 --max-lifetime 365d --scope orders:read --scope orders:write")]
struct Set {
    /// Its name: letters, digits, dots, hyphens and underscores.
    name: PlanName,
    /// Who it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<KeyDescription>,
    /// A limit that all keys of an owner share, such as minute=1000/1m; may be repeated.
    #[arg(long, value_name = "LIMIT", value_parser = read)]
    limit: Vec<AskedLimit>,
    /// Credits of an owner who is put on it, such as 10000,refill=10000/monthly,max=20000.
    #[arg(long, value_name = "CREDITS", value_parser = plan_credits)]
    credits: Option<PlanCredits>,
    /// The most keys of an owner that are neither revoked nor expired.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=i64::from(PLAN_KEYS_MAX)))]
    max_keys: Option<u32>,
    /// The longest lifetime of a key, such as 90d.
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    max_lifetime: Option<Duration>,
    /// A scope that keys may be given, of those alone; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Keys may be given no scopes.
    #[arg(long, conflicts_with = "scope")]
    no_scopes: bool,
    /// An environment that keys may be for, of those alone; may be repeated.
    #[arg(long, value_parser = values::environment())]
    environment: Vec<Environment>,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

fn plan_credits(text: &str) -> Result<PlanCredits, String> {
    let credits = PlanCredits::asked(&credits::read(text)?);
    credits.ok_or_else(|| "begin with a number: the balance of an owner who is put on the plan".to_owned())
}

/// The API has whole seconds.
fn lifetime(text: &str) -> Result<Duration, String> {
    let span = values::lifetime(text)?;
    if span.subsec_nanos() == 0 { Ok(span) } else { Err("whole seconds".to_owned()) }
}

impl Plans {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<()> {
        let Self { command, database } = self;
        database.work(sources, async |desk| match command {
            Command::List { json } => list(desk, json).await,
            Command::Show { name, json } => {
                let plan = desk.plans().plan(&name).await?;
                tell(&plan.with_context(|| format!("there is no plan {name}; `keyward plans list` shows all"))?, json)
            }
            Command::Set(set) => set.run(desk).await,
            Command::Delete { name } => delete(desk, name).await,
        })
    }
}

async fn list(desk: &Desk, json: bool) -> anyhow::Result<()> {
    let plans = pages::first(u32::MAX, async |page: &Page| desk.plans().plans(page).await).await?;
    if json {
        return print_json(&plans.iter().map(Plan::new).collect::<Vec<_>>());
    }
    let header = ["NAME", "KEYS", "LIFETIME", "SCOPES", "ENVIRONMENTS", "LIMITS"];
    Ok(print(columns(header, plans.iter().map(row)))?)
}

impl Set {
    async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let scopes = if self.no_scopes { Some(Scopes::default()) } else { given(values::scopes(&self.scope)?) };
        let change = PlanChange {
            name: self.name.clone(),
            description: self.description,
            limits: asked(&self.limit)?,
            credits: self.credits,
            caps: Caps {
                max_keys: self.max_keys,
                max_lifetime: self.max_lifetime,
                scopes,
                environments: Caps::only(&self.environment).ok(),
            },
            preconditions: Preconditions::default(),
            at: now(),
        };
        let changed = desk.lifecycle(KeyPolicy::default()).change_plan(change, operator()).await;
        let changed = done(&self.name, changed)?.outcome;
        // Nobody is on a plan that has just been made.
        if changed.did != PlanDid::Create {
            desk.wait_for_everybody().await;
        }
        tell(&changed.plan, self.json)
    }
}

fn given(scopes: Scopes) -> Option<Scopes> {
    Some(scopes).filter(|scopes| !scopes.is_empty())
}

async fn delete(desk: &Desk, name: PlanName) -> anyhow::Result<()> {
    let deletion = PlanDeletion { name: name.clone(), preconditions: Preconditions::default(), at: now() };
    done(&name, desk.lifecycle(KeyPolicy::default()).delete_plan(deletion, operator()).await)?;
    Ok(print_line(format_args!("Deleted the plan {name}."))?)
}

/// The result of a change of a plan, or an error.
pub(super) fn done<T>(name: impl Display, done: Result<Result<T, PlanRefusal>, Undecided>) -> anyhow::Result<T> {
    match done {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(PlanRefusal::NotFound)) => Err(anyhow!("there is no plan {name}; `keyward plans list` shows all")),
        Ok(Err(PlanRefusal::InUse(owners))) => {
            let owners = counted(owners, "owner");
            bail!("the plan {name} has {owners}; `keyward owners list --plan {name}` lists them")
        }
        Ok(Err(PlanRefusal::TooMany)) => bail!("there are {} plans, the most that there may be", plan::PLANS_MAX),
        Ok(Err(PlanRefusal::Refused(refusal))) => granted(format_args!("the plan {name}"), Ok(Err(refusal))),
        Err(undecided) => granted(format_args!("the plan {name}"), Err(undecided)),
    }
}

fn tell(plan: &plan::Plan, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(&Plan::new(plan));
    }
    let [name, keys, lifetime, scopes, environments, limits] = row(plan);
    let description = plan.content.description.as_ref().map_or("", KeyDescription::as_str);
    Ok(print(facts([
        ("name", name),
        ("description", or_dash(description)),
        ("limits", limits),
        ("credits", plan.content.credits.map_or("none".to_owned(), |credits| credits.to_string())),
        ("keys", keys),
        ("lifetime", lifetime),
        ("scopes", scopes),
        ("environments", environments),
        ("changed", second(plan.updated_at)),
    ]))?)
}

fn row(plan: &plan::Plan) -> [String; 6] {
    const ANY: &str = "any";
    let Caps { max_keys, max_lifetime, scopes, environments } = &plan.content.caps;
    let words = |all: Vec<&str>| if all.is_empty() { "none".to_owned() } else { all.join(" ") };
    [
        plan.name.to_string(),
        max_keys.map_or(ANY.to_owned(), |most| most.to_string()),
        max_lifetime.map_or(ANY.to_owned(), span),
        scopes.as_ref().map_or(ANY.to_owned(), |scopes| words(scopes.iter().collect())),
        environments.as_ref().map_or(ANY.to_owned(), |all| words(all.iter().map(|one| one.as_str()).collect())),
        written(&plan.content.limits),
    ]
}
