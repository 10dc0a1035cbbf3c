//! The source of an issuer's keys.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::{
    config::{
        IssuerKeys, KeyFetch, is_safe_address,
        jwt::secret_encoding::{ENCODINGS, SecretEncoding},
        loading::{
            check::table::{Table, flag, text},
            secret_file::read_secret,
        },
        weak::weakness,
    },
    domain::secret::SecretBytes,
};

/// The minimum length of a secret for any algorithm, in bytes. For longer hashes, the key set checks the length.
const SECRET_MIN: usize = 32;
/// Members that apply only to published keys.
const ABOUT_FETCHING: [&str; 3] = ["key_set_token_file", "key_set_ca_file", "insecure_http"];

impl Table<'_, '_> {
    /// Requires exactly one source of keys. Also returns the shared secret before the present one.
    pub(super) fn keys(&mut self) -> Option<(IssuerKeys, Option<SecretBytes>)> {
        let previous = self.given_text("previous_secret_file");
        let secret = self.given_text("secret_file");
        let public = self.given_text("public_keys_file");
        let key_set = self.given_text("key_set");
        let discovery = self.member("discovery", false, "true or false", flag);
        if secret.is_none() && self.has("secret_encoding") {
            self.problem("secret_encoding", "is about secret_file, which is not set");
        }
        if secret.is_none() && previous.is_some() {
            self.problem("previous_secret_file", "comes before secret_file, which is not set");
        }
        let encoding = self.encoding()?;
        match (secret, public, key_set, discovery?) {
            (Some(path), None, None, false) => {
                let secret = self.secret("secret_file", &path, encoding);
                let previous = previous.map(|path| self.secret("previous_secret_file", &path, encoding));
                Some((IssuerKeys::Secret(secret?), previous.map_or(Some(None), |secret| secret.map(Some))?))
            }
            (None, Some(path), None, false) => {
                let text = self.file("public_keys_file", &path)?;
                Some((IssuerKeys::Public(text.as_str().to_owned()), None))
            }
            (None, None, Some(address), false) => Some((IssuerKeys::KeySet(address), None)),
            (None, None, None, true) => Some((IssuerKeys::Discovery, None)),
            _ => {
                let ways = "discovery = true, key_set, public_keys_file and secret_file";
                self.problem("keys", format!("can't be found: give exactly one of {ways}"));
                None
            }
        }
    }

    /// How published keys are fetched.
    pub(super) fn fetch(&mut self, keys: Option<&IssuerKeys>) -> Option<KeyFetch> {
        let is_fetched = matches!(keys, Some(IssuerKeys::KeySet(_) | IssuerKeys::Discovery));
        if keys.is_some() && !is_fetched {
            for name in ABOUT_FETCHING.into_iter().filter(|name| self.has(name)).collect::<Vec<_>>() {
                self.problem(name, "is about keys that are fetched, by discovery or from key_set");
            }
        }
        let insecure_http = self.member("insecure_http", false, "true or false", flag);
        let (token, ca) = (self.given_text("key_set_token_file"), self.given_text("key_set_ca_file"));
        // The files are read again for each fetch; this check reports errors at startup.
        let token_is_there = token.as_deref().is_none_or(|path| self.file("key_set_token_file", path).is_some());
        let ca_is_there = ca.as_deref().is_none_or(|path| self.has_certificate(path));
        let insecure_http = insecure_http.filter(|_| token_is_there && ca_is_there)?;
        let path = |text: Option<String>| text.map(PathBuf::from);
        let fetch = KeyFetch { token_file: path(token), ca_file: path(ca), insecure_http };
        if let Some(IssuerKeys::KeySet(address)) = keys {
            self.address(address, insecure_http)?;
            self.keep_token_hidden(&fetch, address)?;
        }
        Some(fetch)
    }

    fn has_certificate(&mut self, path: &str) -> bool {
        let Some(pem) = self.file("key_set_ca_file", path) else { return false };
        let has_one = pem.contains("-----BEGIN CERTIFICATE-----");
        if !has_one {
            self.problem("key_set_ca_file", "holds no certificate in PEM");
        }
        has_one
    }

    /// Refuses to send a token to this address without TLS.
    pub(super) fn keep_token_hidden(&mut self, fetch: &KeyFetch, address: &str) -> Option<()> {
        if fetch.token_file.is_none() || is_safe_address(address, false) {
            return Some(());
        }
        self.problem("key_set_token_file", "would be shown without TLS to whoever is on the way");
        None
    }

    /// Requires TLS, except for this machine itself, and where the configuration allows otherwise.
    fn address(&mut self, address: &str, insecure_http: bool) -> Option<()> {
        if is_safe_address(address, insecure_http) {
            return Some(());
        }
        let hint = "http:// only on this machine, or with insecure_http = true";
        self.problem("key_set", format!("is {address:?}, not an https:// address ({hint})"));
        None
    }

    fn encoding(&mut self) -> Option<SecretEncoding> {
        let name = self.member("secret_encoding", "text".to_owned(), ENCODINGS, text)?;
        let encoding = name.parse().ok();
        if encoding.is_none() {
            self.problem("secret_encoding", format!("is {name:?}, not {ENCODINGS}"));
        }
        encoding
    }

    fn secret(&mut self, name: &str, path: &str, encoding: SecretEncoding) -> Option<SecretBytes> {
        let text = self.file(name, path)?;
        let weakness_of_text = weakness(&text);
        let cause = match encoding.decode(&text) {
            Err(cause) => format!("{cause}, which secret_encoding says"),
            Ok(secret) if secret.expose().len() < SECRET_MIN => {
                format!("holds {} bytes, but HS256 needs {SECRET_MIN} (RFC 7518, 3.2)", secret.expose().len())
            }
            Ok(secret) => match weakness_of_text.or_else(|| weakness(secret.expose())) {
                None => return Some(secret),
                Some(weakness) => weakness.to_owned(),
            },
        };
        self.problem(name, cause);
        None
    }

    fn file(&mut self, name: &str, path: &str) -> Option<Zeroizing<String>> {
        match read_secret(Path::new(path)) {
            Ok(text) => Some(text),
            Err(cause) => {
                self.problem(name, format!("names a file that {cause}"));
                None
            }
        }
    }
}
