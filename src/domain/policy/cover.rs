//! Which rules can't be met, because an earlier rule takes every request that they take.
//!
//! As in the index, texts are compared by their folded form. A request that meets an earlier rule only by folding is
//! refused, so it does not get to a later one either.

use super::{HostPattern, Method, PathPattern, Rule, index::Index, letters::folded, path::Part};

/// Every rule that no request gets to, each with the first that takes all of its requests.
///
/// Only rules at the places of the first host and path are compared, so the time depends on how many those are. The
/// rules must be in their order.
pub fn never_met<'a>(rules: &[&'a Rule]) -> Vec<(&'a Rule, &'a Rule)> {
    let index = Index::of(rules.iter().copied());
    let everything = PathPattern::everything();
    let mut never_met = Vec::new();
    for (rule, place) in rules.iter().zip(0..) {
        let path = rule.paths.first().unwrap_or(&everything);
        let mut first = None;
        index.covering(rule.hosts.first(), path, place, &mut |earlier| {
            if first.is_none_or(|first| earlier < first) && rules[earlier as usize].covers(rule) {
                first = Some(earlier);
            }
        });
        never_met.extend(first.map(|earlier| (*rule, rules[earlier as usize])));
    }
    never_met
}

impl Rule {
    /// Whether this rule takes every request that `other` takes. If each does so only together with others, such as two
    /// paths of which each covers a half of one, that is not found.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let of_method = |method: &Method<'_>| self.methods.iter().any(|own| own.takes(method));
        let of_host = |host: &HostPattern| self.hosts.iter().any(|own| own.covers(host));
        let of_path = |path: &PathPattern| self.paths.iter().any(|own| own.covers(path));
        covers_all(&self.methods, &other.methods, of_method)
            && covers_all(&self.hosts, &other.hosts, of_host)
            && (self.takes_every_path() || covers_all(&self.paths, &other.paths, of_path))
    }
}

/// A condition that is left out takes everything, and no list of conditions does.
fn covers_all<T>(own: &[T], others: &[T], is_covered: impl Fn(&T) -> bool) -> bool {
    own.is_empty() || (!others.is_empty() && others.iter().all(is_covered))
}

impl HostPattern {
    /// Whether every host that `other` takes is taken.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exactly(own), Self::Exactly(host)) => own == host,
            (Self::Exactly(_), Self::Below(_)) => false,
            (Self::Below(own), Self::Exactly(host)) => is_below(host, own),
            (Self::Below(own), Self::Below(host)) => own == host || is_below(host, own),
        }
    }
}

fn is_below(host: &str, above: &str) -> bool {
    host.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'))
}

impl PathPattern {
    /// Whether every path that `other` takes is taken.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let has_length = if self.open {
            self.parts.len() <= other.parts.len()
        } else {
            self.parts.len() == other.parts.len() && !other.open
        };
        has_length && self.parts.iter().zip(&other.parts).all(|(own, part)| own.covers(part))
    }
}

impl Part {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Exactly(own), Self::Exactly(part)) => folded(own) == folded(part),
            (Self::Exactly(_), Self::Any) => false,
        }
    }
}
