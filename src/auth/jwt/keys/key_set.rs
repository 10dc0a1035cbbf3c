//! The keys of an issuer, by their `kid`.

use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    der,
    jwk::{self, Source, Unusable},
    no_key_set::NotAKeySet,
    verification_key::VerificationKey,
};
use crate::{
    auth::{
        jwt::{KEY_ID_MAX_BYTES, algorithm::SignatureAlgorithm},
        strict_json,
    },
    domain::{denial::TokenFault, secret::SecretBytes},
};

/// The maximum number of keys in a set; further ones are not read.
const KEYS_MAX: usize = 100;
/// The maximum number of keys that are tried for a token if several match. A stranger must not decide how much we
/// compute.
pub(in crate::auth::jwt) const TRIED_MAX: usize = 8;
/// The UTF-8 byte order mark, which is ignored.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// The beginning of a PEM block.
const PEM_BEGIN: &str = "-----BEGIN ";

/// Keys for verifying tokens.
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

/// A parsed set, with the keys that are not used.
pub struct ReadKeySet {
    /// The usable keys.
    pub keys: KeySet,
    /// The keys that are not used, in the order of the set.
    pub unusable: Vec<NotUsed>,
    /// The number of keys beyond the maximum, which were not read.
    pub unread: usize,
}

/// A key of a set that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUsed {
    /// Its position in the set, from 0.
    pub place: usize,
    /// Its `kid`, if it has one.
    pub kid: Option<Box<str>>,
    /// The reason.
    pub why: Unusable,
}

/// Logs the keys of an issuer that are not used. Keys that are not meant for us are not worth a warning.
pub(in crate::auth::jwt) fn tell(issuer: &str, read: &ReadKeySet) {
    for NotUsed { place, kid, why } in &read.unusable {
        let (place, kid) = (place + 1, kid.as_deref());
        if why.is_for_others() {
            tracing::info!(issuer, kid, place, %why, "a key of an issuer is not used");
        } else {
            tracing::warn!(issuer, kid, place, %why, "a key of an issuer is not used");
        }
    }
    if read.unread > 0 {
        tracing::warn!(issuer, unread = read.unread, "only the first {KEYS_MAX} keys of an issuer's set are read");
    }
}

impl KeySet {
    /// The set of shared secrets, each for these algorithms.
    pub fn of_secrets<'a>(secrets: impl IntoIterator<Item = (&'a SecretBytes, Vec<SignatureAlgorithm>)>) -> Self {
        let key = |(secret, algorithms): (&SecretBytes, _)| {
            VerificationKey::nameless(DecodingKey::from_secret(secret.expose()), algorithms)
        };
        Self::of(secrets.into_iter().map(key))
    }

    /// The set of these keys, without duplicates.
    pub(super) fn of(keys: impl IntoIterator<Item = VerificationKey>) -> Self {
        let mut set = Self { keys: Vec::new() };
        keys.into_iter().for_each(|key| set.add(key));
        set
    }

    /// Adds a key. If the same key is already present, possibly for other algorithms, the two are merged.
    fn add(&mut self, key: VerificationKey) {
        match self.keys.iter_mut().find(|own| own.is_same_as(&key)) {
            Some(own) => {
                let further = key.algorithms.iter().filter(|algorithm| !own.algorithms.contains(algorithm));
                let further: Vec<_> = further.copied().collect();
                own.algorithms.extend(further);
            }
            None => self.keys.push(key),
        }
    }

    /// The same set, restricted to these algorithms.
    pub(in crate::auth::jwt) fn only(mut self, allowed: &[SignatureAlgorithm]) -> Self {
        for key in &mut self.keys {
            key.algorithms.retain(|algorithm| allowed.contains(algorithm));
        }
        self.keys.retain(|key| !key.algorithms.is_empty());
        self
    }

    /// Parses a JSON Web Key Set (RFC 7517 §5), or an object of named PEM blocks, as Google publishes them. A key that
    /// can't be used does not affect the others.
    ///
    /// # Errors
    /// [`NotAKeySet`] if the text is neither.
    pub fn read(text: &[u8], source: Source) -> Result<ReadKeySet, NotAKeySet> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Self::of_set(&strict_json::object(text).ok_or_else(|| NotAKeySet::text(text))?, source)
    }

    /// The same for parsed JSON.
    ///
    /// # Errors
    /// [`NotAKeySet`] without a list of keys.
    pub fn of_set(set: &Map<String, Value>, source: Source) -> Result<ReadKeySet, NotAKeySet> {
        if let Some(Value::Array(items)) = set.get("keys") {
            let items = items.iter().map(|item| {
                let kid = item.get("kid").and_then(Value::as_str).filter(|kid| kid.len() <= KEY_ID_MAX_BYTES);
                let read = item.as_object().ok_or(Unusable::Malformed).and_then(|jwk| jwk::read(jwk, source));
                (kid, read)
            });
            return Ok(Self::of_items(items));
        }
        let is_pem = |value: &Value| value.as_str().is_some_and(|text| text.trim_start().starts_with(PEM_BEGIN));
        if set.is_empty() || !set.values().all(is_pem) {
            return Err(NotAKeySet::object(set));
        }
        let items = set.iter().map(|(kid, block)| (Some(kid.as_str()), named_block(kid, block)));
        Ok(Self::of_items(items))
    }

    /// The set of one JSON Web Key.
    ///
    /// # Errors
    /// Why the key can't be used.
    pub fn of_key(jwk: &Map<String, Value>, source: Source) -> Result<Self, Unusable> {
        Ok(Self { keys: vec![jwk::read(jwk, source)?] })
    }

    fn of_items<'a>(
        items: impl ExactSizeIterator<Item = (Option<&'a str>, Result<VerificationKey, Unusable>)>,
    ) -> ReadKeySet {
        let unread = items.len().saturating_sub(KEYS_MAX);
        let (mut keys, mut unusable) = (Self { keys: Vec::new() }, Vec::new());
        for (place, (kid, read)) in items.take(KEYS_MAX).enumerate() {
            match read {
                Ok(key) => keys.add(key),
                Err(why) => unusable.push(NotUsed { place, kid: kid.map(Into::into), why }),
            }
        }
        ReadKeySet { keys, unusable, unread }
    }

    /// Whether the set can't verify any token.
    pub fn is_empty(&self) -> bool {
        self.keys.iter().all(|key| key.algorithms.is_empty())
    }

    /// A hash of what the set verifies. Sets of the same keys in any order have the same hash.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut fingerprints: Vec<_> = self.keys.iter().map(VerificationKey::fingerprint).collect();
        fingerprints.sort_unstable();
        Sha256::digest(fingerprints.concat()).into()
    }

    /// The keys that a header can select, all for `algorithm`. There are several if the header does not distinguish
    /// them.
    pub(in crate::auth::jwt) fn meant(
        &self,
        kid: Option<&str>,
        algorithm: Option<SignatureAlgorithm>,
        issuer: Option<&str>,
    ) -> Result<(SignatureAlgorithm, impl Iterator<Item = &DecodingKey>), TokenFault> {
        let is_named = move |key: &&VerificationKey| kid.is_some() && key.kid.as_deref() == kid;
        let some_is_named = self.keys.iter().any(|key| is_named(&key));
        // A `kid` that no key has may still select a key without a `kid`.
        let is_meant = move |key: &&VerificationKey| {
            let by_name = if some_is_named { is_named(key) } else { kid.is_none() || key.kid.is_none() };
            by_name && issuer.is_none_or(|issuer| key.is_of(issuer))
        };
        if !self.keys.iter().any(|key| is_meant(&key)) {
            return Err(TokenFault::KeyUnknown);
        }
        let algorithm = algorithm.ok_or(TokenFault::Algorithm)?;
        let fits = move |key: &&VerificationKey| is_meant(key) && key.algorithms.contains(&algorithm);
        let mut fitting = self.keys.iter().filter(fits).peekable();
        match fitting.peek() {
            Some(_) => Ok((algorithm, fitting.map(|key| &key.key))),
            None => Err(TokenFault::Algorithm),
        }
    }

    /// The maximum number of keys that a token with a `kid` can't distinguish.
    pub(super) fn most_alike(&self) -> usize {
        let alike = |key: &VerificationKey, algorithm: &SignatureAlgorithm| {
            self.keys.iter().filter(|other| other.kid == key.kid && other.algorithms.contains(algorithm)).count()
        };
        let counts = self.keys.iter().flat_map(|key| key.algorithms.iter().map(move |own| alike(key, own)));
        counts.max().unwrap_or(0)
    }
}

/// Reads a named certificate or public key in PEM.
fn named_block(kid: &str, block: &Value) -> Result<VerificationKey, Unusable> {
    if kid.len() > KEY_ID_MAX_BYTES {
        return Err(Unusable::Malformed);
    }
    let text = block.as_str().unwrap_or_default().trim_start();
    if text.contains("PRIVATE KEY-----") {
        return Err(Unusable::Secret);
    }
    let block = pem::parse(text).map_err(|_| Unusable::Malformed)?;
    // The parser would skip a broken block before it.
    if !text.starts_with(&format!("{PEM_BEGIN}{}-----", block.tag())) {
        return Err(Unusable::Malformed);
    }
    let key = match block.tag() {
        "CERTIFICATE" => der::read_certificate(block.contents())?,
        "PUBLIC KEY" => der::read(block.contents())?,
        _ => return Err(Unusable::Unknown),
    };
    Ok(VerificationKey { kid: Some(kid.into()), ..key })
}
