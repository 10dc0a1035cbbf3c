//! Public keys that an operator hands in: PEM blocks (RFC 7468), or a JSON Web Key Set.

use jsonwebtoken::DecodingKey;

use super::{
    algorithm::SignatureAlgorithm,
    key_set::{KeySet, Source, VerificationKey},
};

const BEGIN: &str = "-----BEGIN ";

/// Reads the keys; all of them must be ones that we can use.
pub(super) fn read(text: &str) -> Result<KeySet, String> {
    if text.trim_start().starts_with('{') {
        let read = KeySet::read(text.as_bytes(), Source::Operator).map_err(|error| error.to_string())?;
        return match read.unusable.first() {
            None => Ok(read.keys),
            Some((place, why)) => Err(format!("number {} is {why}", place + 1)),
        };
    }
    let blocks: Vec<&str> = text.split(BEGIN).skip(1).collect();
    let keys: Option<Vec<_>> = blocks.iter().map(|block| key(&format!("{BEGIN}{block}"))).collect();
    match keys {
        Some(keys) if !keys.is_empty() => Ok(KeySet::of(keys)),
        _ => {
            Err("the file holds neither PEM blocks of public keys (RSA, P-256, P-384, Ed25519) nor a key set"
                .to_owned())
        }
    }
}

fn key(block: &str) -> Option<VerificationKey> {
    let named = |key, algorithms| Some(VerificationKey { kid: None, algorithms, key });
    let bytes = block.as_bytes();
    if let Ok(key) = DecodingKey::from_rsa_pem(bytes) {
        return named(key, SignatureAlgorithm::RSA.to_vec());
    }
    if let Ok(key) = DecodingKey::from_ec_pem(bytes) {
        // The length of an uncompressed point tells the curve (SEC 1 §2.3.3).
        let algorithm = match key.try_get_as_bytes().ok()?.len() {
            65 => SignatureAlgorithm::Es256,
            97 => SignatureAlgorithm::Es384,
            _ => return None,
        };
        return named(key, vec![algorithm]);
    }
    named(DecodingKey::from_ed_pem(bytes).ok()?, vec![SignatureAlgorithm::EdDsa])
}
