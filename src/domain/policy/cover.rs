//! Which rules can't be met, because an earlier rule takes every request that they take.
//!
//! As in the index, texts are compared by their folded form. A request that meets an earlier rule only by folding is
//! refused, so it does not get to a later one either.

use super::{HostPattern, Method, PathPattern, Rule, index::Index, path::Part};

/// How many steps a search takes at most: nodes and positions that it looks at, and hosts, methods and segments that it
/// compares. It takes less than a second then, where ten thousand rules of which each has paths of its own need a tenth
/// of that. Only thousands of rules that share their paths, or a hundred that share a hundred, need more; the last of
/// those are not looked at.
const STEPS_MAX: usize = 30_000_000;

/// Every rule that no request gets to, each with the first that takes all of its requests.
///
/// A rule is compared with those at one of its places only, one with few others. The rules must be in their order.
pub fn never_met<'a>(rules: &[&'a Rule]) -> Vec<(&'a Rule, &'a Rule)> {
    let index = Index::of(rules.iter().copied());
    let mut steps = STEPS_MAX;
    let mut never_met = Vec::new();
    for (rule, place) in rules.iter().zip(0..) {
        let Some(earlier) = few_that_may_cover(rule, &index, place, &mut steps) else { break };
        for place in earlier {
            let earlier = rules[place as usize];
            if earlier.covers(rule, &mut steps) {
                never_met.push((*rule, earlier));
                break;
            }
            if steps == 0 {
                return never_met;
            }
        }
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
    /// Whether this rule takes every request that `other` takes. If each does so only together with others, such as two
    /// paths of which each covers a half of one, that is not found. What is compared is taken from `steps`.
    pub(super) fn covers(&self, other: &Self, steps: &mut usize) -> bool {
        let hosts_and_methods =
            (1 + self.methods.len()) * other.methods.len() + (1 + self.hosts.len()) * other.hosts.len();
        *steps = steps.saturating_sub(hosts_and_methods);
        let of_method = |method: &Method<'_>| self.methods.iter().any(|own| own.takes(method));
        let of_host = |host: &HostPattern| self.hosts.iter().any(|own| own.covers(host));
        let of_path = |path: &PathPattern| self.paths.iter().any(|own| own.covers(path, steps));
        covers_all(&self.methods, &other.methods, of_method)
            && covers_all(&self.hosts, &other.hosts, of_host)
            && (self.takes_every_path() || covers_all(&self.paths, &other.paths, of_path))
    }
}

/// A condition that is left out takes everything, and no list of conditions does.
fn covers_all<T>(own: &[T], others: &[T], is_covered: impl FnMut(&T) -> bool) -> bool {
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
    /// Whether every path that `other` takes is taken. Takes a step, and one for each segment that it looks at.
    pub(super) fn covers(&self, other: &Self, steps: &mut usize) -> bool {
        *steps = steps.saturating_sub(1);
        let has_length = if self.open {
            self.parts.len() <= other.parts.len()
        } else {
            self.parts.len() == other.parts.len() && !other.open
        };
        has_length
            && self.parts.iter().zip(&other.parts).all(|(own, part)| {
                *steps = steps.saturating_sub(1);
                own.covers(part)
            })
    }
}

impl Part {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Exactly(own), Self::Exactly(part)) => own.folded() == part.folded(),
            (Self::Exactly(_), Self::Any) => false,
        }
    }
}
