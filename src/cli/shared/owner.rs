//! Options that name an owner.

use keyward::{config::Settings, domain::owner::Owner};

use super::values;

/// An owner as an option: by id, or by subject and issuer.
#[derive(clap::Args)]
pub(in crate::cli) struct OwnerOptions {
    /// Whose: the id of an owner, as `keyward owners list` shows it.
    #[arg(long, value_name = "ID", value_parser = values::owner, conflicts_with_all = ["subject", "issuer"])]
    owner: Option<Owner>,
    #[command(flatten)]
    name: OwnerName,
}

/// An owner as an argument: by id, or by subject and issuer.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("which").args(["id", "subject"]).required(true)))]
pub(in crate::cli) struct WhichOwner {
    /// The id of the owner, as `keyward owners list` shows it.
    #[arg(value_name = "ID", value_parser = values::owner, conflicts_with = "issuer")]
    id: Option<Owner>,
    #[command(flatten)]
    name: OwnerName,
}

#[derive(clap::Args)]
struct OwnerName {
    /// Whose: the `sub` of the owner's tokens (or their organisation).
    #[arg(long, value_parser = values::subject)]
    subject: Option<String>,
    /// The `iss` of the owner's tokens; jwt.issuer where it is not given.
    #[arg(long, requires = "subject", value_parser = values::issuer)]
    issuer: Option<String>,
}

impl OwnerOptions {
    /// An owner by subject and issuer, if a subject is given.
    pub(in crate::cli) fn named(subject: Option<String>, issuer: Option<String>) -> Self {
        Self { owner: None, name: OwnerName { subject, issuer } }
    }

    /// The owner, if one is given.
    pub(in crate::cli) fn read(self, settings: &Settings) -> anyhow::Result<Option<Owner>> {
        self.owner.map_or_else(|| self.name.read(settings), |owner| Ok(Some(owner)))
    }
}

impl WhichOwner {
    /// The owner, which must be given.
    pub(in crate::cli) fn read(self, settings: &Settings) -> anyhow::Result<Owner> {
        let owner = self.id.map_or_else(|| self.name.read(settings), |owner| Ok(Some(owner)))?;
        Ok(owner.expect("the group of arguments demands an owner"))
    }
}

impl OwnerName {
    fn read(self, settings: &Settings) -> anyhow::Result<Option<Owner>> {
        let Some(subject) = self.subject else { return Ok(None) };
        let issuer = match self.issuer {
            Some(issuer) => issuer,
            None => settings.jwt_issuer()?.unwrap_or_default(),
        };
        Ok(Some(Owner { issuer: issuer.into(), subject: subject.into() }))
    }
}
