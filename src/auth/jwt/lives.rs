//! How long tokens may be accepted, by issuer. For revoking tokens, which needs no keys of issuers.

use std::{collections::HashMap, time::Duration};

use super::claims::ClaimRules;
use crate::config::Jwt;

/// The accepted issuers, with the longest lifetime of their tokens.
pub struct TokenLives {
    by_issuer: HashMap<Box<str>, Duration>,
    /// For tokens signed with the shared secret, if there is one: their `iss` (`None`: any), and their longest
    /// lifetime.
    shared: Option<(Option<Box<str>>, Duration)>,
}

impl TokenLives {
    /// The lifetimes of the configured issuers' tokens.
    pub fn of(settings: &Jwt) -> Self {
        let life_of = |issuer| ClaimRules::of(issuer).longest_life();
        let by_issuer = settings.issuers.iter().map(|issuer| (issuer.issuer.as_str().into(), life_of(issuer)));
        let shared = settings.secret.as_ref().map(|_| {
            let policy = ClaimRules::shared(settings);
            (policy.expected_issuer().map(Box::from), policy.longest_life())
        });
        Self { by_issuer: by_issuer.collect(), shared }
    }

    /// How long a token of `issuer` may be accepted; `None` if its tokens are not accepted.
    pub fn longest(&self, issuer: &str) -> Option<Duration> {
        let shared = || {
            let (own, life) = self.shared.as_ref()?;
            own.as_ref().is_none_or(|own| **own == *issuer).then_some(*life)
        };
        self.by_issuer.get(issuer).copied().or_else(shared)
    }

    /// Whether the configuration names this issuer. Where it does not, tokens may be accepted all the same: those that
    /// are signed with the shared secret, if that demands no issuer.
    pub fn names(&self, issuer: &str) -> bool {
        let is_shared = || self.shared.as_ref().is_some_and(|(own, _)| own.as_deref() == Some(issuer));
        self.by_issuer.contains_key(issuer) || is_shared()
    }

    /// The only possible `iss` of accepted tokens, if the configuration allows exactly one; it need not be specified
    /// then.
    pub fn only_issuer(&self) -> Option<&str> {
        match (&self.shared, self.by_issuer.len()) {
            (Some((own, _)), 0) => own.as_deref(),
            (None, 1) => self.by_issuer.keys().next().map(|issuer| &**issuer),
            _ => None,
        }
    }
}
