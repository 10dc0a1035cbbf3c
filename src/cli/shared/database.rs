//! Commands that work on the database directly, with its rights and without any replica.

use std::{path::PathBuf, sync::Arc};

use keyward::{
    auth::{
        keys::hasher::Hasher,
        lifecycle::{Editor, Issuer, Lifecycle, OwnersStopped},
    },
    config::{KeyPolicy, Settings, Sources},
    domain::{api_key::Keyring, audit::Author, ledger::Reach},
    store::Store,
    telemetry::log,
};

use super::leases;
use crate::cli::{dev, runtime};

/// Which database.
#[derive(Default, clap::Args)]
pub(in crate::cli) struct DatabaseOptions {
    /// Work on the database of a running `keyward dev`.
    #[arg(long, global = true)]
    dev: bool,
    /// The data directory of that `keyward dev`, where it is not the usual one.
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    data_dir: Option<PathBuf>,
}

/// What a command works with.
pub(in crate::cli) struct Desk {
    pub(in crate::cli) settings: Settings,
    pub(in crate::cli) store: Store,
    /// Whether it is the database of a `keyward dev`.
    dev: bool,
}

impl DatabaseOptions {
    /// Does the work of a command.
    pub(in crate::cli) fn work<T>(
        self,
        mut sources: Sources,
        work: impl AsyncFnOnce(&Desk) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if self.dev {
            let data_dir = dev::data_dir(self.data_dir)?;
            let database = dev::database(&data_dir)?;
            sources.base = dev::secrets(&data_dir)?;
            sources.base.push(database);
        }
        let settings = Settings::load(sources)?;
        log::init(&settings.log()?)?;
        runtime()?.block_on(async {
            let database = dev::configured(self.dev, settings.database())?;
            let store = Store::open(&database).await?;
            let desk = Desk { settings, store, dev: self.dev };
            let done = work(&desk).await;
            desk.store.close().await;
            done
        })
    }
}

impl Desk {
    /// What a section of the settings says.
    pub(in crate::cli) fn configured<T>(&self, setting: Result<T, keyward::config::Problems>) -> anyhow::Result<T> {
        dev::configured(self.dev, setting)
    }

    /// Whether it is the database of a `keyward dev`.
    pub(in crate::cli) fn is_dev(&self) -> bool {
        self.dev
    }

    /// Makes keys. Needs the peppers.
    pub(in crate::cli) fn issuer(&self) -> anyhow::Result<Arc<Issuer>> {
        let keys = self.settings.keys()?;
        Ok(Arc::new(Issuer {
            lifecycle: self.lifecycle(keys.policy),
            keyring: Arc::new(Keyring::new(keys.prefix, &keys.peppers)?),
            hasher: Arc::new(Hasher::new(&self.settings.hashing()?)?),
            environment: keys.environment,
        }))
    }

    /// Changes and ends keys. This process is no replica: it hears nobody, and waits for leases instead.
    pub(in crate::cli) fn lifecycle(&self, policy: KeyPolicy) -> Arc<Lifecycle> {
        Arc::new(Lifecycle {
            ledger: self.store.ledger(),
            policy,
            link: None,
            runtime: tokio::runtime::Handle::current(),
            stopped: OwnersStopped::default(),
        })
    }

    /// For how long a replica that cannot be reached may believe what was before a change that is committed.
    pub(in crate::cli) async fn longest_lease(&self) -> std::time::Duration {
        self.store.longest_lease().await
    }

    /// Waits until a change that is committed is true on every replica.
    pub(in crate::cli) async fn wait_for_everybody(&self) {
        leases::wait(self.longest_lease().await).await;
    }
}

/// Whoever has the database may give any right.
pub(in crate::cli) fn operator() -> Editor {
    Editor { reach: Reach::Any, scopes: None, scope_bearing: false, author: Author::command_line() }
}
