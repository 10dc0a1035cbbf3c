//! Commands that work directly on the database, with its permissions and without a replica.

use std::{path::PathBuf, sync::Arc};

use keyward::{
    auth::{
        keys::hasher::Hasher,
        lifecycle::{Caller, ClaimsFollowed, HeldKeys, KeyIssuer, Lifecycle, OwnersStopped},
    },
    config::{KeyPolicy, Keys, OtherDatabase, Problems, Settings, Sources},
    domain::{
        api_key::{Keyring, Pepper, PepperFingerprint},
        audit::Author,
        escape::escaped,
        ledger::Reach,
        ports::{keys::KeyStore, ledger::KeyLedger, plans::PlanStore},
    },
    store::Store,
    telemetry::log,
};

use super::{Misuse, WITH_DEV, leases, output::tell_line};
use crate::cli::{dev, runtime};

/// Which database.
#[derive(Default, clap::Args)]
pub(in crate::cli) struct DatabaseOptions {
    /// Work on the database of a running `keyward dev`, with its secrets.
    #[arg(long, global = true, help_heading = WITH_DEV)]
    dev: bool,
    /// The data directory of that `keyward dev`, where it is not the usual one.
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath, help_heading = WITH_DEV)]
    data_dir: Option<PathBuf>,
}

/// The context of a command.
pub(in crate::cli) struct Desk {
    pub(in crate::cli) settings: Settings,
    pub(in crate::cli) store: Arc<Store>,
    /// Whether this is the database of a `keyward dev`.
    dev: bool,
}

impl DatabaseOptions {
    /// The settings, or what is wrong with the file: those of a `keyward dev`, if that is meant.
    pub(in crate::cli) fn load(self, sources: Sources) -> anyhow::Result<Result<Settings, Problems>> {
        if !self.dev {
            if self.data_dir.is_some() {
                return Err(Misuse("--data-dir names the data of a `keyward dev`: add --dev".to_owned()).into());
            }
            return Ok(load(sources));
        }
        dev::settings(sources, &dev::data_dir(self.data_dir)?)
    }

    /// Runs a command on the database.
    pub(in crate::cli) fn work<T>(
        self,
        sources: Sources,
        work: impl AsyncFnOnce(&Desk) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let dev = self.dev;
        let settings = self.load(sources)??;
        log::init(&settings.log()?, None)?;
        runtime()?.block_on(async {
            let database = dev::configured(dev, settings.database())?;
            let store = Store::open(&database).await?;
            let desk = Desk { settings, store, dev };
            let done = work(&desk).await;
            desk.store.close().await;
            done
        })
    }
}

impl Desk {
    /// A validated section of the settings.
    pub(in crate::cli) fn configured<T>(&self, setting: Result<T, keyward::config::Problems>) -> anyhow::Result<T> {
        dev::configured(self.dev, setting)
    }

    /// Whether this is the database of a `keyward dev`.
    pub(in crate::cli) fn is_dev(&self) -> bool {
        self.dev
    }

    /// Creates keys. Requires the peppers, which must be those of the keys that there are.
    pub(in crate::cli) async fn issuer(&self) -> anyhow::Result<Arc<KeyIssuer>> {
        let keys = self.settings.keys()?;
        let peppers = fingerprints(&keys);
        self.store.claim_pepper(&peppers).await?.demand(&peppers)?;
        Ok(Arc::new(KeyIssuer {
            lifecycle: self.lifecycle(keys.policy),
            keyring: Arc::new(Keyring::new(keys.prefix, &keys.peppers)?),
            hasher: Arc::new(Hasher::new(&self.settings.hashing()?)?),
            environment: keys.environment,
        }))
    }

    /// Requires that these settings have the pepper of the keys that there are: all others would look forged.
    pub(in crate::cli) async fn demand_pepper(&self, keys: &Keys) -> anyhow::Result<()> {
        let peppers = fingerprints(keys);
        Ok(self.store.fits_peppers(&peppers).await?.demand(&peppers)?)
    }

    /// Reads the keys, for checks.
    pub(in crate::cli) fn keys(&self) -> Arc<dyn KeyStore> {
        self.store.clone()
    }

    /// Reads keys, owners and the audit.
    pub(in crate::cli) fn ledger(&self) -> &dyn KeyLedger {
        &*self.store
    }

    /// Reads plans.
    pub(in crate::cli) fn plans(&self) -> &dyn PlanStore {
        &*self.store
    }

    /// Changes and revokes keys. This process is not a replica, so it waits for leases instead of acknowledgements.
    pub(in crate::cli) fn lifecycle(&self, policy: KeyPolicy) -> Arc<Lifecycle> {
        Arc::new(Lifecycle {
            ledger: self.store.clone(),
            plans: self.store.clone(),
            policy,
            link: None,
            runtime: tokio::runtime::Handle::current(),
            stopped: OwnersStopped::default(),
            followed: ClaimsFollowed::default(),
            held: HeldKeys::default(),
        })
    }

    /// How long an unreachable replica may use data from before a committed change.
    pub(in crate::cli) async fn longest_lease(&self) -> std::time::Duration {
        self.store.longest_lease().await
    }

    /// Waits until every replica applies a committed change.
    pub(in crate::cli) async fn wait_for_everybody(&self) {
        leases::wait(self.longest_lease().await).await;
    }
}

/// Reads all sources, and says on standard error which database is not used that somebody may mean.
pub(in crate::cli) fn load(sources: Sources) -> Result<Settings, Problems> {
    let settings = Settings::load(sources)?;
    if let Some(OtherDatabase { used, unused }) = settings.other_database() {
        tell_line(escaped(&format!("Two databases are named: {used} is used, and {unused} is not.")));
    }
    Ok(settings)
}

/// The peppers, as the database knows them.
pub(in crate::cli) fn fingerprints(keys: &Keys) -> Vec<PepperFingerprint> {
    keys.peppers.iter().map(Pepper::fingerprint).collect()
}

/// Whoever has access to the database may grant any scope.
pub(in crate::cli) fn operator() -> Caller {
    Caller { reach: Reach::Any, scopes: None, scope_bearing: false, unknown_plan: None, author: Author::command_line() }
}
