//! What a rule wants to be shown.

use crate::domain::{api_key::Environment, denial::Denial, principal::Principal, scope::Scopes};

/// What a client must show to be let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Nothing. A credential that is shown nevertheless must be good, and is told on.
    pub anonymous: bool,
    /// An API key will do.
    pub api_key: bool,
    /// A JWT will do.
    pub token: bool,
    /// Scopes that it must carry.
    pub scopes_all: Scopes,
    /// Scopes of which it must carry one; nothing where there are none.
    pub scopes_any: Scopes,
    /// The world that an API key must be of. JWTs are of none.
    pub environment: Option<Environment>,
}

impl Default for Demand {
    /// Any good credential.
    fn default() -> Self {
        Self {
            anonymous: false,
            api_key: true,
            token: true,
            scopes_all: Scopes::default(),
            scopes_any: Scopes::default(),
            environment: None,
        }
    }
}

/// What a client has shown, and was proven.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The world of the API key; `None` for a JWT.
    pub key_of: Option<Environment>,
    /// What it grants.
    pub scopes: &'a Scopes,
}

impl<'a> From<&'a Principal> for Shown<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self { key_of: principal.key().map(|key| key.environment), scopes: principal.scopes() }
    }
}

impl Demand {
    /// Every scope that it speaks of.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes_all.iter().chain(self.scopes_any.iter())
    }

    /// Why what was shown is not enough, if it is not.
    pub fn refusal(&self, shown: Shown<'_>) -> Option<Denial> {
        let kind_will_do = if shown.key_of.is_some() { self.api_key } else { self.token };
        if !kind_will_do {
            return Some(Denial::OtherKind);
        }
        if shown.key_of.zip(self.environment).is_some_and(|(own, demanded)| own != demanded) {
            return Some(Denial::OtherEnvironment);
        }
        let any = self.scopes_any.is_empty() || self.scopes_any.iter().any(|scope| shown.scopes.contains(scope));
        let all = self.scopes_all.beyond(shown.scopes).next().is_none();
        (!any || !all).then_some(Denial::Scopes)
    }
}
