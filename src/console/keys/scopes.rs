//! The scopes that a form offers: those of the catalogue as check boxes, and a field for others.

use std::collections::BTreeSet;

use crate::auth::lifecycle::{Offer, OfferedScope};

/// The scopes that a form offers.
pub(super) struct ScopeChoice {
    pub(super) groups: Vec<ScopeGroup>,
    /// Scopes of the catalogue that whoever fills in the form can't give.
    pub(super) withheld: Vec<String>,
    /// The chosen scopes that the catalogue does not have.
    pub(super) others: String,
    /// Whether there can be others.
    pub(super) takes_others: bool,
}

/// Scopes that stand under one heading, or under none.
pub(super) struct ScopeGroup {
    pub(super) name: Option<String>,
    pub(super) scopes: Vec<OneScope>,
}

/// A scope that can be chosen.
pub(super) struct OneScope {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) is_chosen: bool,
}

impl ScopeChoice {
    /// What is offered. `chosen` is what the form shows as chosen; `kept` is what the key has, which it may keep.
    pub(super) fn new(offer: &Offer<'_>, chosen: &BTreeSet<&str>, kept: &BTreeSet<&str>) -> Self {
        let is_described = |scope: &&str| offer.scopes.iter().any(|one| one.described.scope.as_str() == *scope);
        let others: Vec<&str> = chosen.iter().copied().filter(|scope| !is_described(scope)).collect();
        let takes_others = offer.other_scopes || !others.is_empty();
        let mut choice = Self { groups: Vec::new(), withheld: Vec::new(), others: others.join(" "), takes_others };
        for one in &offer.scopes {
            choice.add(one, chosen, kept);
        }
        choice
    }

    /// Groups stand where their first scope does.
    fn add(&mut self, offered: &OfferedScope<'_>, chosen: &BTreeSet<&str>, kept: &BTreeSet<&str>) {
        let scope = offered.described.scope.as_str();
        if offered.refusal.is_some() && !kept.contains(scope) {
            self.withheld.push(scope.to_owned());
            return;
        }
        let group = offered.described.group.as_ref().map(|group| group.as_str().to_owned());
        let one = OneScope {
            name: scope.to_owned(),
            description: offered.described.description.as_ref().map(|text| text.as_str().to_owned()),
            is_chosen: chosen.contains(scope),
        };
        match self.groups.iter_mut().find(|known| known.name == group) {
            Some(known) => known.scopes.push(one),
            None => self.groups.push(ScopeGroup { name: group, scopes: vec![one] }),
        }
    }

    /// Whether the catalogue has anything to choose.
    pub(super) fn is_plain(&self) -> bool {
        self.groups.is_empty() && self.withheld.is_empty()
    }
}
