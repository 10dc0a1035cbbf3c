//! The keys that an issuer signs with, by name.

use std::collections::HashMap;

use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::{
    algorithm::SignatureAlgorithm,
    jwk::{self, Unusable},
};
use crate::{
    auth::strict_json,
    domain::{secret::SecretString, verdict::TokenFault},
};

/// Keys in one set, of which further ones are not read.
const KEYS_MAX: usize = 100;

/// Keys that tokens are verified with.
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

/// One key, and what it may verify: the key decides the algorithm (RFC 8725 §3.1).
pub(super) struct VerificationKey {
    pub(super) kid: Option<Box<str>>,
    pub(super) algorithms: Vec<SignatureAlgorithm>,
    pub(super) key: DecodingKey,
}

/// Where a set comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From an address that anybody may read: secrets and private keys have no place there.
    Remote,
    /// From whoever runs us.
    Operator,
}

/// The text is not a set of keys (RFC 7517 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Web Key Set")]
pub struct NotAKeySet;

/// A set, and what of it is not used.
pub struct ReadKeySet {
    /// What is.
    pub keys: KeySet,
    /// By their place in the set.
    pub unusable: Vec<(usize, Unusable)>,
}

impl KeySet {
    /// The set of one shared secret, used with these algorithms.
    pub fn of_secret(secret: &SecretString, algorithms: &[SignatureAlgorithm]) -> Self {
        let key = DecodingKey::from_secret(secret.expose().as_bytes());
        Self::of(vec![VerificationKey { kid: None, algorithms: algorithms.to_vec(), key }])
    }

    pub(super) fn of(keys: Vec<VerificationKey>) -> Self {
        Self { keys }
    }

    /// The same, used with no other algorithms than these.
    pub(super) fn only(mut self, allowed: &[SignatureAlgorithm]) -> Self {
        for key in &mut self.keys {
            key.algorithms.retain(|algorithm| allowed.contains(algorithm));
        }
        self.keys.retain(|key| !key.algorithms.is_empty());
        self
    }

    /// Reads a JSON Web Key Set (RFC 7517 §5). A key that can't be used does not take the others with it.
    ///
    /// # Errors
    /// [`NotAKeySet`] for a text that is none.
    pub fn read(json: &[u8], source: Source) -> Result<ReadKeySet, NotAKeySet> {
        Self::of_set(&strict_json::object(json).ok_or(NotAKeySet)?, source)
    }

    /// The same of JSON that was read.
    ///
    /// # Errors
    /// [`NotAKeySet`] without a list of keys.
    pub fn of_set(set: &Map<String, Value>, source: Source) -> Result<ReadKeySet, NotAKeySet> {
        match set.get("keys") {
            Some(Value::Array(items)) => Ok(Self::of_items(items, source)),
            _ => Err(NotAKeySet),
        }
    }

    /// The set of one JSON Web Key.
    ///
    /// # Errors
    /// Why it can't be used.
    pub fn of_key(jwk: &Map<String, Value>, source: Source) -> Result<Self, Unusable> {
        Ok(Self { keys: vec![jwk::read(jwk, source)?] })
    }

    fn of_items(items: &[Value], source: Source) -> ReadKeySet {
        let mut names: HashMap<&str, usize> = HashMap::new();
        for name in items.iter().filter_map(|item| item.get("kid")?.as_str()) {
            *names.entry(name).or_default() += 1;
        }
        let (mut keys, mut unusable) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().take(KEYS_MAX).enumerate() {
            let read = match item {
                Value::Object(jwk) => jwk::read(jwk, source),
                _ => Err(Unusable::Malformed),
            };
            match read {
                Ok(key) if key.kid.as_deref().is_some_and(|kid| names[kid] > 1) => {
                    unusable.push((place, Unusable::Duplicate));
                }
                Ok(key) => keys.push(key),
                Err(why) => unusable.push((place, why)),
            }
        }
        ReadKeySet { keys: Self { keys }, unusable }
    }

    /// Whether no token can be verified with it.
    pub fn is_empty(&self) -> bool {
        self.keys.iter().all(|key| key.algorithms.is_empty())
    }

    /// The one key that a header can mean. Where several could be meant, none is: to try all of them
    /// would let a stranger choose how much we compute.
    pub(super) fn find(
        &self,
        kid: Option<&str>,
        algorithm: Option<SignatureAlgorithm>,
    ) -> Result<(&DecodingKey, SignatureAlgorithm), TokenFault> {
        let is_named = |key: &&VerificationKey| kid.is_some() && key.kid.as_deref() == kid;
        let some_is_named = self.keys.iter().any(|key| is_named(&key));
        // A name that none of the keys has may still mean one that has no name.
        let is_meant = |key: &&VerificationKey| {
            if some_is_named { is_named(key) } else { kid.is_none() || key.kid.is_none() }
        };
        let mut meant = self.keys.iter().filter(is_meant).peekable();
        if meant.peek().is_none() {
            return Err(TokenFault::KeyUnknown);
        }
        let algorithm = algorithm.ok_or(TokenFault::Algorithm)?;
        let mut fitting = meant.filter(|key| key.algorithms.contains(&algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok((&key.key, algorithm)),
            (None, _) => Err(TokenFault::Algorithm),
            _ => Err(TokenFault::KeyAmbiguous),
        }
    }
}
