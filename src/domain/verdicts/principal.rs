//! The authenticated caller of a request.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::domain::{
    audit::Actor, coherence::RecordId, key_record::KeyRecord, limits::Allowance, owner::Owner, scope::Scopes,
};

/// The verified content of a token.
#[derive(Clone, Debug)]
pub struct TokenIdentity {
    /// The owner whose keys the bearer may manage.
    pub owner: Owner,
    /// The bearer: the token's `sub`.
    pub subject: Box<str>,
    /// The scopes of the token.
    pub scopes: Scopes,
    /// `iat`, if the token has one; in microseconds.
    pub issued_at: Option<OffsetDateTime>,
    /// `exp`.
    pub expires_at: OffsetDateTime,
    /// Whether the issuer's tokens list all scopes that their bearers have.
    pub scope_bearing: bool,
    /// The name of the owner's plan in the token, if it has one; cut, and empty if it is no text. Nobody has checked
    /// whether there is such a plan.
    pub plan: Option<Box<str>>,
    /// Whether the token states that its owner is disabled.
    pub disabled: bool,
    /// The record that revokes this token by its `jti`; `None` if it has none.
    pub record: Option<RecordId>,
}

impl TokenIdentity {
    /// The heap memory of this identity in bytes.
    pub fn bytes_besides(&self) -> usize {
        let scopes: usize = self.scopes.iter().map(|scope| scope.len() + size_of::<Box<str>>()).sum();
        let plan = self.plan.as_ref().map_or(0, |plan| plan.len());
        self.owner.issuer.len() + self.owner.subject.len() + self.subject.len() + scopes + plan
    }
}

/// The authenticated caller of a request. Only the checks in `auth` construct one, after they have verified the
/// credential; `tests/architecture.rs` enforces this.
#[derive(Clone, Debug)]
pub struct Principal(Credential);

#[derive(Clone, Debug)]
enum Credential {
    ApiKey(Arc<KeyRecord>, Allowance),
    Token(Arc<TokenIdentity>),
}

impl Principal {
    /// The caller with a key whose secret was verified, and whose use was charged on its limits. For `auth` only.
    pub(crate) fn proven_key(record: Arc<KeyRecord>, allowance: Allowance) -> Self {
        Self(Credential::ApiKey(record, allowance))
    }

    /// The bearer of a token whose signature and claims were verified. For `auth` only.
    pub(crate) fn proven_token(identity: Arc<TokenIdentity>) -> Self {
        Self(Credential::Token(identity))
    }

    /// The owner of the credential.
    pub fn owner(&self) -> &Owner {
        match &self.0 {
            Credential::ApiKey(record, _) => &record.owner,
            Credential::Token(identity) => &identity.owner,
        }
    }

    /// The scopes of the credential.
    pub fn scopes(&self) -> &Scopes {
        match &self.0 {
            Credential::ApiKey(record, _) => &record.scopes,
            Credential::Token(identity) => &identity.scopes,
        }
    }

    /// Whether the caller's keys are limited to the caller's scopes. Hidden from applications, as the three methods
    /// below, because they expose how rows and claims are stored.
    #[doc(hidden)]
    pub fn is_scope_bearing(&self) -> bool {
        match &self.0 {
            Credential::ApiKey(..) => false,
            Credential::Token(identity) => identity.scope_bearing,
        }
    }

    /// The record of the presented key; `None` for a token.
    #[doc(hidden)]
    pub fn key(&self) -> Option<&KeyRecord> {
        match &self.0 {
            Credential::ApiKey(record, _) => Some(record),
            Credential::Token(_) => None,
        }
    }

    /// The limits on which this request was charged, if there are any.
    #[doc(hidden)]
    pub fn limits(&self) -> Option<&Allowance> {
        match &self.0 {
            Credential::ApiKey(_, allowance) => Some(allowance).filter(|allowance| !allowance.is_unlimited()),
            Credential::Token(_) => None,
        }
    }

    /// The identity from the presented token; `None` for a key.
    #[doc(hidden)]
    pub fn token(&self) -> Option<&TokenIdentity> {
        match &self.0 {
            Credential::ApiKey(..) => None,
            Credential::Token(identity) => Some(identity),
        }
    }

    /// The caller as an actor of audit events.
    #[doc(hidden)]
    pub fn actor(&self) -> Actor {
        match &self.0 {
            Credential::ApiKey(record, _) => Actor::Key(record.id),
            Credential::Token(identity) => {
                Actor::Token { issuer: identity.owner.issuer.clone(), subject: identity.subject.clone() }
            }
        }
    }
}
