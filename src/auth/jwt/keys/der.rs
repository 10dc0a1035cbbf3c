//! Public keys in DER: as `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), as `RSAPublicKey` (RFC 8017, appendix A.1.1), and
//! in certificates.
//!
//! All supported kinds except RSA have exactly one encoding. So the bytes before the key can be compared, and we need
//! no parser for untrusted input.

use aws_lc_rs::{
    rsa::PublicKey,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, VerificationAlgorithm},
};
use jsonwebtoken::DecodingKey;
use rustls_pki_types::CertificateDer;

use super::verification_key::{RSA_BITS, VerificationKey, bits};
use crate::auth::jwt::algorithm::SignatureAlgorithm;

/// RFC 5480 §2.1.1, followed by the uncompressed point.
const P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// RFC 5480 §2.1.1, followed by the uncompressed point.
const P384: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
/// RFC 8410 §4.
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// The length of an Ed25519 key, in bytes.
const ED25519_LENGTH: usize = 32;

/// DER encodings of key types and curves, for error messages. The first match counts.
const KINDS: [(&[u8], &str); 12] = [
    (b"\x06\x05\x2b\x81\x04\x00\x0a", "a key on the curve secp256k1"),
    (b"\x06\x05\x2b\x81\x04\x00\x23", "a key on the curve P-521 (ES512)"),
    (b"\x06\x05\x2b\x81\x04\x00\x21", "a key on the curve P-224"),
    (b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", "a key on P-256 whose point is compressed or broken"),
    (b"\x06\x05\x2b\x81\x04\x00\x22", "a key on P-384 whose point is compressed or broken"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", "a key on another curve"),
    (b"\x06\x03\x2b\x65\x71", "an Ed448 key"),
    (b"\x06\x03\x2b\x65\x6e", "an X25519 key, which signs nothing"),
    (b"\x06\x03\x2b\x65\x6f", "an X448 key, which signs nothing"),
    (b"\x06\x07\x2a\x86\x48\xce\x38\x04\x01", "a DSA key"),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "an RSASSA-PSS key: give it as rsaEncryption"),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01", "a Diffie-Hellman key, which signs nothing"),
];
/// An upper bound for the end of the key type, and a lower bound for the beginning of the key.
const KIND_END: usize = 26;

/// Why a DER key can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DerFault {
    #[error("is RSA with {0} bits: {min} to {max} are taken", min = RSA_BITS.start(), max = RSA_BITS.end())]
    RsaBits(usize),
    #[error("is {0}: RSA, P-256, P-384 and Ed25519 are taken")]
    Kind(&'static str),
    #[error("is not a key in DER, or its point is not on its curve")]
    Broken,
    #[error("is not a certificate (RFC 5280)")]
    Certificate,
}

/// Reads the key of a `SubjectPublicKeyInfo`.
pub(super) fn read(der: &[u8]) -> Result<VerificationKey, DerFault> {
    let curve = |point, curve: &'static dyn VerificationAlgorithm, algorithm| {
        ParsedPublicKey::new(curve, point).map_err(|_| DerFault::Broken)?;
        Ok(VerificationKey::nameless(DecodingKey::from_ec_der(point), vec![algorithm]))
    };
    if let Some(point) = der.strip_prefix(P256) {
        return curve(point, &ECDSA_P256_SHA256_FIXED, SignatureAlgorithm::Es256);
    }
    if let Some(point) = der.strip_prefix(P384) {
        return curve(point, &ECDSA_P384_SHA384_FIXED, SignatureAlgorithm::Es384);
    }
    if let Some(key) = der.strip_prefix(ED25519).filter(|key| key.len() == ED25519_LENGTH) {
        return Ok(VerificationKey::nameless(DecodingKey::from_ed_der(key), vec![SignatureAlgorithm::EdDsa]));
    }
    let beginning = &der[..der.len().min(KIND_END)];
    let is_named = |name: &[u8]| beginning.windows(name.len()).any(|window| window == name);
    match KINDS.iter().find(|(name, _)| is_named(name)) {
        Some((_, kind)) => Err(DerFault::Kind(kind)),
        None => read_rsa(der),
    }
}

/// Reads the key of an `RSAPublicKey`, alone or within a `SubjectPublicKeyInfo`.
pub(super) fn read_rsa(der: &[u8]) -> Result<VerificationKey, DerFault> {
    let key = PublicKey::from_der(der).map_err(|_| DerFault::Broken)?;
    let (modulus, exponent) = (key.modulus(), key.exponent());
    let modulus = modulus.big_endian_without_leading_zero();
    let bits = bits(modulus);
    if !RSA_BITS.contains(&bits) {
        return Err(DerFault::RsaBits(bits));
    }
    let key = DecodingKey::from_rsa_raw_components(modulus, exponent.big_endian_without_leading_zero());
    Ok(VerificationKey::nameless(key, SignatureAlgorithm::RSA.to_vec()))
}

/// Reads the key of a certificate. The source of the certificate is trusted for the key, so neither its signature nor
/// its dates are checked (RFC 7517 §4.7 also uses certificates only to convey keys).
pub(super) fn read_certificate(der: &[u8]) -> Result<VerificationKey, DerFault> {
    let certificate = CertificateDer::from(der);
    let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|_| DerFault::Certificate)?;
    read(&webpki::spki_for_anchor(&anchor))
}
