//! What is asked of whoever sends a request.

use crate::domain::scope::required::RequiredScope;

/// Which credentials are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// API keys, in `x-api-key`; where that is missing, in `Authorization: Bearer`. There, what has not the form of a key of
    /// Keyward's is not looked at, and may serve another purpose.
    Keys,
    /// JWTs, in `Authorization: Bearer`. `x-api-key` is not looked at.
    Tokens,
    /// Either: a key in either header, a JWT in `Authorization`. A JWT has points between its parts, and a key has none. A
    /// request with both headers is refused, for two readers could choose different ones (RFC 6750 §3.1).
    KeysAndTokens,
}

#[derive(Clone)]
pub(super) struct Rules {
    pub(super) credentials: Credentials,
    pub(super) scopes: Vec<RequiredScope>,
    /// Whether a request without any credential is let through.
    pub(super) optional: bool,
}

impl Rules {
    /// Any good credential.
    pub(super) fn any_of(credentials: Credentials) -> Self {
        Self { credentials, scopes: Vec::new(), optional: false }
    }
}
