//! `keyward keys rotate`

use std::time::Duration;

use anyhow::bail;
use keyward::{
    api::RotatedKey,
    auth::lifecycle::{Issued, Rotation},
    domain::{api_key::KeyId, precondition::Preconditions},
};

use super::content::ExpiryOptions;
use crate::cli::shared::{Desk, granted, now, operator, print_json, table};

/// Make a successor with the same rights, and end the old key after a while.
#[derive(clap::Args)]
#[command(after_help = "\
--expires-at and --expires-in are about the successor, which else lives as long as the old key was made to live.

Examples:
  keyward keys rotate 0352mXAgJX8YoWA3E5sR9r --grace-period 7d
  keyward keys rotate 0352mXAgJX8YoWA3E5sR9r --grace-period 0s  # ends now")]
pub(super) struct Rotate {
    /// The key's id.
    id: KeyId,
    /// For how long the old key goes on working; keys.rotation_grace where it is not given, 0s: not at all.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    grace_period: Option<Duration>,
    #[command(flatten)]
    expiry: ExpiryOptions,
    /// Print JSON, as the API has it.
    #[arg(long)]
    json: bool,
}

impl Rotate {
    pub(super) async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let (id, now) = (self.id, now());
        let rotation = Rotation {
            id,
            grace_period: self.grace_period,
            expiry: self.expiry.read(now)?,
            preconditions: Preconditions::default(),
            request: None,
        };
        let rotated = granted(id, desk.issuer()?.rotate(rotation, operator(), now).await)?;
        let end = rotated.old.record.expires_at.filter(|_| rotated.old.record.revoked_at.is_none());
        // The secret comes first, so that it is not lost if the wait is interrupted.
        if self.json {
            print_json(&RotatedKey::new(rotated, &desk.settings.key_prefix()?, now))?;
        } else {
            // Without an `Idempotency-Key`, a key is always created.
            let Issued::Now(new) = &rotated.new else { bail!("{id} was rotated before") };
            println!("{}", new.text.expose());
            let end = end.map_or("now".to_owned(), |end| format!("at {}", table::minute(Some(end))));
            eprintln!("This is the successor {}, shown only now. {id} stops {end}.", new.key.record.id);
        }
        // If the old key ends later, all replicas will have applied the change by then.
        let lease = desk.longest_lease().await;
        if end.is_none_or(|end| end < now + lease) {
            desk.wait_for_everybody().await;
        }
        Ok(())
    }
}
