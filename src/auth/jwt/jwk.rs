//! One JSON Web Key (RFC 7517): which key it is, and which algorithms it may verify.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::{
    KEY_ID_MAX_BYTES,
    algorithm::SignatureAlgorithm,
    key_set::{Source, VerificationKey},
};

/// Moduli that we use, in bits: shorter ones are weak (RFC 7518 §3.3), longer ones a way to make us work.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Members that only private keys and secrets have (RFC 7518 §6.2.2, §6.3.2, §6.4.1). With one of them, the
/// others can be computed.
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A `kty` or `crv` that we don't know (RFC 7517 §5: to be ignored).
    #[error("a kind of key that is not known")]
    Unknown,
    /// A member is missing, of another type, or not written as it must be.
    #[error("not written as its kind of key must be")]
    Malformed,
    /// `use` is not `sig`, or `key_ops` lacks `verify` (RFC 7517 §4.2, §4.3).
    #[error("not meant for verifying signatures")]
    Purpose,
    /// `alg` is none that this kind of key can be used with (RFC 7517 §4.4).
    #[error("its algorithm does not fit its kind")]
    Algorithm,
    /// RSA under 2048 or over 8192 bits, or a secret that is shorter than its hash.
    #[error("too weak, or too large")]
    Size,
    /// A secret or a private key where anybody can read it.
    #[error("a secret in a place that is not secret")]
    Secret,
    /// Another key of the set has the same `kid`, so the name names neither.
    #[error("two keys have its name")]
    Duplicate,
}

/// Reads a key, as far as it can be used.
pub(super) fn read(jwk: &Map<String, Value>, source: Source) -> Result<VerificationKey, Unusable> {
    let kind = text(jwk, "kty")?.ok_or(Unusable::Malformed)?;
    if source == Source::Remote && (kind == "oct" || SECRET_MEMBERS.iter().any(|name| jwk.contains_key(*name))) {
        return Err(Unusable::Secret);
    }
    check_purpose(jwk)?;
    let kid = text(jwk, "kid")?.filter(|kid| kid.len() <= KEY_ID_MAX_BYTES).map(Into::into);
    if kid.is_none() && jwk.contains_key("kid") {
        return Err(Unusable::Malformed);
    }
    let (key, able) = match kind {
        "RSA" => rsa(jwk)?,
        "EC" => elliptic_curve(jwk)?,
        "OKP" => octet_key_pair(jwk)?,
        "oct" => secret(jwk)?,
        _ => return Err(Unusable::Unknown),
    };
    let algorithms = match text(jwk, "alg")? {
        None => able,
        Some(name) => {
            let named = SignatureAlgorithm::named(name).filter(|algorithm| able.contains(algorithm));
            vec![named.ok_or(Unusable::Algorithm)?]
        }
    };
    Ok(VerificationKey { kid, algorithms, key })
}

fn check_purpose(jwk: &Map<String, Value>) -> Result<(), Unusable> {
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(Unusable::Purpose);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(_) => Err(Unusable::Purpose),
    }
}

type Able = (DecodingKey, Vec<SignatureAlgorithm>);

/// RFC 7518 §6.3.1.
fn rsa(jwk: &Map<String, Value>) -> Result<Able, Unusable> {
    let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
    let bits = modulus.len() * 8 - modulus[0].leading_zeros() as usize;
    if !RSA_BITS.contains(&bits) {
        return Err(Unusable::Size);
    }
    let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    Ok((key, SignatureAlgorithm::RSA.to_vec()))
}

/// RFC 7518 §6.2.1. That the point is on the curve is asked when it is used.
fn elliptic_curve(jwk: &Map<String, Value>) -> Result<Able, Unusable> {
    let (length, algorithm) = match text(jwk, "crv")?.ok_or(Unusable::Malformed)? {
        "P-256" => (32, SignatureAlgorithm::Es256),
        "P-384" => (48, SignatureAlgorithm::Es384),
        _ => return Err(Unusable::Unknown),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return Err(Unusable::Malformed);
    }
    // SEC 1 §2.3.3: the uncompressed form.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    Ok((DecodingKey::from_ec_der(&point), vec![algorithm]))
}

/// RFC 8037 §2.
fn octet_key_pair(jwk: &Map<String, Value>) -> Result<Able, Unusable> {
    if text(jwk, "crv")?.ok_or(Unusable::Malformed)? != "Ed25519" {
        return Err(Unusable::Unknown);
    }
    let x = bytes(jwk, "x")?;
    if x.len() != 32 {
        return Err(Unusable::Malformed);
    }
    Ok((DecodingKey::from_ed_der(&x), vec![SignatureAlgorithm::EdDsa]))
}

/// RFC 7518 §6.4.
fn secret(jwk: &Map<String, Value>) -> Result<Able, Unusable> {
    let secret = zeroize::Zeroizing::new(bytes(jwk, "k")?);
    let able: Vec<_> =
        SignatureAlgorithm::HMAC.into_iter().filter(|algorithm| secret.len() >= algorithm.shortest_secret()).collect();
    if able.is_empty() { Err(Unusable::Size) } else { Ok((DecodingKey::from_secret(&secret), able)) }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Unusable> {
    jwk.get(name).map(|value| value.as_str().ok_or(Unusable::Malformed)).transpose()
}

/// Bytes in the one spelling that base64url has for them (RFC 7515 §2).
fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Unusable> {
    let text = text(jwk, name)?.ok_or(Unusable::Malformed)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Unusable::Malformed)
}

/// A number above zero in as few bytes as it takes (RFC 7518 §2, Base64urlUInt).
fn number(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Unusable> {
    let bytes = bytes(jwk, name)?;
    if bytes.first().is_none_or(|first| *first == 0) { Err(Unusable::Malformed) } else { Ok(bytes) }
}
