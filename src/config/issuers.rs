//! The tables `[[jwt.issuers]]`.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::{Issuer, IssuerKeys, check::Check, is_safe_address, load::read_secret, weak::weakness};
use crate::domain::{
    principal::{Scopes, is_reserved},
    secret::SecretString,
};
use config::{Map, Value, ValueKind};
use zeroize::Zeroizing;

const SETTING: &str = "jwt.issuers";
const MOST: usize = 64;
/// The shortest secret that any algorithm takes, in bytes; for the longer hashes the keys themselves decide.
const SECRET_MIN: usize = 32;
/// What may be given in a list of algorithms.
const ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    "Ed25519",
];

pub(super) fn issuers(check: &mut Check<'_>) -> Option<Vec<Issuer>> {
    let tables = check.tables(SETTING)?;
    if tables.len() > MOST {
        check.problem(SETTING, format!("holds more than {MOST} issuers"));
        return None;
    }
    let mut names = BTreeSet::new();
    let issuers: Vec<Option<Issuer>> = tables
        .into_iter()
        .enumerate()
        .map(|(place, members)| {
            let mut table = Table { members, place: place + 1, check };
            let issuer = table.issuer();
            table.refuse_unknown();
            if let Some(issuer) = &issuer
                && !names.insert(issuer.issuer.clone())
            {
                table.problem("issuer", "is another one's, too");
            }
            issuer
        })
        .collect();
    issuers.into_iter().collect()
}

/// One table, whose members are taken out as they are read.
struct Table<'a, 'b> {
    members: Map<String, Value>,
    place: usize,
    check: &'a mut Check<'b>,
}

impl Table<'_, '_> {
    /// All members are read before the first `?`, so that all problems are found.
    fn issuer(&mut self) -> Option<Issuer> {
        let issuer = self.text("issuer", "").filter(|issuer| self.is_there("issuer", issuer));
        let audience = self.member("audience", Vec::new(), "a list of texts", texts);
        let keys = self.keys();
        let algorithms = self.algorithms();
        let required_claims = self.member("required_claims", Vec::new(), "a table of texts", table_of_texts);
        let subject_claim = self.text("subject_claim", "sub").filter(|claim| self.is_there("subject_claim", claim));
        let usual = vec!["scope".to_owned(), "scp".to_owned()];
        let scope_claims = self.member("scope_claims", usual, "a list of texts", texts);
        let keyward_scopes = self.keyward_scopes();
        let tenant_claim = self.text("tenant_claim", "");
        let disabled_claim = self.text("disabled_claim", "");
        let scope_bearing = self.member("scope_bearing", false, "true or false", flag);
        let at_jwt = self.member("at_jwt", false, "true or false", flag);
        let leeway = self.duration("leeway", "30s", Duration::ZERO, Duration::from_secs(60));
        let max_lifetime =
            self.duration("max_lifetime", "1d", Duration::from_secs(60), Duration::from_secs(365 * 86_400));
        if matches!(keys, Some(IssuerKeys::Discovery))
            && issuer.as_deref().is_some_and(|issuer| !is_safe_address(issuer))
        {
            self.problem("discovery", "asks at the issuer's address, which is not https://");
            return None;
        }
        Some(Issuer {
            issuer: issuer?,
            audience: audience?,
            keys: keys?,
            algorithms: algorithms?,
            required_claims: required_claims?,
            subject_claim: subject_claim?,
            scope_claims: scope_claims?,
            keyward_scopes: keyward_scopes?,
            tenant_claim: Some(tenant_claim?).filter(|claim| !claim.is_empty()),
            disabled_claim: Some(disabled_claim?).filter(|claim| !claim.is_empty()),
            scope_bearing: scope_bearing?,
            at_jwt: at_jwt?,
            leeway: leeway?,
            max_lifetime: max_lifetime?,
        })
    }

    /// Exactly one way to its keys.
    fn keys(&mut self) -> Option<IssuerKeys> {
        let secret = self.text("secret_file", "").filter(|path| !path.is_empty());
        let public = self.text("public_keys_file", "").filter(|path| !path.is_empty());
        let key_set = self.text("key_set", "").filter(|address| !address.is_empty());
        let discovery = self.member("discovery", false, "true or false", flag)?;
        match (secret, public, key_set, discovery) {
            (Some(path), None, None, false) => self.secret(&path).map(IssuerKeys::Secret),
            (None, Some(path), None, false) => {
                self.file("public_keys_file", &path).map(|text| IssuerKeys::Public(text.as_str().to_owned()))
            }
            (None, None, Some(address), false) => self.address("key_set", address).map(IssuerKeys::KeySet),
            (None, None, None, true) => Some(IssuerKeys::Discovery),
            _ => {
                let ways = "discovery = true, key_set, public_keys_file and secret_file";
                self.problem("keys", format!("can't be found: give exactly one of {ways}"));
                None
            }
        }
    }

    fn secret(&mut self, path: &str) -> Option<SecretString> {
        let text = self.file("secret_file", path)?;
        if text.len() < SECRET_MIN {
            self.problem(
                "secret_file",
                format!("holds {} bytes, but HS256 needs {SECRET_MIN} (RFC 7518, 3.2)", text.len()),
            );
            return None;
        }
        if let Some(weakness) = weakness(&text) {
            self.problem("secret_file", weakness);
            return None;
        }
        Some(SecretString::from(text))
    }

    fn file(&mut self, name: &str, path: &str) -> Option<Zeroizing<String>> {
        match read_secret(Path::new(path)) {
            Ok(text) => Some(text),
            Err(cause) => {
                self.problem(name, format!("names a file that can't be read ({cause})"));
                None
            }
        }
    }

    /// Keys come encrypted, but from this machine itself.
    fn address(&mut self, name: &str, address: String) -> Option<String> {
        if is_safe_address(&address) {
            return Some(address);
        }
        self.problem(name, format!("is {address:?}, not an https:// address (http:// only on this machine)"));
        None
    }

    fn algorithms(&mut self) -> Option<Vec<String>> {
        let names = self.member("algorithms", Vec::new(), "a list of texts", texts)?;
        match names.iter().find(|name| !ALGORITHMS.contains(&name.as_str())) {
            None => Some(names),
            Some(unknown) => {
                self.problem("algorithms", format!("holds {unknown:?}, which is none of {}", ALGORITHMS.join(", ")));
                None
            }
        }
    }

    /// None by default: whose identities are believed need not be believed about who manages everybody's keys.
    fn keyward_scopes(&mut self) -> Option<Scopes> {
        let names = self.member("keyward_scopes", Vec::new(), "a list of texts", texts)?;
        let are_rights = names.iter().all(|name| is_reserved(name));
        match Scopes::parse(names.iter().map(String::as_str)) {
            Ok(scopes) if are_rights => Some(scopes),
            _ => {
                self.problem("keyward_scopes", "must hold rights on Keyward itself: keyward:admin, keyward:verify");
                None
            }
        }
    }

    fn text(&mut self, name: &str, default: &str) -> Option<String> {
        self.member(name, default.to_owned(), "a text", text).filter(|text| {
            let sound = text.len() <= 1024 && !text.chars().any(char::is_control);
            sound || {
                self.problem(name, "is longer than 1024 bytes, or holds a control character");
                false
            }
        })
    }

    fn is_there(&mut self, name: &str, text: &str) -> bool {
        if text.is_empty() {
            self.problem(name, "is not set");
        }
        !text.is_empty()
    }

    fn duration(&mut self, name: &str, default: &str, shortest: Duration, longest: Duration) -> Option<Duration> {
        let text = self.member(name, default.to_owned(), "a duration such as \"30s\"", text)?;
        let duration = humantime::parse_duration(&text).ok().filter(|span| (shortest..=longest).contains(span));
        if duration.is_none() {
            let (shortest, longest) = (humantime::format_duration(shortest), humantime::format_duration(longest));
            self.problem(name, format!("is {text:?}, not a duration (number and unit) from {shortest} to {longest}"));
        }
        duration
    }

    fn member<T>(&mut self, name: &str, default: T, expected: &str, read: fn(ValueKind) -> Option<T>) -> Option<T> {
        let Some(value) = self.members.remove(name) else { return Some(default) };
        let read = read(value.kind);
        if read.is_none() {
            self.problem(name, format!("is not {expected}"));
        }
        read
    }

    fn refuse_unknown(&mut self) {
        let unknown: Vec<String> = self.members.keys().cloned().collect();
        for name in unknown {
            self.problem(&name.escape_debug().to_string(), "is not a setting of an issuer");
        }
    }

    fn problem(&mut self, name: &str, cause: impl std::fmt::Display) {
        let place = self.place;
        self.check.problem(SETTING, format!("number {place}: {name} {cause}"));
    }
}

// What is written must be of the very type: the library itself would take 1 for true and 5 for a text.

fn text(kind: ValueKind) -> Option<String> {
    if let ValueKind::String(text) = kind { Some(text) } else { None }
}

fn flag(kind: ValueKind) -> Option<bool> {
    if let ValueKind::Boolean(flag) = kind { Some(flag) } else { None }
}

fn texts(kind: ValueKind) -> Option<Vec<String>> {
    let ValueKind::Array(items) = kind else { return None };
    items.into_iter().map(|item| text(item.kind).filter(|text| !text.is_empty())).collect()
}

fn table_of_texts(kind: ValueKind) -> Option<Vec<(String, String)>> {
    let ValueKind::Table(members) = kind else { return None };
    members.into_iter().map(|(name, value)| Some((name, text(value.kind)?))).collect()
}
