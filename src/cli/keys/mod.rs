//! `keyward keys`: what an operator does with keys, on the database directly. So the first key of a service
//! can be made before anybody has a token.

mod arguments;
mod leases;
mod listed;
mod refusal;
mod table;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use keyward::{
    auth::{
        hasher::Hasher,
        lifecycle::{Editor, Expiry, Issued, Issuer, Lifecycle, Order, OwnersStopped, Rotation},
    },
    config::{KeyPolicy, Settings, Sources},
    domain::{
        api_key::{KeyId, Keyring},
        audit::Author,
        key_record::{AllowedIps, ManagedKey},
        ledger::Reach,
        listing::{KeyFilter, KeyOrder, Page},
        metadata::{InvalidMetadata, Metadata},
        owner::Owner,
        precondition::Preconditions,
        scope::Scopes,
        text::ChangeReason,
        timestamp,
    },
    http::{CreatedKey, Key, RotatedKey},
    store::Store,
    telemetry,
};
use time::OffsetDateTime;

use self::{
    arguments::{Command, Create, List},
    refusal::granted,
};
use super::dev;

/// Keys read from the database at a time.
const PAGE: u32 = 500;

#[derive(clap::Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
    /// Work on the database of a running `keyward dev`.
    #[arg(long, global = true)]
    dev: bool,
    /// The data directory of that `keyward dev`, where it is not the usual one.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Keys {
    pub(super) fn run(self, mut sources: Sources) -> anyhow::Result<()> {
        if self.dev {
            let data_dir = dev::data_dir(self.data_dir)?;
            let database = dev::database(&data_dir)?;
            sources.base = dev::secrets(&data_dir)?;
            sources.base.push(database);
        }
        let settings = Settings::load(sources)?;
        telemetry::init(&settings.log()?)?;
        super::runtime()?.block_on(async {
            let database = dev::configured(self.dev, settings.database())?;
            let store = Store::open(&database).await?;
            let done = self.command.run(&store, &settings).await;
            store.close().await;
            done
        })
    }
}

impl Command {
    async fn run(self, store: &Store, settings: &Settings) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(store, settings).await,
            Self::List(list) => list.run(store, settings).await,
            Self::Show { id, json } => show(store, settings, id, json).await,
            Self::Revoke { id: Some(id), reason, json, .. } => revoke(store, settings, id, reason, json).await,
            Self::Revoke { from_audit, ids_file, reason, json, .. } => {
                let ids = match (from_audit, ids_file) {
                    (Some(audit), _) => listed::in_audit(&audit)?,
                    (None, Some(list)) => listed::in_list(&list)?,
                    (None, None) => bail!("name a key, or a file with --from-audit or --ids-file"),
                };
                revoke_listed(store, &ids, reason, json).await
            }
            Self::Rotate { id, grace_period, json } => rotate(store, settings, id, grace_period, json).await,
        }
    }
}

impl Create {
    async fn run(self, store: &Store, settings: &Settings) -> anyhow::Result<()> {
        let json = self.json;
        let now = now();
        let order = self.order(settings, now)?;
        let issued = issuer(store, settings)?.issue(order, None, &operator(), now).await;
        let Issued::Now(new) = granted("a new key", issued)? else { bail!("the key was made before") };
        if json {
            return print_json(&CreatedKey::new(*new, &settings.key_prefix()?));
        }
        println!("{}", new.text.expose());
        eprintln!("This is the whole key, and the only time that it is shown. Its id is {}.", new.key.record.id);
        Ok(())
    }

    fn order(self, settings: &Settings, now: OffsetDateTime) -> anyhow::Result<Order> {
        let metadata = match &self.metadata {
            Some(json) => match Metadata::read(json) {
                Err(InvalidMetadata::NotAnObject) => bail!("--metadata is not a JSON object"),
                read => read.context("--metadata cannot be kept")?,
            },
            None => Metadata::default(),
        };
        let expiry = match self.expires_in {
            Some(span) => Expiry::At(now.checked_add(span.try_into()?).context("--expires-in is too far away")?),
            None => Expiry::Latest,
        };
        Ok(Order {
            name: self.name,
            description: self.description,
            environment: self.environment,
            scopes: Scopes::parse(self.scope.iter().map(String::as_str))?,
            metadata,
            allowed_ips: AllowedIps::new(self.allowed_ip)?,
            expiry,
            ..Order::plain(owner(settings, self.issuer, self.subject)?)
        })
    }
}

impl List {
    async fn run(self, store: &Store, settings: &Settings) -> anyhow::Result<()> {
        let now = now();
        let filter = KeyFilter {
            owner: self.subject.map(|subject| owner(settings, self.issuer, subject)).transpose()?,
            states: self.state,
            environment: self.environment,
            name: self.name,
            search: self.search,
            scope: self.with_scope,
            ..KeyFilter::default()
        };
        let keys = read(store, &filter, self.limit, now).await?;
        if self.json {
            let prefix = settings.key_prefix()?;
            print_json(&keys.iter().map(|key| Key::new(key, &prefix, now)).collect::<Vec<_>>())?;
        } else {
            print!("{}", table::of_keys(&keys, now));
        }
        if keys.len() >= self.limit as usize {
            eprintln!("These are the newest {}; there may be more. --limit says how many to list.", self.limit);
        }
        Ok(())
    }
}

async fn read(store: &Store, filter: &KeyFilter, limit: u32, now: OffsetDateTime) -> anyhow::Result<Vec<ManagedKey>> {
    let ledger = store.ledger();
    let mut keys: Vec<ManagedKey> = Vec::new();
    let mut page = Page { after: None, limit: limit.min(PAGE) };
    loop {
        let listed = ledger.list(filter, KeyOrder::NEWEST_FIRST, &page, &Reach::Any, now).await?;
        keys.extend(listed.items);
        let left = limit.saturating_sub(u32::try_from(keys.len())?);
        if listed.next.is_none() || left == 0 {
            return Ok(keys);
        }
        page = Page { after: listed.next, limit: left.min(PAGE) };
    }
}

async fn show(store: &Store, settings: &Settings, id: KeyId, json: bool) -> anyhow::Result<()> {
    let now = now();
    let Some(key) = store.ledger().show(id, &Reach::Any).await? else { bail!("there is no key {id}") };
    if json {
        return print_json(&Key::new(&key, &settings.key_prefix()?, now));
    }
    print!("{}", table::of_key(&key, now));
    Ok(())
}

async fn revoke(
    store: &Store,
    settings: &Settings,
    id: KeyId,
    reason: Option<ChangeReason>,
    json: bool,
) -> anyhow::Result<()> {
    let now = now();
    let revoked = lifecycle(store, KeyPolicy::default()).revoke(id, reason, operator(), now).await;
    let revoked = granted(id, revoked)?;
    leases::wait(leases::longest(store).await).await;
    if json {
        return print_json(&Key::new(&revoked.key, &settings.key_prefix()?, now));
    }
    println!("Revoked {id}: no replica accepts it any more.");
    Ok(())
}

/// Each by itself, and one wait for all of them. What could not be done is told at the end, and the same command does the rest.
async fn revoke_listed(store: &Store, ids: &[KeyId], reason: Option<ChangeReason>, json: bool) -> anyhow::Result<()> {
    let lifecycle = lifecycle(store, KeyPolicy::default());
    let (mut revoked, mut before, mut unknown) = (0_u64, 0_u64, 0_u64);
    for id in ids {
        let known = store.ledger().show(*id, &Reach::Any).await.context("stopped in between; run it again")?;
        match known {
            None => unknown += 1,
            Some(key) if key.record.revoked_at.is_some() => before += 1,
            Some(_) => {
                granted(id, lifecycle.revoke(*id, reason.clone(), operator(), now()).await)
                    .with_context(|| format!("stopped after {revoked} keys; run it again"))?;
                revoked += 1;
            }
        }
    }
    leases::wait(leases::longest(store).await).await;
    if json {
        return print_json(&serde_json::json!({ "revoked": revoked, "revokedBefore": before, "unknown": unknown }));
    }
    println!(
        "Revoked {revoked} keys: no replica accepts them any more. {before} were revoked before, and {unknown} do not exist."
    );
    Ok(())
}

async fn rotate(
    store: &Store,
    settings: &Settings,
    id: KeyId,
    grace_period: Option<Duration>,
    json: bool,
) -> anyhow::Result<()> {
    let now = now();
    let rotation = Rotation { id, grace_period, expiry: None, preconditions: Preconditions::default(), request: None };
    let rotated = Arc::new(issuer(store, settings)?).rotate(rotation, operator(), now).await;
    let rotated = granted(id, rotated)?;
    let end = rotated.old.record.expires_at.filter(|_| rotated.old.record.revoked_at.is_none());
    // First the secret: should the wait be cut short, it must not be lost.
    if json {
        print_json(&RotatedKey::new(rotated, &settings.key_prefix()?, now))?;
    } else {
        // Without an `Idempotency-Key`, a key is always made now.
        let Issued::Now(new) = &rotated.new else { bail!("{id} was rotated before") };
        println!("{}", new.text.expose());
        let end = end.map_or("now".to_owned(), |end| format!("at {}", table::minute(Some(end))));
        eprintln!("This is the successor {}, shown only now. {id} stops {end}.", new.key.record.id);
    }
    let longest_lease = leases::longest(store).await;
    // Until a later end, all replicas will have heard of it.
    if end.is_none_or(|end| end < now + longest_lease) {
        leases::wait(longest_lease).await;
    }
    Ok(())
}

fn owner(settings: &Settings, issuer: Option<String>, subject: String) -> anyhow::Result<Owner> {
    let issuer = match issuer {
        Some(issuer) => issuer,
        None => settings.jwt_issuer()?.unwrap_or_default(),
    };
    Ok(Owner { issuer: issuer.into(), subject: subject.into() })
}

/// Whoever has the database may give any right.
fn operator() -> Editor {
    Editor { reach: Reach::Any, scopes: None, scope_bearing: false, author: Author::command_line() }
}

fn issuer(store: &Store, settings: &Settings) -> anyhow::Result<Issuer> {
    let keys = settings.keys()?;
    Ok(Issuer {
        lifecycle: lifecycle(store, keys.policy),
        keyring: Arc::new(Keyring::new(keys.prefix, &keys.peppers)?),
        hasher: Arc::new(Hasher::new(&settings.hashing()?)?),
        environment: keys.environment,
    })
}

/// This process is no replica: it hears nobody, and waits for leases instead.
fn lifecycle(store: &Store, policy: KeyPolicy) -> Arc<Lifecycle> {
    Arc::new(Lifecycle {
        ledger: store.ledger(),
        policy,
        link: None,
        runtime: tokio::runtime::Handle::current(),
        stopped: OwnersStopped::default(),
    })
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn now() -> OffsetDateTime {
    timestamp::to_milliseconds(OffsetDateTime::now_utc())
}
