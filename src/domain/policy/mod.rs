//! Authorization by rules: the first rule that matches a request decides which credential its client must present. A
//! request that matches none is refused.
//!
//! Requests are never guessed at if a gateway and the API behind it could interpret them differently: a request whose
//! host, method or path is ambiguous is refused before the rules are evaluated.
//!
//! - `path`, `request`: the request in canonical form
//! - `letters`: characters that some server might treat as equal
//! - `demand`: the credential that a rule demands
//! - `cover`: finds the rules that no request gets to
//! - `index`: finds the first rule without evaluating all of them

mod cover;
mod demand;
mod index;
mod letters;
mod path;
mod request;
#[cfg(test)]
mod tests;

use self::index::Index;
pub use self::{
    cover::never_met,
    demand::{Demand, NamedTag, Shown},
    path::{InvalidPattern, PathPattern, RequestPath, Unclear},
    request::{Asked, Host, HostPattern, LooksAt, Method},
};

/// The maximum number of rules in a policy.
pub const RULES_MAX: usize = 10_000;
/// The maximum number of hosts, of paths, and of methods in a rule.
pub const PATTERNS_MAX: usize = 100;
/// The maximum size of the index: a rule has one entry for each combination of its hosts and paths.
pub const PLACES_MAX: usize = 200_000;

/// A rule: the requests that it matches, and the credential that it demands.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The line in the file where the rule begins.
    pub line: usize,
    /// The matching hosts; all if empty.
    pub hosts: Vec<HostPattern>,
    /// The matching paths; all if empty.
    pub paths: Vec<PathPattern>,
    /// The matching methods; all if empty.
    pub methods: Vec<Method<'static>>,
    /// The demanded credential.
    pub demand: Demand,
}

/// An ordered list of rules.
pub struct Policy {
    rules: Vec<Rule>,
    looks_at: LooksAt,
    index: Index,
}

/// Why no rule decides on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The rules need a fact about the request that is unknown.
    Unknown,
    /// No rule matches.
    NoRule,
    /// A rule matches only if different characters count as equal, such as uppercase and lowercase. Some APIs treat
    /// them so and others do not.
    OnlyByFolding,
}

impl Policy {
    /// A policy with these rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        let looks_at = LooksAt {
            host: rules.iter().any(|rule| !rule.hosts.is_empty()),
            path: rules.iter().any(|rule| !rule.paths.is_empty()),
            method: rules.iter().any(|rule| !rule.methods.is_empty()),
        };
        Self { index: Index::of(&rules), looks_at, rules }
    }

    /// The facts about a request that the rules need.
    pub fn looks_at(&self) -> LooksAt {
        self.looks_at
    }

    /// The rules in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The first rule that matches a request, and its position.
    ///
    /// # Errors
    /// [`Unmet`] if there is none, or if the match is ambiguous.
    pub fn first(&self, asked: &Asked<'_>) -> Result<(usize, &Rule), Unmet> {
        if !self.looks_at.is_answered_by(asked) {
            return Err(Unmet::Unknown);
        }
        let takes_method = |place: u32| self.rules[place as usize].takes_method(asked.method.as_ref());
        let place = self.index.first(asked, takes_method).ok_or(Unmet::NoRule)? as usize;
        let rule = &self.rules[place];
        // The index compares folded text, and an exact match is also a folded match. So if the first folded match is
        // not exact, another reader of the path could choose another rule.
        if rule.takes_path(asked.path.as_ref()) { Ok((place, rule)) } else { Err(Unmet::OnlyByFolding) }
    }
}

impl Rule {
    /// Whether the rule matches every path.
    pub fn takes_every_path(&self) -> bool {
        self.paths.is_empty() || self.paths.iter().any(PathPattern::takes_everything)
    }

    fn takes_method(&self, method: Option<&Method<'_>>) -> bool {
        self.methods.is_empty() || method.is_some_and(|method| self.methods.iter().any(|own| own.takes(method)))
    }

    fn takes_path(&self, path: Option<&RequestPath<'_>>) -> bool {
        self.paths.is_empty() || path.is_some_and(|path| self.paths.iter().any(|own| own.takes(path)))
    }
}
