//! The requirements of a check.

use crate::domain::scope::required::RequiredScope;

/// The kinds of credentials that a check accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// API keys, in `x-api-key` or otherwise in `Authorization: Bearer`. Bearer tokens without the form of a Keyward
    /// key are ignored; they may serve another purpose.
    Keys,
    /// JWTs, in `Authorization: Bearer`. `x-api-key` is ignored.
    Tokens,
    /// Both: keys in either header, JWTs in `Authorization`. They are distinguished by dots, which every JWT has and no
    /// key has. A request with both headers is refused, because two readers could choose different ones (RFC 6750
    /// §3.1).
    KeysAndTokens,
}

#[derive(Clone)]
pub(super) struct Rules {
    pub(super) credentials: Credentials,
    pub(super) scopes: Vec<RequiredScope>,
    /// Whether requests without a credential are admitted.
    pub(super) optional: bool,
}

impl Rules {
    /// Requires any valid credential.
    pub(super) fn any_of(credentials: Credentials) -> Self {
        Self { credentials, scopes: Vec::new(), optional: false }
    }
}
