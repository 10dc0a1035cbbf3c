//! The scopes of a credential.
//!
//! - `catalogue`: those that the operator describes
//! - `required`: those that a request needs

pub mod catalogue;
pub mod required;

use std::{fmt, str::FromStr};

/// The maximum length of a scope, in bytes.
pub const SCOPE_MAX_BYTES: usize = 128;
/// The maximum number of scopes of a credential.
pub const SCOPES_MAX: usize = 100;

/// The right to see and change every owner's keys. Only tokens can have it.
pub const ADMIN_SCOPE: &str = "keyward:admin";
/// The right to check whether keys are valid, for services. Tokens and keys can have it.
pub const VERIFY_SCOPE: &str = "keyward:verify";
/// The right to hand people over to the console, for the services of a product. Tokens and keys can have it.
pub const CONSOLE_SCOPE: &str = "keyward:console";
/// All rights on Keyward itself that there are.
pub const KEYWARD_SCOPES: [&str; 3] = [ADMIN_SCOPE, VERIFY_SCOPE, CONSOLE_SCOPE];
/// The prefix of scopes that are rights on Keyward itself. Nobody can grant one without having it.
const RESERVED: &str = "keyward:";

/// A scope (RFC 6749 §3.3): printable ASCII without space, `"` and `\`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Box<str>);

/// The text is not a scope (RFC 6749 §3.3), or it is too long.
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
    /// The text of the scope.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether `text` is a scope. `const`, so that [`scope!`](crate::scope) can check it at compile time.
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

/// A set of scopes, sorted and without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Box<[Scope]>);

/// The list of scopes is invalid.
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
    /// Parses one scope from each item.
    ///
    /// # Errors
    /// [`InvalidScopes`] if one is malformed or there are more than 100.
    pub fn parse<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScopes> {
        let mut items: Vec<&str> = items.into_iter().collect();
        items.sort_unstable();
        items.dedup();
        // Exact capacity, because memory keeps many of these.
        let mut scopes = Vec::with_capacity(items.len());
        for item in items {
            scopes.push(item.parse()?);
        }
        if scopes.len() > SCOPES_MAX { Err(InvalidScopes::TooMany) } else { Ok(Self(scopes.into())) }
    }

    /// Whether the set contains `scope`.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.binary_search_by(|own| (*own.0).cmp(scope)).is_ok()
    }

    /// The scopes that are not in `others`.
    pub fn beyond<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = &'a str> {
        self.iter().filter(|scope| !others.contains(scope))
    }

    /// The number of scopes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|scope| &*scope.0)
    }
}

impl fmt::Display for Scopes {
    /// Separated by spaces, as in RFC 6749 §3.3.
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
