//! `keyward keys`: what an operator does with keys, on the database directly.

use std::{thread, time::Duration};

use anyhow::{Context, bail};
use keyward::{
    config::Settings,
    domain::{api_key::KeyId, ports::Revoke},
    store::Store,
    telemetry,
};
use time::OffsetDateTime;

#[derive(clap::Subcommand)]
pub(super) enum Keys {
    /// End a key, whoever owns it. Returns when no replica accepts it any more.
    #[command(after_help = "\
Examples:
  keyward keys revoke 0352mXAgJX8YoWA3E5sR9r
  keyward keys revoke 0352mXAgJX8YoWA3E5sR9r --reason 'found in a public repository'")]
    Revoke {
        /// The key's id: the 22 characters after keyward_live_, as lists and logs show it.
        id: KeyId,
        /// Why, for the owner and for later.
        #[arg(long)]
        reason: Option<String>,
    },
}

impl Keys {
    pub(super) fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let Self::Revoke { id, reason } = self;
        telemetry::init(&settings.log()?)?;
        let database = settings.database()?;
        let revoke = Revoke { id, owner: None, reason, at: OffsetDateTime::now_utc() };
        let longest_lease = super::runtime()?.block_on(async {
            let store = Store::open(&database).await?;
            let revoked = store.keys().revoke(&revoke, &|_| ()).await.context("the key may not be revoked")?;
            if revoked.is_none() {
                bail!("there is no key {id}");
            }
            let longest_lease = store.announcements().longest_lease().await;
            store.close().await;
            Ok(longest_lease)
        })?;
        wait_for_leases(longest_lease);
        println!("Revoked {id}: no replica accepts it any more.");
        Ok(())
    }
}

/// This process hears no replica, so it waits until none can believe what was before the change.
/// Replicas that can be reached have applied it within milliseconds.
fn wait_for_leases(longest_lease: Duration) {
    if longest_lease.is_zero() {
        return;
    }
    eprintln!("Revoked. Waiting {longest_lease:?} until it is true for replicas that cannot be reached, too …");
    thread::sleep(longest_lease);
}
