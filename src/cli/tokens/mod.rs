//! `keyward token`, or `tokens`: tokens for trying and for scripts, and the end of tokens.

mod mint;
mod revoke;

use keyward::config::Sources;

#[derive(clap::Subcommand)]
pub(super) enum Tokens {
    Mint(mint::Mint),
    Revoke(revoke::Revoke),
}

impl Tokens {
    pub(super) fn run(self, sources: Sources) -> anyhow::Result<()> {
        match self {
            Self::Mint(mint) => mint.run(sources),
            Self::Revoke(revoke) => revoke.run(sources),
        }
    }
}
