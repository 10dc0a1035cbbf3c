//! `keyward keys forget-pepper`

use anyhow::bail;

use crate::cli::shared::{Desk, output::print_line};

/// Start anew with another pepper, because that of the database's keys is lost.
///
/// Replicas refuse to start without the pepper that new keys are made with, and say its fingerprint. This
/// makes the database forget it. The next replica that starts notes its own. No key of the lost pepper works
/// again: end them with `keyward keys revoke-many`, so that lists don't show them as active.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward doctor                       # says the fingerprint
  keyward keys forget-pepper 3f1c07ab")]
pub(super) struct ForgetPepper {
    /// The fingerprint, so that no other pepper is meant.
    fingerprint: String,
}

impl ForgetPepper {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let Self { fingerprint } = self;
        if !desk.store.forget_pepper(&fingerprint).await? {
            bail!(
                "new keys in this database are not made with the pepper {fingerprint}; `keyward doctor` says with which"
            );
        }
        Ok(print_line("The pepper is forgotten. Start a replica with another one, which is noted then.")?)
    }
}
