//! Derives scopes from a token's scopes, roles and groups.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use parking_lot::Mutex;
use time::{Duration, OffsetDateTime};

use super::claim_path::{self, Found};
use crate::{
    auth::strict_json::{Json, Object},
    config::{ClaimPath, Issuer, MalformedScopes},
    domain::{
        denial::TokenFault,
        scope::{KEYWARD_SCOPES, SCOPES_MAX, Scope, Scopes, is_reserved},
    },
};

/// How often ignored scopes are logged per issuer.
const LOG_EVERY: Duration = Duration::minutes(1);

/// Where an issuer's tokens have scopes, and what happens to invalid ones.
pub(super) struct ScopeRules {
    issuer: String,
    scope_claims: Vec<ClaimPath>,
    role_claims: Vec<ClaimPath>,
    role_scopes: BTreeMap<String, Scopes>,
    malformed: MalformedScopes,
    /// The accepted rights on Keyward itself; `None`: all.
    keyward_scopes: Option<Scopes>,
    tally: Mutex<Tally>,
}

/// Why a value in a token is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ignored {
    /// Not a valid scope, or too long.
    Malformed,
    /// Neither a string nor a list of strings.
    Kind,
    /// The maximum number is reached.
    TooMany,
    /// A right on Keyward itself, which this issuer may not grant.
    Reserved,
}

impl Ignored {
    /// The words of the log.
    fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "not a scope (RFC 6749, 3.3)",
            Self::Kind => "neither text nor a list of texts",
            Self::TooMany => "more than 100 scopes",
            Self::Reserved => "a right on Keyward itself that keyward_scopes does not name",
        }
    }
}

/// The ignored values since they were last logged, by claim and reason.
#[derive(Default)]
struct Tally {
    logged_at: Option<OffsetDateTime>,
    ignored: BTreeMap<(usize, Ignored), u64>,
}

/// Reads one token.
#[derive(Default)]
struct Reader<'a> {
    /// The values, each with the index of its claim.
    words: Vec<(usize, &'a str)>,
    ignored: BTreeMap<(usize, Ignored), u64>,
}

impl<'a> Reader<'a> {
    fn ignore(&mut self, claim: usize, reason: Ignored) {
        *self.ignored.entry((claim, reason)).or_default() += 1;
    }

    /// Scopes as one string, separated by spaces (RFC 8693 §4.2), or as a list.
    fn scopes(&mut self, claim: usize, found: Found<'a>) {
        match found {
            Found::Name(name) => self.words.push((claim, name)),
            Found::Value(Json::Text(list)) => {
                self.words.extend(list.split(' ').filter(|scope| !scope.is_empty()).map(|scope| (claim, scope)));
            }
            Found::Value(Json::List(items)) => {
                for item in items {
                    match item.as_str() {
                        Some(scope) => self.words.push((claim, scope)),
                        None => self.ignore(claim, Ignored::Kind),
                    }
                }
            }
            Found::Value(_) => self.ignore(claim, Ignored::Kind),
        }
    }

    /// Removes invalid scopes and duplicates.
    fn keep_scopes(mut self, given: Option<&Scopes>) -> Self {
        let words = std::mem::take(&mut self.words);
        let mut seen = HashSet::new();
        for (claim, word) in words {
            if seen.contains(word) {
                continue;
            }
            let ignored = if word.parse::<Scope>().is_err() {
                Some(Ignored::Malformed)
            } else if is_reserved(word) && given.is_some_and(|given| !given.contains(word)) {
                Some(Ignored::Reserved)
            } else if seen.len() == SCOPES_MAX {
                Some(Ignored::TooMany)
            } else {
                None
            };
            match ignored {
                Some(reason) => self.ignore(claim, reason),
                None => {
                    seen.insert(word);
                    self.words.push((claim, word));
                }
            }
        }
        self
    }
}

impl ScopeRules {
    /// The rules for tokens signed with the shared secret.
    pub(super) fn shared(issuer: &str, malformed: MalformedScopes) -> Self {
        Self {
            issuer: issuer.to_owned(),
            scope_claims: vec!["scope".parse().expect("a claim's name is a path")],
            role_claims: Vec::new(),
            role_scopes: BTreeMap::new(),
            malformed,
            keyward_scopes: None,
            tally: Mutex::default(),
        }
    }

    /// The rules for tokens of an issuer.
    pub(super) fn of(issuer: &Issuer) -> Self {
        Self {
            issuer: issuer.issuer.clone(),
            scope_claims: issuer.scope_claims.clone(),
            role_claims: issuer.role_claims.clone(),
            role_scopes: issuer.role_scopes.clone(),
            malformed: issuer.malformed_scopes,
            keyward_scopes: Some(issuer.keyward_scopes.clone()),
            tally: Mutex::default(),
        }
    }

    /// The scopes in these claims. Invalid scopes grant nothing; the token is accepted without them, unless the
    /// configuration refuses it.
    pub(super) fn read<'a>(&'a self, claims: &'a Object<'a>, now: OffsetDateTime) -> Result<Scopes, TokenFault> {
        let Reader { words, ignored } = self.reader(claims).keep_scopes(self.keyward_scopes.as_ref());
        let refused =
            self.malformed == MalformedScopes::Refuse && ignored.keys().any(|(_, reason)| *reason != Ignored::Reserved);
        self.log(ignored, now);
        if refused {
            return Err(TokenFault::Scopes);
        }
        Scopes::parse(words.into_iter().map(|(_, word)| word)).map_err(|_| TokenFault::Scopes)
    }

    /// Everything that these claims contain.
    fn reader<'a>(&'a self, claims: &'a Object<'a>) -> Reader<'a> {
        let mut reader = Reader::default();
        for (place, path) in self.scope_claims.iter().enumerate() {
            claim_path::all(claims, path, &mut |found| reader.scopes(place, found));
        }
        for (place, path) in self.role_claims.iter().enumerate() {
            let place = self.scope_claims.len() + place;
            claim_path::all(claims, path, &mut |found| self.roles(place, &found, &mut reader));
        }
        reader
    }

    /// The rights on Keyward itself in these claims that the issuer may not grant. All are known words, so they may be
    /// logged.
    pub(super) fn withheld(&self, claims: &Object<'_>) -> Vec<String> {
        let Some(given) = &self.keyward_scopes else { return Vec::new() };
        let words: BTreeSet<&str> = self.reader(claims).words.into_iter().map(|(_, word)| word).collect();
        let known = KEYWARD_SCOPES.into_iter().filter(|scope| words.contains(scope) && !given.contains(scope));
        known.map(str::to_owned).collect()
    }

    /// Roles that are not mapped to scopes are ignored.
    fn roles<'a>(&'a self, place: usize, found: &Found<'a>, reader: &mut Reader<'a>) {
        let mut role = |role: &str| {
            let scopes = self.role_scopes.get(role).into_iter().flat_map(Scopes::iter);
            reader.words.extend(scopes.map(|scope| (place, scope)));
        };
        match found {
            Found::Name(name) => role(name),
            Found::Value(Json::Text(name)) => role(name),
            Found::Value(Json::List(items)) => items.iter().filter_map(Json::as_str).for_each(role),
            Found::Value(_) => reader.ignore(place, Ignored::Kind),
        }
    }

    /// Counts ignored values, and logs them occasionally by claim. The values are not logged, because a stranger chose
    /// them.
    fn log(&self, ignored: BTreeMap<(usize, Ignored), u64>, now: OffsetDateTime) {
        if ignored.is_empty() {
            return;
        }
        let mut tally = self.tally.lock();
        for (what, count) in ignored {
            *tally.ignored.entry(what).or_default() += count;
        }
        // The clock may be set back.
        if tally.logged_at.is_some_and(|last| (last..last + LOG_EVERY).contains(&now)) {
            return;
        }
        tally.logged_at = Some(now);
        for ((claim, reason), scopes) in std::mem::take(&mut tally.ignored) {
            let claim = self.scope_claims.iter().chain(&self.role_claims).nth(claim).map(ToString::to_string);
            let (issuer, why) = (&self.issuer, reason.reason());
            match self.malformed {
                MalformedScopes::Refuse => {
                    tracing::warn!(issuer, claim, why, scopes, "tokens of an issuer are refused for their scopes");
                }
                MalformedScopes::Drop => {
                    tracing::warn!(issuer, claim, why, scopes, "scopes in tokens of an issuer are not taken");
                }
            }
        }
    }
}
