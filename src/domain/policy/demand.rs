//! The credential that a rule demands.

use crate::domain::{
    api_key::Environment, denial::Denial, key_record::KeyRecord, limits::LimitName, principal::Principal,
    scope::Scopes, usage::UsageTag,
};

/// What a client must present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Nothing. If a credential is presented nevertheless, it must be valid, and the client's identity is forwarded.
    pub anonymous: bool,
    /// Whether an API key is accepted.
    pub api_key: bool,
    /// Whether a JWT is accepted.
    pub token: bool,
    /// Scopes that are all required.
    pub scopes_all: Scopes,
    /// Scopes of which one is required; none if the list is empty.
    pub scopes_any: Scopes,
    /// The required environment of an API key. Does not apply to JWTs.
    pub environment: Option<Environment>,
    /// What a request uses of each limit that applies, in place of the limit's own cost.
    pub cost: Option<u64>,
    /// The names of the limits that apply; all, if there are none.
    pub limits: Box<[LimitName]>,
    /// What a use is called in reports.
    pub tag: Option<NamedTag>,
}

/// A declared tag, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTag {
    /// The name.
    pub name: Box<str>,
    /// The tag.
    pub tag: UsageTag,
}

impl Default for Demand {
    /// Any valid credential.
    fn default() -> Self {
        Self {
            anonymous: false,
            api_key: true,
            token: true,
            scopes_all: Scopes::default(),
            scopes_any: Scopes::default(),
            environment: None,
            cost: None,
            limits: Box::default(),
            tag: None,
        }
    }
}

/// The verified credential of a client.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The environment of the API key; `None` for a JWT.
    pub key_of: Option<Environment>,
    /// The scopes of the credential.
    pub scopes: &'a Scopes,
}

impl<'a> From<&'a Principal> for Shown<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self { key_of: principal.key().map(|key| key.environment), scopes: principal.scopes() }
    }
}

impl<'a> From<&'a KeyRecord> for Shown<'a> {
    fn from(record: &'a KeyRecord) -> Self {
        Self { key_of: Some(record.environment), scopes: &record.scopes }
    }
}

impl Demand {
    /// Why this credential does not satisfy the demand; `None` if it does.
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
