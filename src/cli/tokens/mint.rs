//! `keyward token mint`

use std::{path::PathBuf, time::Duration};

use keyward::{
    auth::jwt::{TokenMinter, TokenRequest},
    config::{Settings, Sources},
};
use time::OffsetDateTime;

use crate::cli::{
    dev,
    shared::{Misuse, WITH_DEV, output::print_line, values},
};

/// Sign a JWT with the configured secret and print it: for trying and for scripts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  keyward token mint --subject alice
  keyward token mint --dev --subject alice --scope orders:read --expires-in 15m
  TOKEN=$(keyward token mint --dev --subject alice)
  curl -X POST localhost:3000/v1/keys -H \"Authorization: Bearer $TOKEN\"")]
pub(in crate::cli) struct Mint {
    /// Whom the token is about: its `sub`.
    #[arg(long, value_parser = values::subject, allow_hyphen_values = true)]
    subject: String,
    /// The organisation that they belong to, where jwt.tenant_claim is set.
    #[arg(long, value_parser = values::subject, allow_hyphen_values = true)]
    tenant: Option<String>,
    /// A right that it grants; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// How long it lives, such as 15m, 1h or 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = values::lifetime)]
    expires_in: Duration,
    /// Sign with the secret of a running `keyward dev`.
    #[arg(long, help_heading = WITH_DEV)]
    dev: bool,
    /// The data directory of that `keyward dev`, where it is not the usual one.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, requires = "dev", help_heading = WITH_DEV)]
    data_dir: Option<PathBuf>,
}

impl Mint {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<()> {
        let Self { subject, tenant, scope, expires_in, dev, data_dir } = self;
        let settings = if dev { dev::settings(sources, &dev::data_dir(data_dir)?)?? } else { Settings::load(sources)? };
        let scopes = values::scopes(&scope)?;
        let jwt = dev::configured(dev, settings.jwt())?;
        if tenant.is_some() && jwt.tenant_claim.is_none() {
            let why = "--tenant has no meaning here: jwt.tenant_claim is not set, so no claim names an organisation";
            return Err(Misuse(why.to_owned()).into());
        }
        let request = TokenRequest { subject, tenant, scopes, lifetime: expires_in };
        let token = TokenMinter::new(&jwt).mint(&request, OffsetDateTime::now_utc())?;
        Ok(print_line(token.expose())?)
    }
}
