//! Which rules can't be met, because an earlier rule takes every request that they take.
//!
//! As in the index, texts are compared by their folded form. A request that meets an earlier rule only by folding is
//! refused, so it does not get to a later one either.

use super::{HostPattern, Method, PathPattern, Rule, index::Index, letters::folded, path::Part};

/// How many steps a search takes at most: nodes and positions that it looks at, and patterns that it compares. It takes
/// about a second then, where ten thousand rules of which each has paths of its own need a tenth of that. Only rules that
/// share all of their paths with thousands of others need more; the last of those are not looked at.
const STEPS_MAX: usize = 20_000_000;

/// Every rule that no request gets to, each with the first that takes all of its requests.
///
/// A rule is compared with those at one of its places only, one with few others. The rules must be in their order.
pub fn never_met<'a>(rules: &[&'a Rule]) -> Vec<(&'a Rule, &'a Rule)> {
    let index = Index::of(rules.iter().copied());
    let mut steps = STEPS_MAX;
    let mut never_met = Vec::new();
    for (rule, place) in rules.iter().zip(0..) {
        let Some(earlier) = few_that_may_cover(rule, &index, place, &mut steps) else { break };
        let first = earlier.iter().map(|place| rules[*place as usize]).find(|earlier| {
            steps = steps.saturating_sub(earlier.patterns() * rule.patterns());
            earlier.covers(rule)
        });
        never_met.extend(first.map(|earlier| (*rule, earlier)));
    }
    never_met
}

/// The positions before `place` of all rules that can cover this one, and of few others, in order. None if that takes
/// more steps than are left.
fn few_that_may_cover(rule: &Rule, index: &Index, place: u32, steps: &mut usize) -> Option<Vec<u32>> {
    let everything = PathPattern::everything();
    let paths = if rule.paths.is_empty() { std::slice::from_ref(&everything) } else { &rule.paths };
    // What covers a rule covers each of its places, so one place is enough. Each is tried with few steps, and then with
    // more, because some may be common, and one is rare.
    let mut patience = 16;
    loop {
        for path in paths {
            for host in rule.hosts.iter().map(Some).chain(rule.hosts.is_empty().then_some(None)) {
                *steps = steps.checked_sub(1)?;
                let mut left = patience.min(*steps);
                let before = left;
                let found = index.covering(host, path, place, &mut left);
                *steps -= before - left;
                if let Some(mut found) = found {
                    found.sort_unstable();
                    found.dedup();
                    return Some(found);
                }
            }
        }
        patience *= 8;
    }
}

impl Rule {
    fn patterns(&self) -> usize {
        self.hosts.len() + self.paths.len() + self.methods.len()
    }

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
