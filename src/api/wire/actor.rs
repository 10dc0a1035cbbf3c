//! Who caused an event, in responses and queries.

use serde::Serialize;
use utoipa::ToSchema;

use super::owner_id;
use crate::domain::audit::Actor;

/// The command line, which has no identity.
const COMMAND_LINE: &str = "command_line";

/// Who caused an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Actor)]
pub(crate) struct ActorView {
    /// `token`, `key` or `command_line`.
    #[schema(example = "token")]
    pub(crate) kind: &'static str,
    /// The `iss` of the token.
    #[schema(required)]
    pub(crate) issuer: Option<String>,
    /// The `sub` of the token.
    #[schema(required)]
    pub(crate) subject: Option<String>,
    /// The id of the key that was the credential.
    #[schema(required, pattern = "^[0-9A-Za-z]{22}$")]
    pub(crate) key_id: Option<String>,
}

impl From<Actor> for ActorView {
    fn from(actor: Actor) -> Self {
        let by = |kind| Self { kind, issuer: None, subject: None, key_id: None };
        match actor {
            Actor::Token { issuer, subject } => {
                Self { issuer: Some(issuer.into()), subject: Some(subject.into()), ..by("token") }
            }
            Actor::Key(id) => Self { key_id: Some(id.to_string()), ..by("key") },
            Actor::CommandLine => by(COMMAND_LINE),
        }
    }
}

/// Parses an actor: the id of an owner as shown in responses, which stands for the issuer and subject of a token; the
/// id of a key; or the command line.
///
/// # Errors
/// The accepted forms, if the word has none of them.
pub fn read(word: &str) -> Result<Actor, String> {
    if word == COMMAND_LINE {
        return Ok(Actor::CommandLine);
    }
    let owner = || owner_id::read(word).map(|by| Actor::Token { issuer: by.issuer, subject: by.subject });
    word.parse().map(Actor::Key).ok().or_else(owner).ok_or_else(|| {
        "the id of an owner, which stands for the issuer and the subject of a token, the id of a key, or command_line"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use crate::domain::owner::Owner;

    use super::*;

    #[test]
    fn a_word_means_one_actor() {
        let owner = Owner { issuer: "https://issuer.example".into(), subject: "alice".into() };
        let by_token = Actor::Token { issuer: owner.issuer.clone(), subject: owner.subject.clone() };
        assert_eq!(read(&owner_id::write(&owner)), Ok(by_token));
        assert!(matches!(read("0352mXAgJX8YoWA3E5sR9r"), Ok(Actor::Key(_))));
        assert_eq!(read("command_line"), Ok(Actor::CommandLine));
        assert!(read("alice").is_err());
    }
}

/// Who disabled a key, or set a limit, for the schema.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used; a unit test compares it with the domain's")]
pub(crate) enum Switcher {
    Owner,
    Administrator,
}
