//! `keyward keys rotate`

use std::time::Duration;

use anyhow::bail;
use keyward::{
    api::RotatedKey,
    auth::lifecycle::{Issued, Rotation},
    domain::{api_key::KeyId, precondition::Preconditions},
};

use super::{content::ExpiryOptions, printed_once};
use crate::cli::shared::{
    Desk, granted, now, operator,
    output::{print_line, tell_line},
    print_json, table, values,
};

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
    /// For how long the old key goes on working, keys.max_rotation_grace at most; keys.rotation_grace where it is not
    /// given, 0s: not at all.
    #[arg(long, value_name = "TIME", value_parser = values::grace)]
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
        let rotated = granted(id, desk.issuer().await?.rotate(rotation, operator(), now).await)?;
        let end = rotated.old.record.expires_at.filter(|_| rotated.old.record.revoked_at.is_none());
        // The secret comes first, so that it is not lost if the wait is interrupted.
        // Without an `Idempotency-Key`, a key is always made now.
        let Issued::Now(new) = &rotated.new else { bail!("{id} was rotated before") };
        let successor = new.key.record.id;
        let printed = if self.json {
            let prefix = desk.settings.key_prefix()?;
            print_json(&RotatedKey::new(rotated, &prefix, now))
        } else {
            print_line(new.text.expose()).map_err(Into::into)
        };
        let printed = printed_once(successor, printed);
        if printed.is_ok() && !self.json {
            let end = end.map_or("now".to_owned(), |end| format!("at {}", table::minute(Some(end))));
            tell_line(format_args!("This is the successor {successor}, shown only now. {id} stops {end}."));
        }
        // If the old key ends later, all replicas will have applied the change by then.
        let lease = desk.longest_lease().await;
        if end.is_none_or(|end| end < now + lease) {
            desk.wait_for_everybody().await;
        }
        printed
    }
}
