//! What a refused token says of itself, for the line of the log that tells of it. Nothing of it is verified.

use std::str;

use super::{SignatureAlgorithm, TokenVerifier, issuer::Issuer, jws::UnverifiedToken};
use crate::{
    auth::strict_json::{Json, Object},
    domain::shown::excerpt,
};

/// What is told of each text, in characters.
const TOLD_MAX: usize = 128;
/// What stands for the table of an issuer where the shared secret decides.
const SHARED: &str = "jwt.secret";

/// A token that was refused. Its own texts are escaped and cut.
#[derive(Debug, Default)]
pub struct Unverified {
    /// The configured issuer whose keys and rules decide; `None` where no issuer has such tokens.
    pub tried: Option<String>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `kid`.
    pub key_id: Option<String>,
    /// `alg`.
    pub algorithm: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// Which configured issuer may be meant, and how its name differs.
    pub near_miss: Option<String>,
    /// Rights on Keyward itself that it carries and its issuer may not give.
    pub left_out: Vec<String>,
}

impl TokenVerifier {
    /// What `token` says of itself; `None` where it isn't in the compact form.
    pub fn describe(&self, token: &[u8]) -> Option<Unverified> {
        let token = UnverifiedToken::parse(token).ok()?;
        let mut told = Unverified::default();
        if let Some(header) = token.header().ok().as_deref().and_then(Object::read) {
            told.key_id = text(header.get("kid"));
            told.algorithm = text(header.get("alg"));
        }
        let Some(payload) = token.payload().ok() else { return Some(told) };
        let Some(claims) = Object::read(&payload) else { return Some(told) };
        told.issuer = text(claims.get("iss"));
        told.audience = texts(claims.get("aud"));
        let named = claims.get("iss").and_then(Json::as_str);
        let tried = self.tried(named, &token);
        told.tried = tried.map(|issuer| issuer.claims().expected_issuer().unwrap_or(SHARED).to_owned());
        told.near_miss = named.filter(|name| !self.issuers.contains_key(*name)).and_then(|name| self.near_miss(name));
        told.left_out = tried.map(|issuer| issuer.claims().left_out(&claims)).unwrap_or_default();
        Some(told)
    }

    /// Who decides on a token that names this issuer. What no table names is the shared secret's if that demands no issuer;
    /// but what can't be signed with a secret was meant for a table.
    pub(super) fn tried(&self, named: Option<&str>, token: &UnverifiedToken<'_>) -> Option<&std::sync::Arc<Issuer>> {
        let issuer = self.issuer(named)?;
        let by_the_rest = named.is_some() && issuer.claims().expected_issuer().is_none();
        (!by_the_rest || may_be_by_secret(token)).then_some(issuer)
    }

    /// The configured issuer that differs from this one only in what people overlook.
    fn near_miss(&self, named: &str) -> Option<String> {
        let shared = self.shared.iter().filter_map(|shared| shared.claims().expected_issuer());
        let mut known = self.issuers.keys().map(|name| &**name).chain(shared);
        known.find(|known| *known != named && core(known) == core(named)).map(|known| {
            let differs = differences(known, named).join(" and ");
            format!("the configured issuer {known:?} differs only by {differs}; both must be the same to the letter")
        })
    }
}

/// Whether the header names an algorithm of shared secrets, or can't be read, which is then the fault.
fn may_be_by_secret(token: &UnverifiedToken<'_>) -> bool {
    let Ok(header) = token.header() else { return true };
    let Some(header) = Object::read(&header) else { return true };
    let Some(name) = header.get("alg").and_then(Json::as_str) else { return true };
    SignatureAlgorithm::named(name).is_some_and(|algorithm| SignatureAlgorithm::HMAC.contains(&algorithm))
}

/// A text that is a stranger's.
fn text(value: Option<&Json<'_>>) -> Option<String> {
    value.and_then(Json::as_str).map(|text| excerpt(text, TOLD_MAX))
}

/// The same of a text or a list of them.
fn texts(value: Option<&Json<'_>>) -> Option<String> {
    match value? {
        Json::List(items) => {
            let all: Vec<_> = items.iter().filter_map(Json::as_str).collect();
            Some(excerpt(&all.join(", "), TOLD_MAX))
        }
        value => text(Some(value)),
    }
}

/// What is left of an issuer's name without what people overlook.
fn core(name: &str) -> String {
    without_scheme(name.trim()).trim_end_matches('/').to_lowercase()
}

fn without_scheme(name: &str) -> &str {
    name.split_once("://").map_or(name, |(_, rest)| rest)
}

fn scheme(name: &str) -> Option<String> {
    name.trim().split_once("://").map(|(scheme, _)| scheme.to_lowercase())
}

fn differences(known: &str, named: &str) -> Vec<&'static str> {
    let slashes = |name: &str| name.trim().len() - name.trim().trim_end_matches('/').len();
    let bare = |name: &str| without_scheme(name.trim()).trim_end_matches('/').to_owned();
    let all = [
        (slashes(known) != slashes(named), "a final slash"),
        (scheme(known) != scheme(named), "http or https before it"),
        (bare(known) != bare(named), "capital letters"),
        (known.trim().len() != known.len() || named.trim().len() != named.len(), "white space around it"),
    ];
    let found: Vec<_> = all.into_iter().filter_map(|(differs, what)| differs.then_some(what)).collect();
    // Capitals of the scheme alone.
    if found.is_empty() { vec!["capital letters"] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_have_one_core_and_say_how_they_differ() {
        for (named, differs) in [
            ("https://a.example/", "a final slash"),
            ("http://a.example", "http or https before it"),
            ("a.example", "http or https before it"),
            ("https://A.example", "capital letters"),
            ("HTTPS://a.example", "capital letters"),
            (" https://a.example", "white space around it"),
            ("http://a.example/", "a final slash and http or https before it"),
        ] {
            assert_eq!(core(named), core("https://a.example"), "{named}");
            assert_eq!(differences("https://a.example", named).join(" and "), differs, "{named}");
        }
        assert_ne!(core("https://a.example/b"), core("https://a.example"));
    }
}
