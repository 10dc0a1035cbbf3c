//! Options that name an owner.

use keyward::{
    config::Settings,
    domain::{credential_in_text::has_credential_form_in, escape::escaped, owner::Owner},
};

use super::{Desk, Misuse, now, output::tell_line, values};

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
    #[arg(long, value_parser = values::subject, allow_hyphen_values = true)]
    subject: Option<String>,
    /// The `iss` of the owner's tokens; jwt.issuer where it is not given.
    #[arg(long, requires = "subject", value_parser = values::issuer, allow_hyphen_values = true)]
    issuer: Option<String>,
}

impl OwnerOptions {
    /// An owner by subject and issuer, if a subject is given.
    pub(in crate::cli) fn named(subject: Option<String>, issuer: Option<String>) -> Self {
        Self { owner: None, name: OwnerName { subject, issuer } }
    }

    /// The owner, if one is given, to look for what belongs to them.
    pub(in crate::cli) fn read(self, settings: &Settings) -> anyhow::Result<Option<Owner>> {
        self.owner.map_or_else(|| self.name.read(settings), |owner| Ok(Some(owner)))
    }

    /// The owner, if one is given, to give them something, under names that are kept.
    pub(in crate::cli) async fn read_to_change(self, desk: &Desk) -> anyhow::Result<Option<Owner>> {
        match self.read(&desk.settings)? {
            Some(owner) => Ok(Some(without_new_credential(owner, desk).await?)),
            None => Ok(None),
        }
    }
}

impl WhichOwner {
    /// The same, to change something, under names that are kept.
    pub(in crate::cli) async fn read_to_change(self, desk: &Desk) -> anyhow::Result<Owner> {
        without_new_credential(self.read(&desk.settings)?, desk).await
    }

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

/// Says if an owner has no keys, who may be misspelt. Something can be decided of them nevertheless, beforehand or for
/// their tokens.
pub(in crate::cli) async fn tell_if_without_keys(owner: &Owner, desk: &Desk) -> anyhow::Result<()> {
    let keys = desk.ledger().owner(owner, now()).await?.map(|standing| standing.keys).unwrap_or_default();
    if keys.active + keys.disabled + keys.expired + keys.revoked == 0 {
        let Owner { subject, issuer } = owner;
        tell_line(escaped(&format!(
            "The owner {subject:?} of the issuer {issuer:?} has no keys: is the subject right, and the issuer?"
        )));
    }
    Ok(())
}

/// Refuses an owner of whom nothing is known, and in whose names a credential stands, by its form: an id hides them in
/// base64, and they would be kept, for everybody who reads the database or the audit. Whoever is known by such names
/// already can be stopped.
async fn without_new_credential(owner: Owner, desk: &Desk) -> anyhow::Result<Owner> {
    let carries_one = has_credential_form_in(&owner.issuer) || has_credential_form_in(&owner.subject);
    if carries_one && desk.ledger().owner(&owner, now()).await?.is_none() {
        let why = "the id of the owner carries the text of a key or a whole token, which would be kept readable: give \
                   the `sub` of the owner's tokens, with --subject. If it is a key that others may have seen, rotate it";
        return Err(Misuse(why.to_owned()).into());
    }
    Ok(owner)
}
