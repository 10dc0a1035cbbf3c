//! What a credential may do.

pub mod required;

use std::{fmt, str::FromStr};

/// The longest scope that we take, in bytes.
pub const SCOPE_MAX_BYTES: usize = 128;
/// The most scopes that one credential may carry.
pub const SCOPES_MAX: usize = 100;

/// May see and change every owner's keys. Only a token can carry it.
pub const ADMIN_SCOPE: &str = "keyward:admin";
/// May ask whether a key is good. For services; a token or a key carries it.
pub const VERIFY_SCOPE: &str = "keyward:verify";
/// All rights on Keyward itself that there are.
pub const KEYWARD_SCOPES: [&str; 2] = [ADMIN_SCOPE, VERIFY_SCOPE];
/// Scopes that begin so are rights on Keyward itself, which nobody passes on without having them.
const RESERVED: &str = "keyward:";

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
