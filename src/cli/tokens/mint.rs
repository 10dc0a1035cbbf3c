//! `keyward token mint`

use std::{path::PathBuf, time::Duration};

use keyward::{
    auth::jwt::{TokenMinter, TokenRequest},
    config::{Settings, Sources},
    domain::scope::Scopes,
};
use time::OffsetDateTime;

use crate::cli::dev;

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
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    subject: String,
    /// The organisation that they belong to, where jwt.tenant_claim is set.
    #[arg(long)]
    tenant: Option<String>,
    /// A right that it grants; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// How long it lives, such as 15m, 1h or 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    expires_in: Duration,
    /// Sign with the secret of `keyward dev`.
    #[arg(long)]
    dev: bool,
    /// The data directory of that `keyward dev`, where it is not the usual one.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, requires = "dev")]
    data_dir: Option<PathBuf>,
}

impl Mint {
    pub(super) fn run(self, mut sources: Sources) -> anyhow::Result<()> {
        let Self { subject, tenant, scope, expires_in, dev, data_dir } = self;
        if dev {
            sources.base = dev::secrets(&dev::data_dir(data_dir)?)?;
        }
        let scopes = Scopes::parse(scope.iter().map(String::as_str))?;
        let jwt = dev::configured(dev, Settings::load(sources)?.jwt())?;
        let request = TokenRequest { subject, tenant, scopes, lifetime: expires_in };
        let token = TokenMinter::new(&jwt).mint(&request, OffsetDateTime::now_utc())?;
        println!("{}", token.expose());
        Ok(())
    }
}
