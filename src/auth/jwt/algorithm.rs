//! The signature algorithms that Keyward verifies.

use jsonwebtoken::Algorithm;

/// A signature algorithm of RFC 7518 §3.1 or RFC 8037 §3.1. `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named as its RFC names it")]
pub enum SignatureAlgorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    /// With the curve Ed25519 only.
    EdDsa,
}

impl SignatureAlgorithm {
    /// Every algorithm.
    pub(super) const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];
    /// The algorithms with an RSA key; every such key can be used with all of them.
    pub(super) const RSA: [Self; 6] = [Self::Rs256, Self::Rs384, Self::Rs512, Self::Ps256, Self::Ps384, Self::Ps512];
    /// The algorithms with a key on a NIST curve, each with a curve of its own.
    pub(super) const EC: [Self; 2] = [Self::Es256, Self::Es384];
    /// The algorithms with a shared secret, the shortest hash first.
    pub(super) const HMAC: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The algorithm with this `alg` name. `Ed25519` means EdDSA with that curve (RFC 9864 §2.2).
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    /// The minimum length of a shared secret in bytes, which is the length of the hash (RFC 7518 §3.2).
    pub(super) fn shortest_secret(self) -> usize {
        match self {
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 32,
        }
    }

    /// The algorithm in the types of `jsonwebtoken`.
    pub(super) fn to_jsonwebtoken(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Hs384 => Algorithm::HS384,
            Self::Hs512 => Algorithm::HS512,
            Self::Rs256 => Algorithm::RS256,
            Self::Rs384 => Algorithm::RS384,
            Self::Rs512 => Algorithm::RS512,
            Self::Ps256 => Algorithm::PS256,
            Self::Ps384 => Algorithm::PS384,
            Self::Ps512 => Algorithm::PS512,
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

impl From<crate::config::JwtAlgorithm> for SignatureAlgorithm {
    fn from(configured: crate::config::JwtAlgorithm) -> Self {
        use crate::config::JwtAlgorithm;
        match configured {
            JwtAlgorithm::Hs256 => Self::Hs256,
            JwtAlgorithm::Hs384 => Self::Hs384,
            JwtAlgorithm::Hs512 => Self::Hs512,
        }
    }
}
