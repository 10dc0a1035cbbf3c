//! Who may do what, by rules: the first rule that a request meets decides what its client must show; a request that meets
//! none is refused.
//!
//! What gateways and the APIs behind them could read differently is never guessed at: a request whose host, method or path
//! is not clear is refused before any rule is asked.
//!
//! - `path`, `request`: what is asked for, in one spelling
//! - `letters`: which letters some server might take for one another
//! - `demand`: what a rule wants to be shown
//! - `index`: finds the first rule without looking at all of them

mod demand;
mod index;
mod letters;
mod path;
mod request;
#[cfg(test)]
mod tests;

use self::index::Index;
pub use self::{
    demand::{Demand, Shown},
    path::{InvalidPattern, PathPattern, RequestPath, Unclear},
    request::{Asked, Host, HostPattern, LooksAt, Method},
};

/// The most rules in one policy.
pub const RULES_MAX: usize = 10_000;
/// The most hosts, the most paths, the most methods of one rule.
pub const PATTERNS_MAX: usize = 100;
/// The most places of the index: each rule takes one for each of its hosts with each of its paths.
pub const PLACES_MAX: usize = 200_000;

/// Requests that a rule is about, and what their clients must show.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Where it begins in its file.
    pub line: usize,
    /// Requests to one of these; to any where there are none.
    pub hosts: Vec<HostPattern>,
    /// Requests for one of these; for any where there are none.
    pub paths: Vec<PathPattern>,
    /// Requests with one of these; with any where there are none.
    pub methods: Vec<Method<'static>>,
    /// What must be shown.
    pub demand: Demand,
}

/// Rules in their order.
pub struct Policy {
    rules: Vec<Rule>,
    looks_at: LooksAt,
    index: Index,
}

/// No rule decides on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The rules look at something that is not known of it.
    Unknown,
    /// It meets none.
    NoRule,
    /// It meets one only when letters are taken for others, such as capitals for small ones, which some APIs do and others
    /// don't.
    OnlyByFolding,
}

impl Policy {
    /// These rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        let looks_at = LooksAt {
            host: rules.iter().any(|rule| !rule.hosts.is_empty()),
            path: rules.iter().any(|rule| !rule.paths.is_empty()),
            method: rules.iter().any(|rule| !rule.methods.is_empty()),
        };
        Self { index: Index::of(&rules), looks_at, rules }
    }

    /// What must be known of a request.
    pub fn looks_at(&self) -> LooksAt {
        self.looks_at
    }

    /// The rules in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The first rule that a request meets, with its place in the order.
    ///
    /// # Errors
    /// [`Unmet`] when there is none, or when it is not sure.
    pub fn first(&self, asked: &Asked<'_>) -> Result<(usize, &Rule), Unmet> {
        if !self.looks_at.is_answered_by(asked) {
            return Err(Unmet::Unknown);
        }
        let takes_method = |place: u32| self.rules[place as usize].takes_method(asked.method.as_ref());
        let place = self.index.first(asked, takes_method).ok_or(Unmet::NoRule)? as usize;
        let rule = &self.rules[place];
        // The index compares folded letters. A rule that fits exactly fits so as well; so where the first of those that
        // fit so does not fit exactly, another reader of the path would have chosen another rule.
        if rule.takes_path(asked.path.as_ref()) { Ok((place, rule)) } else { Err(Unmet::OnlyByFolding) }
    }
}

impl Rule {
    /// Whether requests for any path are meant.
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
