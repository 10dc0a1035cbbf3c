//! What a refused token claims about itself, for the log line about the refusal. None of it is verified.

use std::str;

use super::{SignatureAlgorithm, TokenVerifier, issuer::Issuer, jws::UnverifiedToken};
use crate::{
    auth::strict_json::{Json, Object},
    domain::escape::excerpt,
};

/// The maximum length of a logged text, in characters.
const TEXT_MAX: usize = 128;
/// The name for the shared secret, if it has no configured issuer.
const SHARED: &str = "jwt.secret";

/// What a refused token claims about itself. Its texts are escaped and truncated.
#[derive(Debug, Default)]
pub struct Unverified {
    /// The configured issuer whose keys and rules apply; `None` if no issuer has such tokens.
    pub tried: Option<String>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `kid`.
    pub key_id: Option<String>,
    /// `alg`.
    pub algorithm: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// The configured issuer that was probably meant, and how its name differs.
    pub near_miss: Option<String>,
    /// The rights on Keyward itself in the token that its issuer may not grant.
    pub withheld: Vec<String>,
}

impl TokenVerifier {
    /// What `token` claims about itself; `None` if it isn't in the compact form.
    pub fn describe(&self, token: &[u8]) -> Option<Unverified> {
        let token = UnverifiedToken::parse(token).ok()?;
        let mut described = Unverified::default();
        if let Some(header) = token.header().ok().as_deref().and_then(Object::read) {
            described.key_id = text(header.get("kid"));
            described.algorithm = text(header.get("alg"));
        }
        let Some(payload) = token.payload().ok() else { return Some(described) };
        let Some(claims) = Object::read(&payload) else { return Some(described) };
        described.issuer = text(claims.get("iss"));
        described.audience = texts(claims.get("aud"));
        let named = claims.get("iss").and_then(Json::as_str);
        let tried = self.issuer_for(named, &token);
        described.tried = tried.map(|issuer| issuer.claims().expected_issuer().unwrap_or(SHARED).to_owned());
        described.near_miss =
            named.filter(|name| !self.issuers.contains_key(*name)).and_then(|name| self.near_miss(name));
        described.withheld = tried.map(|issuer| issuer.claims().withheld(&claims)).unwrap_or_default();
        Some(described)
    }

    /// The issuer whose keys and rules apply to a token with this `iss`. If no table names it, that is the shared
    /// secret, if it requires no issuer. But a token that can't be signed with a secret must have been meant for a
    /// table.
    pub(super) fn issuer_for(
        &self,
        named: Option<&str>,
        token: &UnverifiedToken<'_>,
    ) -> Option<&std::sync::Arc<Issuer>> {
        let issuer = self.issuer(named)?;
        let is_by_default = named.is_some() && issuer.claims().expected_issuer().is_none();
        (!is_by_default || may_be_by_secret(token)).then_some(issuer)
    }

    /// The configured issuer whose name differs from this one only by details that people overlook.
    fn near_miss(&self, named: &str) -> Option<String> {
        let shared = self.shared.iter().filter_map(|shared| shared.claims().expected_issuer());
        let mut known = self.issuers.keys().map(|name| &**name).chain(shared);
        known.find(|known| *known != named && core(known) == core(named)).map(|known| {
            let differs = differences(known, named).join(" and ");
            format!("the configured issuer {known:?} differs only by {differs}; both must be the same to the letter")
        })
    }
}

/// Whether the header names an algorithm of shared secrets. An unreadable header counts as one, so that it is reported
/// as the fault.
fn may_be_by_secret(token: &UnverifiedToken<'_>) -> bool {
    let Ok(header) = token.header() else { return true };
    let Some(header) = Object::read(&header) else { return true };
    let Some(name) = header.get("alg").and_then(Json::as_str) else { return true };
    SignatureAlgorithm::named(name).is_some_and(|algorithm| SignatureAlgorithm::HMAC.contains(&algorithm))
}

/// A string, escaped and truncated.
fn text(value: Option<&Json<'_>>) -> Option<String> {
    value.and_then(Json::as_str).map(|text| excerpt(text, TEXT_MAX))
}

/// The same for a string or a list of strings.
fn texts(value: Option<&Json<'_>>) -> Option<String> {
    match value? {
        Json::List(items) => {
            let all: Vec<_> = items.iter().filter_map(Json::as_str).collect();
            Some(excerpt(&all.join(", "), TEXT_MAX))
        }
        value => text(Some(value)),
    }
}

/// An issuer's name without the details that people overlook.
fn core(name: &str) -> String {
    without_scheme(name.trim()).trim_end_matches('/').to_lowercase()
}

fn without_scheme(name: &str) -> &str {
    name.split_once("://").map_or(name, |(_, rest)| rest)
}

fn scheme(name: &str) -> Option<String> {
    name.trim().split_once("://").map(|(scheme, _)| scheme.to_lowercase())
}

/// The differences between two names with the same [`core`], in words.
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
    // Otherwise only the scheme has other capitals.
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
