//! `keyward keys`: what an operator does with keys, on the database directly. So the first key of a service
//! can be made before anybody has a token.

mod table;

use std::{net::IpAddr, sync::Arc, thread, time::Duration};

use anyhow::{Context, anyhow, bail};
use ipnet::IpNet;
use keyward::{
    auth::{
        hasher::Hasher,
        lifecycle::{Done, Editor, Expiry, Issued, Issuer, Lifecycle, Order, OwnersStopped, Rotation},
    },
    config::{KeyPolicy, Settings},
    domain::{
        api_key::{Environment, KeyId, Keyring},
        audit::Author,
        key_record::{AllowedIps, KeyState, ManagedKey},
        ledger::{KeyFilter, Page, Reach, Refusal, Violation},
        metadata::Metadata,
        principal::{Owner, Scopes},
        text::{ChangeReason, KeyName},
    },
    http::{CreatedKey, Key, RotatedKey},
    store::Store,
    telemetry,
};
use time::OffsetDateTime;

/// Keys read from the database at a time.
const PAGE: u32 = 500;

#[derive(clap::Subcommand)]
pub(super) enum Keys {
    /// Make a key for somebody. Its text is printed once.
    #[command(after_help = "\
Examples:
  keyward keys create --subject billing --name 'invoice service' --scope keyward:verify
  keyward keys create --subject alice --issuer https://issuer.example --environment test --expires-in 90d
  keyward keys create --subject alice --json | jq -r .apiKey")]
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
    /// End a key, whoever owns it. Returns when no replica accepts it any more.
    #[command(after_help = "\
Examples:
  keyward keys revoke 0352mXAgJX8YoWA3E5sR9r
  keyward keys revoke 0352mXAgJX8YoWA3E5sR9r --reason 'found in a public repository'")]
    Revoke {
        /// The key's id.
        id: KeyId,
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
  keyward keys rotate 0352mXAgJX8YoWA3E5sR9r      # the old key stops now")]
    Rotate {
        /// The key's id.
        id: KeyId,
        /// For how long the old key goes on working.
        #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
        grace_period: Duration,
        /// Print JSON, as the API has it.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct Create {
    /// Whose key: the `sub` of the owner's tokens (or their organisation).
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    subject: String,
    /// The `iss` of the owner's tokens; jwt.issuer where it is not given.
    #[arg(long)]
    issuer: Option<String>,
    /// What to call it.
    #[arg(long)]
    name: Option<KeyName>,
    /// A right that it gets; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// live or test; keys.environment where it is not given.
    #[arg(long)]
    environment: Option<Environment>,
    /// How long it lives, such as 15m, 1h or 90d; for ever where it is not given.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
    /// An address or network that it may be used from; may be repeated.
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    allowed_ip: Vec<IpNet>,
    /// Notes, as a JSON object.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct List {
    /// Only keys of this subject (or organisation).
    #[arg(long)]
    subject: Option<String>,
    /// Of this issuer; jwt.issuer where it is not given.
    #[arg(long, requires = "subject")]
    issuer: Option<String>,
    /// Only keys that stand so: active, disabled, expired or revoked.
    #[arg(long, value_parser = state)]
    state: Option<KeyState>,
    /// Only keys of this environment.
    #[arg(long)]
    environment: Option<Environment>,
    /// Only keys with exactly this name.
    #[arg(long)]
    name: Option<KeyName>,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    limit: u32,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl Keys {
    pub(super) fn run(self, settings: &Settings) -> anyhow::Result<()> {
        telemetry::init(&settings.log()?)?;
        super::runtime()?.block_on(async {
            let store = Store::open(&settings.database()?).await?;
            let done = self.run_on(&store, settings).await;
            store.close().await;
            done
        })
    }

    async fn run_on(self, store: &Store, settings: &Settings) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(store, settings).await,
            Self::List(list) => list.run(store, settings).await,
            Self::Show { id, json } => show(store, id, json).await,
            Self::Revoke { id, reason, json } => revoke(store, id, reason, json).await,
            Self::Rotate { id, grace_period, json } => rotate(store, settings, id, grace_period, json).await,
        }
    }
}

impl Create {
    async fn run(self, store: &Store, settings: &Settings) -> anyhow::Result<()> {
        let now = now();
        let metadata = match &self.metadata {
            Some(json) => Metadata::new(serde_json::from_str(json).context("--metadata is not a JSON object")?)?,
            None => Metadata::default(),
        };
        let expiry = match self.expires_in {
            Some(span) => Expiry::At(now.checked_add(span.try_into()?).context("--expires-in is too far away")?),
            None => Expiry::Latest,
        };
        let order = Order {
            name: self.name,
            environment: self.environment,
            scopes: Scopes::parse(self.scope.iter().map(String::as_str))?,
            metadata,
            allowed_ips: AllowedIps::new(self.allowed_ip)?,
            expiry,
            ..Order::plain(owner(settings, self.issuer, self.subject)?)
        };
        let issuer = issuer(store, settings)?;
        let Issued::Now(new) = granted("a new key", issuer.issue(order, None, &operator(), now).await)? else {
            bail!("the key was made before");
        };
        if self.json {
            return print_json(&CreatedKey::new(*new));
        }
        println!("{}", new.text.expose());
        eprintln!("This is the whole key, and the only time that it is shown. Its id is {}.", new.key.record.id);
        Ok(())
    }
}

impl List {
    async fn run(self, store: &Store, settings: &Settings) -> anyhow::Result<()> {
        let now = now();
        let filter = KeyFilter {
            owner: self.subject.map(|subject| owner(settings, self.issuer, subject)).transpose()?,
            state: self.state,
            environment: self.environment,
            name: self.name,
            ..KeyFilter::default()
        };
        let ledger = store.ledger();
        let mut keys: Vec<ManagedKey> = Vec::new();
        loop {
            let left = self.limit.saturating_sub(u32::try_from(keys.len())?);
            let page = Page { before: keys.last().map(|key| key.record.id.as_uuid()), limit: left.min(PAGE) };
            let more = ledger.list(&filter, page, now).await?;
            let complete = more.len() < page.limit as usize || page.limit == 0;
            keys.extend(more);
            if complete {
                break;
            }
        }
        if self.json {
            return print_json(&keys.iter().map(|key| Key::new(key, now)).collect::<Vec<_>>());
        }
        print!("{}", table::of_keys(&keys, now));
        Ok(())
    }
}

async fn show(store: &Store, id: KeyId, json: bool) -> anyhow::Result<()> {
    let now = now();
    let Some(key) = store.ledger().show(id, &Reach::Any).await? else { bail!("there is no key {id}") };
    if json {
        return print_json(&Key::new(&key, now));
    }
    print!("{}", table::of_key(&key, now));
    Ok(())
}

async fn revoke(store: &Store, id: KeyId, reason: Option<ChangeReason>, json: bool) -> anyhow::Result<()> {
    let now = now();
    let revoked = lifecycle(store, KeyPolicy::default()).revoke(id, reason, operator(), now).await;
    let revoked = granted(id, revoked).context("the key may not be revoked")?;
    wait_for_leases(store).await;
    if json {
        return print_json(&Key::new(&revoked.key, now));
    }
    println!("Revoked {id}: no replica accepts it any more.");
    Ok(())
}

async fn rotate(
    store: &Store,
    settings: &Settings,
    id: KeyId,
    grace_period: Duration,
    json: bool,
) -> anyhow::Result<()> {
    let now = now();
    let rotation = Rotation { id, grace_period, expiry: None };
    let rotated = Arc::new(issuer(store, settings)?).rotate(rotation, operator(), now).await;
    let rotated = granted(id, rotated)?;
    // First the secret: should the wait be cut short, it must not be lost.
    if json {
        print_json(&RotatedKey::new(rotated, now))?;
    } else {
        println!("{}", rotated.new.text.expose());
        let old = rotated.old.record.expires_at.map_or("now".to_owned(), |end| format!("at {end}"));
        eprintln!("This is the successor {}, shown only now. {id} stops {old}.", rotated.new.key.record.id);
    }
    wait_for_leases(store).await;
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

/// This process hears no replica, so it waits until none can believe what was before the change.
/// Replicas that can be reached have applied it within milliseconds.
async fn wait_for_leases(store: &Store) {
    let longest_lease = store.announcements().longest_lease().await;
    if longest_lease.is_zero() {
        return;
    }
    eprintln!("Done. Waiting {longest_lease:?} until it is true for replicas that cannot be reached, too …");
    thread::sleep(longest_lease);
}

/// What was done to the key that `which` names.
fn granted<T>(which: impl std::fmt::Display, done: Done<T>) -> anyhow::Result<T> {
    done?.map_err(|refusal| match refusal {
        Refusal::NotFound => anyhow!("there is no key {which}"),
        Refusal::KeyRevoked => anyhow!("{which} was revoked, which is final"),
        Refusal::KeyExpired => anyhow!("{which} has expired"),
        Refusal::AlreadyRotated => anyhow!("{which} has a successor already"),
        Refusal::TooManyKeys(most) => anyhow!("the owner has {most} keys, the most that keys.max_per_owner allows"),
        Refusal::VersionMismatch | Refusal::OtherRequest => anyhow!("somebody else has changed {which}"),
        Refusal::Against(violations) => anyhow!("{}", violations.iter().map(violation).collect::<Vec<_>>().join("; ")),
    })
}

fn violation(violation: &Violation) -> String {
    match violation {
        Violation::NameRequired => "keys.require_name wants a name".to_owned(),
        Violation::LifetimeTooLong(longest) => {
            format!("keys.max_lifetime allows {} at most", humantime::format_duration(*longest))
        }
        Violation::ScopeNotHeld(scope) | Violation::ScopeNotForKeys(scope) => format!("only tokens may carry {scope}"),
        Violation::Metadata(error) => format!("the metadata: {error}"),
    }
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    // As exact as the database is.
    now.replace_nanosecond(now.microsecond() * 1000).unwrap_or(now)
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into()));
    network.ok_or_else(|| "an address or a network such as 192.0.2.0/24".to_owned())
}

fn state(text: &str) -> Result<KeyState, String> {
    let known = KeyState::ALL.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| "active, disabled, expired or revoked".to_owned())
}
