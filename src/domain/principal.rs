//! Who a request is from, and what they may do.

use std::{fmt, str::FromStr, sync::Arc};

use time::OffsetDateTime;

use super::{audit::Actor, key_record::KeyRecord};

/// The longest scope that we take, in bytes.
pub const SCOPE_MAX_BYTES: usize = 128;
/// The longest issuer and the longest subject that we take, in bytes: an index entry holds both.
pub const IDENTIFIER_MAX_BYTES: usize = 1024;
/// The most scopes that one credential may carry.
pub const SCOPES_MAX: usize = 100;

/// May see and change every owner's keys. Only a token can carry it.
pub const ADMIN_SCOPE: &str = "keyward:admin";
/// May ask whether a key is good. For services; a token or a key carries it.
pub const VERIFY_SCOPE: &str = "keyward:verify";
/// Scopes that begin so are rights on Keyward itself, which nobody passes on without having them.
const RESERVED: &str = "keyward:";

/// Who owns keys: a subject, as named by an issuer (RFC 7519 §4.1.1, §4.1.2). Neither alone is an identity.
/// Where keys belong to organisations (`jwt.tenant_claim`), the organisation stands for the subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The `iss` of the owner's tokens; empty when the configured issuer sends none.
    pub issuer: Box<str>,
    /// The `sub` of the owner's tokens, or the organisation that they name.
    pub subject: Box<str>,
}

/// What the subject of an [`Owner`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// A person, or whatever else bears tokens.
    Person,
    /// An organisation, whose members bear tokens.
    Organisation,
    /// One or the other: the issuer isn't configured any more.
    Unknown,
}

/// One right, in the grammar of RFC 6749 §3.3: printable ASCII without space, `"` and `\`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Box<str>);

/// The text is not a scope of RFC 6749 §3.3, or it is too long.
#[derive(Debug, thiserror::Error)]
#[error("a scope is 1 to {SCOPE_MAX_BYTES} printable ASCII characters without space, '\"' and '\\'")]
pub struct InvalidScope;

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if is_scope(text) { Ok(Self(text.into())) } else { Err(InvalidScope) }
    }
}

impl Scope {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether `text` is one. `const`, so that [`scope!`](crate::scope) can tell while it is compiled.
pub(super) const fn is_scope(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if !matches!(bytes[index], 0x21 | 0x23..=0x5B | 0x5D..=0x7E) {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty() && bytes.len() <= SCOPE_MAX_BYTES
}

/// A set of scopes, sorted and without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Box<[Scope]>);

/// A list of scopes could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum InvalidScopes {
    /// One of them is malformed.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
    /// There are too many.
    #[error("at most {SCOPES_MAX} scopes")]
    TooMany,
}

impl Scopes {
    /// Reads one scope from each item.
    ///
    /// # Errors
    /// [`InvalidScopes`] when one is malformed or there are more than 100.
    pub fn parse<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScopes> {
        let mut items: Vec<&str> = items.into_iter().collect();
        items.sort_unstable();
        items.dedup();
        // Exactly as much room as they take: memory keeps many of these.
        let mut scopes = Vec::with_capacity(items.len());
        for item in items {
            scopes.push(item.parse()?);
        }
        if scopes.len() > SCOPES_MAX { Err(InvalidScopes::TooMany) } else { Ok(Self(scopes.into())) }
    }

    /// Whether `scope` is among them.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.binary_search_by(|own| (*own.0).cmp(scope)).is_ok()
    }

    /// Those that are not in `others`.
    pub fn beyond<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = &'a str> {
        self.iter().filter(|scope| !others.contains(scope))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|scope| &*scope.0)
    }
}

impl fmt::Display for Scopes {
    /// As RFC 6749 §3.3 writes them: with spaces between.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.iter().enumerate() {
            let space = if position == 0 { "" } else { " " };
            write!(formatter, "{space}{scope}")?;
        }
        Ok(())
    }
}

/// Whether a scope is a right on Keyward itself.
pub fn is_reserved(scope: &str) -> bool {
    scope.starts_with(RESERVED)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_follows_the_grammar_of_rfc_6749_section_3_3() {
        for good in ["a", "orders:read", "https://example.com/x", "!", "~"] {
            assert!(good.parse::<Scope>().is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\"b", "a\\b", "é", "a\0", &"x".repeat(129)] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes_are_a_set_with_a_limit() {
        let scopes = Scopes::parse(["b", "a", "b"]).expect("two scopes");
        assert_eq!(scopes.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(scopes.contains("a") && !scopes.contains("ab"));
        assert_eq!(scopes.beyond(&Scopes::parse(["a"]).expect("one")).collect::<Vec<_>>(), ["b"]);
        let many: Vec<String> = (0..101).map(|number| format!("s{number}")).collect();
        assert!(matches!(Scopes::parse(many.iter().map(String::as_str)), Err(InvalidScopes::TooMany)));
    }
}
