//! The signature algorithms that Keyward verifies.

use jsonwebtoken::Algorithm;

use crate::domain::worded_enum::worded_enum;

worded_enum! {
    /// A signature algorithm of RFC 7518 §3.1 or RFC 8037 §3.1, by its `alg` name. `none` is not among them.
    #[allow(missing_docs, reason = "each is named as its RFC names it")]
    pub enum SignatureAlgorithm {
        Hs256 => "HS256",
        Hs384 => "HS384",
        Hs512 => "HS512",
        Rs256 => "RS256",
        Rs384 => "RS384",
        Rs512 => "RS512",
        Ps256 => "PS256",
        Ps384 => "PS384",
        Ps512 => "PS512",
        Es256 => "ES256",
        Es384 => "ES384",
        /// With the curve Ed25519 only.
        EdDsa => "EdDSA",
    }
}

impl SignatureAlgorithm {
    /// The algorithms with an RSA key; every such key can be used with all of them.
    pub(super) const RSA: [Self; 6] = [Self::Rs256, Self::Rs384, Self::Rs512, Self::Ps256, Self::Ps384, Self::Ps512];
    /// The algorithms with a key on a NIST curve, each with a curve of its own.
    pub(super) const EC: [Self; 2] = [Self::Es256, Self::Es384];
    /// The algorithms with a shared secret, the shortest hash first.
    pub(super) const HMAC: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The algorithm with this `alg` name. `Ed25519` means EdDSA with that curve (RFC 9864 §2.2).
    pub fn named(name: &str) -> Option<Self> {
        if name == "Ed25519" { Some(Self::EdDsa) } else { Self::of(name) }
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
