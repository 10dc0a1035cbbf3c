//! Who a request is from, and what they may do.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{audit::Actor, key_record::KeyRecord, owner::Owner, scope::Scopes};

/// What a verified token says of its bearer.
#[derive(Clone, Debug)]
pub struct TokenIdentity {
    /// Whose keys the bearer may manage.
    pub owner: Owner,
    /// The bearer: the token's `sub`.
    pub subject: Box<str>,
    /// What the token grants.
    pub scopes: Scopes,
    /// When its life began, where it says so; to the microsecond.
    pub issued_at: Option<OffsetDateTime>,
    /// When its life ends.
    pub expires_at: OffsetDateTime,
    /// Whether the issuer's tokens carry all scopes that their bearers have.
    pub scope_bearing: bool,
    /// Whether the token says that its owner is disabled.
    pub disabled: bool,
}

impl TokenIdentity {
    /// How many bytes it holds beside itself.
    pub fn bytes_besides(&self) -> usize {
        let scopes: usize = self.scopes.iter().map(|scope| scope.len() + size_of::<Box<str>>()).sum();
        self.owner.issuer.len() + self.owner.subject.len() + self.subject.len() + scopes
    }
}

/// Who a request is from. Only the checks in `auth` make one, after the credential was proven;
/// `tests/architecture.rs` holds them to it.
#[derive(Clone, Debug)]
pub struct Principal(Credential);

#[derive(Clone, Debug)]
enum Credential {
    ApiKey(Arc<KeyRecord>),
    Token(Arc<TokenIdentity>),
}

impl Principal {
    /// The owner of a key whose secret was proven. For `auth` only.
    pub(crate) fn proven_key(record: Arc<KeyRecord>) -> Self {
        Self(Credential::ApiKey(record))
    }

    /// The bearer of a token whose signature and claims were verified. For `auth` only.
    pub(crate) fn proven_token(identity: Arc<TokenIdentity>) -> Self {
        Self(Credential::Token(identity))
    }

    /// Who it is.
    pub fn owner(&self) -> &Owner {
        match &self.0 {
            Credential::ApiKey(record) => &record.owner,
            Credential::Token(identity) => &identity.owner,
        }
    }

    /// What they may do.
    pub fn scopes(&self) -> &Scopes {
        match &self.0 {
            Credential::ApiKey(record) => &record.scopes,
            Credential::Token(identity) => &identity.scopes,
        }
    }

    /// Whether what they may do is all that a key of theirs may do. Keyward's own, as the three below: applications would
    /// depend on how rows and claims are kept.
    #[doc(hidden)]
    pub fn is_scope_bearing(&self) -> bool {
        match &self.0 {
            Credential::ApiKey(_) => false,
            Credential::Token(identity) => identity.scope_bearing,
        }
    }

    /// What is known of the key that was presented; `None` when it was a token.
    #[doc(hidden)]
    pub fn key(&self) -> Option<&KeyRecord> {
        match &self.0 {
            Credential::ApiKey(record) => Some(record),
            Credential::Token(_) => None,
        }
    }

    /// What is known of the token that was presented; `None` when it was a key.
    #[doc(hidden)]
    pub fn token(&self) -> Option<&TokenIdentity> {
        match &self.0 {
            Credential::ApiKey(_) => None,
            Credential::Token(identity) => Some(identity),
        }
    }

    /// As whom they are remembered for what they do.
    #[doc(hidden)]
    pub fn actor(&self) -> Actor {
        match &self.0 {
            Credential::ApiKey(record) => Actor::Key(record.id),
            Credential::Token(identity) => {
                Actor::Token { issuer: identity.owner.issuer.clone(), subject: identity.subject.clone() }
            }
        }
    }
}
