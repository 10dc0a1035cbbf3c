//! One key, and what it may verify.

use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};
use sha2::{Digest, Sha256};

use crate::auth::jwt::algorithm::SignatureAlgorithm;

/// Moduli that we use, in bits: shorter ones are weak (RFC 7518 §3.3), longer ones a way to make us work.
pub(super) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What Microsoft Entra ID writes in place of a tenant's id.
const TENANT: &str = "{tenantid}";

/// One key, and what it may verify: the key decides the algorithm (RFC 8725 §3.1).
pub(in crate::auth::jwt) struct VerificationKey {
    /// Its name, which need not be its alone.
    pub(super) kid: Option<Box<str>>,
    /// The one issuer whose tokens it may verify, where the set names one for each key, as Microsoft Entra ID's do.
    pub(super) issuer: Option<Box<str>>,
    /// Never of more than one family.
    pub(in crate::auth::jwt) algorithms: Vec<SignatureAlgorithm>,
    pub(super) key: DecodingKey,
}

impl VerificationKey {
    /// A key without a name.
    pub(in crate::auth::jwt) fn nameless(key: DecodingKey, algorithms: Vec<SignatureAlgorithm>) -> Self {
        Self { kid: None, issuer: None, algorithms, key }
    }

    /// Whether it may verify tokens with this `iss`. A key whose issuer has a placeholder is every tenant's.
    pub(super) fn is_of(&self, issuer: &str) -> bool {
        self.issuer.as_deref().is_none_or(|own| own == issuer || own.contains(TENANT))
    }

    /// Whether the two are one key under one name.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.kid == other.kid && self.issuer == other.issuer && self.material() == other.material()
    }

    /// What the key is, apart from its name and its use. A digest, for it may be of a secret.
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

    /// Names the key with all that decides what it verifies.
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

/// How many bits a number has, whose first byte is not zero.
pub(super) fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
