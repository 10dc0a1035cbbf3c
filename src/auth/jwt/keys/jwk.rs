//! One JSON Web Key (RFC 7517): the key, and the algorithms that it may verify.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::{
    der::{self, DerFault},
    verification_key::{RSA_BITS, VerificationKey, bits},
};
use crate::auth::jwt::{KEY_ID_MAX_BYTES, algorithm::SignatureAlgorithm};

/// Members that exist only in private keys and secrets (RFC 7518 §6.2.2, §6.3.2, §6.4.1). Any one of them reveals the
/// private key.
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The origin of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A public URL, or a file for public keys: secrets and private keys are refused.
    Remote,
    /// The operator.
    Operator,
}

/// Why a key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unusable {
    /// An unknown `kty` or `crv` (RFC 7517 §5: to be ignored).
    #[error("a kind of key that is not known")]
    Unknown,
    /// A member is absent, or has the wrong type or encoding.
    #[error("not written as its kind of key must be")]
    Malformed,
    /// `use` is not `sig`, or `key_ops` lacks `verify` (RFC 7517 §4.2, §4.3).
    #[error("not meant for verifying signatures")]
    Purpose,
    /// `alg` does not fit this kind of key (RFC 7517 §4.4).
    #[error("its algorithm does not fit its kind")]
    Algorithm,
    /// An unknown `alg`, for signatures or anything else.
    #[error("for an algorithm that is not known")]
    UnknownAlgorithm,
    /// RSA with fewer than 2048 or more than 8192 bits, or a secret shorter than its hash.
    #[error("too weak, or too large")]
    Size,
    /// A secret or a private key in a public place.
    #[error("a secret in a place that is not secret")]
    Secret,
}

impl Unusable {
    /// Whether the set is valid, and the key is simply not meant for us.
    pub(super) fn is_for_others(self) -> bool {
        matches!(self, Self::Unknown | Self::UnknownAlgorithm | Self::Purpose)
    }
}

impl From<DerFault> for Unusable {
    fn from(fault: DerFault) -> Self {
        match fault {
            DerFault::RsaBits(_) => Self::Size,
            DerFault::Kind(_) => Self::Unknown,
            DerFault::Broken | DerFault::Certificate => Self::Malformed,
        }
    }
}

/// Reads a key, if it is usable.
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
    let able = match (kind, jwk.get("x5c")) {
        ("RSA", Some(chain)) if !jwk.contains_key("n") => certified(chain, &SignatureAlgorithm::RSA)?,
        ("EC", Some(chain)) if !jwk.contains_key("x") => certified(chain, &SignatureAlgorithm::EC)?,
        ("RSA", _) => rsa(jwk)?,
        ("EC", _) => elliptic_curve(jwk)?,
        ("OKP", _) => octet_key_pair(jwk)?,
        ("oct", _) => secret(jwk)?,
        _ => return Err(Unusable::Unknown),
    };
    let algorithms = match text(jwk, "alg")? {
        None => able.algorithms,
        Some(name) => {
            let named = SignatureAlgorithm::named(name).ok_or(Unusable::UnknownAlgorithm)?;
            let fits = able.algorithms.contains(&named);
            vec![fits.then_some(named).ok_or(Unusable::Algorithm)?]
        }
    };
    // `issuer` is not in RFC 7517; Microsoft Entra ID uses it. If other sets use it with this meaning, it is a string
    // too.
    let issuer = jwk.get("issuer").and_then(Value::as_str).map(Into::into);
    Ok(VerificationKey { kid, issuer, algorithms, key: able.key })
}

/// Reads the key of the first certificate in a chain (RFC 7517 §4.7), which must be of this kind. Used if the members
/// with the key itself are absent.
fn certified(chain: &Value, kind: &[SignatureAlgorithm]) -> Result<VerificationKey, Unusable> {
    let first = chain.get(0).and_then(Value::as_str).ok_or(Unusable::Malformed)?;
    let certificate = STANDARD.decode(first).map_err(|_| Unusable::Malformed)?;
    let key = der::read_certificate(&certificate)?;
    let fits = key.algorithms.iter().all(|algorithm| kind.contains(algorithm));
    if fits { Ok(key) } else { Err(Unusable::Malformed) }
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

/// An RSA key (RFC 7518 §6.3.1).
fn rsa(jwk: &Map<String, Value>) -> Result<VerificationKey, Unusable> {
    let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let (modulus, exponent) = (number(&modulus)?, number(&exponent)?);
    if !RSA_BITS.contains(&bits(modulus)) {
        return Err(Unusable::Size);
    }
    let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
    Ok(VerificationKey::nameless(key, SignatureAlgorithm::RSA.to_vec()))
}

/// A key on an elliptic curve (RFC 7518 §6.2.1). Whether the point is on the curve is checked when the key is used.
fn elliptic_curve(jwk: &Map<String, Value>) -> Result<VerificationKey, Unusable> {
    let (length, algorithm) = match text(jwk, "crv")?.ok_or(Unusable::Malformed)? {
        "P-256" => (32, SignatureAlgorithm::Es256),
        "P-384" => (48, SignatureAlgorithm::Es384),
        _ => return Err(Unusable::Unknown),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return Err(Unusable::Malformed);
    }
    // The uncompressed form (SEC 1 §2.3.3).
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    Ok(VerificationKey::nameless(DecodingKey::from_ec_der(&point), vec![algorithm]))
}

/// An Ed25519 key (RFC 8037 §2).
fn octet_key_pair(jwk: &Map<String, Value>) -> Result<VerificationKey, Unusable> {
    if text(jwk, "crv")?.ok_or(Unusable::Malformed)? != "Ed25519" {
        return Err(Unusable::Unknown);
    }
    let x = bytes(jwk, "x")?;
    if x.len() != 32 {
        return Err(Unusable::Malformed);
    }
    Ok(VerificationKey::nameless(DecodingKey::from_ed_der(&x), vec![SignatureAlgorithm::EdDsa]))
}

/// A shared secret (RFC 7518 §6.4).
fn secret(jwk: &Map<String, Value>) -> Result<VerificationKey, Unusable> {
    let secret = zeroize::Zeroizing::new(bytes(jwk, "k")?);
    let able: Vec<_> =
        SignatureAlgorithm::HMAC.into_iter().filter(|algorithm| secret.len() >= algorithm.shortest_secret()).collect();
    if able.is_empty() {
        return Err(Unusable::Size);
    }
    Ok(VerificationKey::nameless(DecodingKey::from_secret(&secret), able))
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Unusable> {
    jwk.get(name).map(|value| value.as_str().ok_or(Unusable::Malformed)).transpose()
}

/// Decodes base64url in its only valid encoding (RFC 7515 §2).
fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Unusable> {
    let text = text(jwk, name)?.ok_or(Unusable::Malformed)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Unusable::Malformed)
}

/// A positive number. RFC 7518 §2 requires the minimal encoding (Base64urlUInt), but the encoding of Java's
/// `BigInteger` has a leading zero for the sign, which does not change the number.
fn number(bytes: &[u8]) -> Result<&[u8], Unusable> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    if zeros == bytes.len() { Err(Unusable::Malformed) } else { Ok(&bytes[zeros..]) }
}
