//! The scopes that an operator describes, for people and clients who choose among them.

use std::sync::Arc;

use super::{ADMIN_SCOPE, KEYWARD_SCOPES, Scope};
use crate::domain::text::ScopeText;

/// The maximum number of described scopes: twice as many as a key can have, and as many check boxes as a page of 100 kB
/// holds.
pub const CATALOGUE_MAX: usize = 200;

/// A scope with what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedScope {
    /// The scope.
    pub scope: Scope,
    /// What a key with it may do.
    pub description: Option<ScopeText>,
    /// The scopes that it stands among.
    pub group: Option<ScopeText>,
}

/// The described scopes, in the order in which the operator gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue(Arc<[DescribedScope]>);

/// The described scopes can't be these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCatalogue {
    /// There are too many.
    #[error("holds more than {CATALOGUE_MAX} scopes")]
    TooMany,
    /// One is described twice.
    #[error("describes {0} twice")]
    Repeated(Scope),
    /// No key may have it.
    #[error("describes {0}, which no key may have")]
    NotForKeys(Scope),
}

impl Catalogue {
    /// The described scopes.
    ///
    /// # Errors
    /// [`InvalidCatalogue`].
    pub fn new(scopes: Vec<DescribedScope>) -> Result<Self, InvalidCatalogue> {
        if scopes.len() > CATALOGUE_MAX {
            return Err(InvalidCatalogue::TooMany);
        }
        for (place, described) in scopes.iter().enumerate() {
            let scope = &described.scope;
            if scope.as_str() == ADMIN_SCOPE {
                return Err(InvalidCatalogue::NotForKeys(scope.clone()));
            }
            if scopes[..place].iter().any(|earlier| earlier.scope == *scope) {
                return Err(InvalidCatalogue::Repeated(scope.clone()));
            }
        }
        Ok(Self(scopes.into()))
    }

    /// The described scopes in order.
    pub fn as_slice(&self) -> &[DescribedScope] {
        &self.0
    }

    /// Whether this scope is described.
    fn describes(&self, scope: &str) -> bool {
        self.0.iter().any(|described| described.scope.as_str() == scope)
    }

    /// Whether this scope means anything here: it is described, or a right on Keyward itself.
    pub fn knows(&self, scope: &str) -> bool {
        self.describes(scope) || KEYWARD_SCOPES.contains(&scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(name: &str) -> DescribedScope {
        DescribedScope { scope: name.parse().expect("a scope"), description: None, group: None }
    }

    #[test]
    fn a_catalogue_describes_each_scope_once_and_none_that_no_key_may_have() {
        let catalogue = Catalogue::new(vec![described("b"), described("a")]).expect("a catalogue");
        assert!(catalogue.describes("a") && !catalogue.describes("c"));
        assert!(catalogue.knows("keyward:verify") && !catalogue.describes("keyward:verify"));
        let twice = Catalogue::new(vec![described("a"), described("b"), described("a")]);
        assert_eq!(twice, Err(InvalidCatalogue::Repeated("a".parse().expect("a scope"))));
        assert!(matches!(Catalogue::new(vec![described(ADMIN_SCOPE)]), Err(InvalidCatalogue::NotForKeys(_))));
        let many = |count: usize| (0..count).map(|number| described(&format!("s{number}"))).collect();
        assert!(Catalogue::new(many(CATALOGUE_MAX)).is_ok());
        assert_eq!(Catalogue::new(many(CATALOGUE_MAX + 1)), Err(InvalidCatalogue::TooMany));
    }
}
