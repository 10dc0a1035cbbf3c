//! One key, and the algorithms that it may verify.

use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};
use sha2::{Digest, Sha256};

use crate::auth::jwt::algorithm::SignatureAlgorithm;

/// The accepted sizes of RSA moduli, in bits: shorter ones are weak (RFC 7518 §3.3), longer ones cost too much
/// computation.
pub(super) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Microsoft Entra ID's placeholder for a tenant's id.
const TENANT: &str = "{tenantid}";

/// A key with its algorithms: the key decides the algorithm (RFC 8725 §3.1).
pub(in crate::auth::jwt) struct VerificationKey {
    /// The `kid`, which need not be unique.
    pub(super) kid: Option<Box<str>>,
    /// The only issuer whose tokens the key may verify, if the set names one, as Microsoft Entra ID does.
    pub(super) issuer: Option<Box<str>>,
    /// All of one family.
    pub(in crate::auth::jwt) algorithms: Vec<SignatureAlgorithm>,
    pub(super) key: DecodingKey,
}

impl VerificationKey {
    /// A key without a `kid`.
    pub(in crate::auth::jwt) fn nameless(key: DecodingKey, algorithms: Vec<SignatureAlgorithm>) -> Self {
        Self { kid: None, issuer: None, algorithms, key }
    }

    /// Whether the key may verify tokens with this `iss`. If its issuer contains a placeholder, it is valid for every
    /// tenant.
    pub(super) fn is_of(&self, issuer: &str) -> bool {
        self.issuer.as_deref().is_none_or(|own| own == issuer || own.contains(TENANT))
    }

    /// Whether both are the same key with the same `kid`.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.kid == other.kid && self.issuer == other.issuer && self.material() == other.material()
    }

    /// A digest of the key material, without `kid` and algorithms. A digest, because the key may be a secret.
    fn material(&self) -> [u8; 32] {
        let family = match self.key.family() {
            AlgorithmFamily::Hmac => 0,
            AlgorithmFamily::Rsa => 1,
            AlgorithmFamily::Ec => 2,
            AlgorithmFamily::Ed => 3,
        };
        let parts: [&[u8]; 2] = match self.key.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => [bytes, &[]],
            DecodingKeyKind::RsaModulusExponent { n, e } => [n, e],
        };
        let mut hash = Sha256::new_with_prefix([family]);
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// A hash of everything that determines what the key verifies.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.material());
        for name in [&self.kid, &self.issuer] {
            let length = name.as_ref().map_or(u64::MAX, |name| name.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(name.as_deref().unwrap_or_default());
        }
        for algorithm in SignatureAlgorithm::ALL {
            hash.update([u8::from(self.algorithms.contains(&algorithm))]);
        }
        hash.finalize().into()
    }
}

/// The number of bits of a number whose first byte is not zero.
pub(super) fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
