//! The options for the content of a key, when it is created or changed.

use std::time::Duration;

use anyhow::Context;
use ipnet::IpNet;
use keyward::{
    auth::lifecycle::Expiry,
    domain::{
        key_record::AllowedIps,
        limits::{AskedCredits, AskedLimit, AskedLimits},
        metadata::InvalidMetadata,
        scope::Scopes,
        text::{KeyDescription, KeyName},
    },
};
use time::OffsetDateTime;

use crate::cli::shared::{Misuse, credits, limits, values};

#[derive(clap::Args)]
pub(super) struct Content {
    /// What to call it.
    #[arg(long)]
    pub(super) name: Option<KeyName>,
    /// What it is for.
    #[arg(long)]
    pub(super) description: Option<KeyDescription>,
    /// A right that it gets; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    pub(super) scope: Vec<String>,
    /// An address or network that it may be used from; may be repeated.
    #[arg(long, value_name = "NETWORK", value_parser = values::network)]
    pub(super) allowed_ip: Vec<IpNet>,
    /// A limit of use, such as minute=1000/1m; may be repeated.
    #[arg(long, value_name = "LIMIT", value_parser = limits::read)]
    pub(super) limit: Vec<AskedLimit>,
    /// Credits that requests spend, such as 10000,refill=10000/monthly,max=20000.
    #[arg(long, value_name = "CREDITS", value_parser = credits::read)]
    pub(super) credits: Option<AskedCredits>,
    /// Notes, as a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(super) metadata: Option<String>,
    /// Whether it works, once its time has come.
    #[arg(long, value_name = "BOOL")]
    pub(super) enabled: Option<bool>,
    #[command(flatten)]
    pub(super) expiry: ExpiryOptions,
}

#[derive(clap::Args)]
pub(super) struct ExpiryOptions {
    /// When its life ends, such as 2030-01-31T12:00:00Z.
    #[arg(long, value_name = "INSTANT", value_parser = values::instant, conflicts_with = "expires_in")]
    pub(super) expires_at: Option<OffsetDateTime>,
    /// How long it lives from now on, such as 15m, 1h or 90d.
    #[arg(long, value_name = "TIME", value_parser = values::lifetime)]
    pub(super) expires_in: Option<Duration>,
}

impl ExpiryOptions {
    /// The expiry, if one is given.
    pub(super) fn read(&self, now: OffsetDateTime) -> anyhow::Result<Option<Expiry>> {
        let (option, end) = match (self.expires_at, self.expires_in) {
            (Some(end), _) => ("--expires-at", end),
            (None, Some(span)) => {
                let end = span.try_into().ok().and_then(|span| now.checked_add(span));
                ("--expires-in", end.context("--expires-in is too far away")?)
            }
            (None, None) => return Ok(None),
        };
        if end <= now {
            let text = format!("{option} must be in the future; `keyward keys revoke` ends a key now");
            return Err(Misuse(text).into());
        }
        Ok(Some(Expiry::At(end)))
    }
}

impl Content {
    pub(super) fn scopes(&self) -> anyhow::Result<Scopes> {
        values::scopes(&self.scope)
    }

    pub(super) fn allowed_ips(&self) -> anyhow::Result<AllowedIps> {
        AllowedIps::new(self.allowed_ip.iter().copied())
            .map_err(|error| Misuse(format!("--allowed-ip: {error}")).into())
    }

    pub(super) fn limits(&self) -> anyhow::Result<AskedLimits> {
        limits::asked(&self.limit)
    }

    /// The metadata, or a patch for it, if given.
    pub(super) fn notes<T>(&self, read: fn(&str) -> Result<T, InvalidMetadata>) -> anyhow::Result<Option<T>> {
        let Some(json) = &self.metadata else { return Ok(None) };
        let read = read(json).map_err(|error| match error {
            InvalidMetadata::NotAnObject => Misuse("--metadata is not a JSON object".to_owned()),
            error => Misuse(format!("--metadata cannot be kept: {error}")),
        });
        Ok(Some(read?))
    }
}
