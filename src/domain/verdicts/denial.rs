//! The reasons for refusing a credential: in detail for the log, and reduced for the client.

use crate::domain::{limits::Exceeded, worded_enum::worded_enum};

/// Why a request was refused, for the log and the owner. A stranger gets a [`PublicDenial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The request has no credential.
    Missing,
    /// The request has more than one credential, or one that is not text.
    Ambiguous,
    /// Not a key of this server: it has another form, or an invalid tag.
    KeyMalformed,
    /// A genuine key that is not in the database.
    KeyUnknown,
    /// The stored hash does not match the secret.
    KeyWrongSecret,
    /// The key was revoked.
    KeyRevoked,
    /// The key is disabled.
    KeyDisabled,
    /// The owner of the key is disabled.
    KeyOwnerDisabled,
    /// The key has expired.
    KeyExpired,
    /// The key must not be used from this address.
    KeyAddress,
    /// The credential is valid, but one of its limits is exhausted, for so many seconds; `None` if credits are as well,
    /// and will not be refilled.
    RateLimited(Option<u32>),
    /// The credential is valid, but its credits are exhausted, for so many seconds, if they will be refilled.
    CreditsExhausted(Option<u32>),
    /// The credential is valid, but lacks a required scope.
    Scope(&'static str),
    /// The credential is valid, but lacks scopes that a policy or the gateway demands.
    Scopes,
    /// The policy's rule demands another kind of credential.
    OtherKind,
    /// The policy's rule demands a key of the other environment.
    OtherEnvironment,
    /// No rule of the policy matches the request.
    NoRule,
    /// The rules need a fact about the request that no trusted proxy has stated.
    RequestUnknown,
    /// The statements about the request disagree, or one of them is ambiguous.
    RequestUnclear,
    /// The owner of the token is disabled, so it gives no rights on Keyward itself.
    RightsOfDisabledOwner,
    /// Not the token with which the metrics may be read.
    MetricsToken,
    /// The token was refused.
    Token(TokenFault),
}

worded_enum! {
    /// Why a token was refused, with stable codes for logs.
    pub enum TokenFault {
        /// Not three base64url segments, or their content is not the required JSON (RFC 7515 §7.1).
        Malformed => "token_malformed",
        /// The header names another algorithm than the key's (RFC 8725 §3.1).
        Algorithm => "token_algorithm",
        /// The header demands an extension that we do not implement (RFC 7515 §4.1.11, RFC 7797).
        Critical => "token_critical_header",
        /// The header's `typ` names another kind of token (RFC 8725 §3.11).
        Type => "token_type",
        /// The header's `kid` exceeds the maximum length.
        KeyIdTooLong => "token_kid_too_long",
        /// The header's `kid` names no key of the issuer.
        KeyUnknown => "token_key_unknown",
        /// Several keys of the issuer match.
        KeyAmbiguous => "token_key_ambiguous",
        /// The signature does not match.
        Signature => "token_signature",
        /// `exp` is missing (RFC 7519 §4.1.4; Keyward requires it).
        ExpiryMissing => "token_exp_missing",
        /// `exp` has passed.
        Expired => "token_expired",
        /// `exp` is later than the configured maximum lifetime allows.
        LifetimeTooLong => "token_lifetime_too_long",
        /// `nbf` is in the future (RFC 7519 §4.1.5).
        NotYetValid => "token_not_yet_valid",
        /// `iat` is in the future (RFC 7519 §4.1.6).
        IssuedInFuture => "token_issued_in_future",
        /// `iss` is not the configured issuer (RFC 7519 §4.1.1).
        Issuer => "token_issuer",
        /// `aud` does not contain our audience (RFC 7519 §4.1.3).
        Audience => "token_audience",
        /// The token was issued to a client whose tokens are not accepted (`azp`, OpenID Connect Core 1.0 §3.1.3.7).
        AuthorizedParty => "token_authorized_party",
        /// `sub` is missing or empty (RFC 7519 §4.1.2).
        Subject => "token_subject",
        /// The scopes are malformed.
        Scopes => "token_scopes",
        /// A claim that the configuration requires is missing or has another value.
        RequiredClaim => "token_required_claim",
        /// The token has a claim that the configuration forbids: it is another kind of token (RFC 8725 §3.12).
        ForbiddenClaim => "token_forbidden_claim",
        /// The claim with the organisation is missing or empty, but keys belong to organisations.
        Tenant => "token_tenant",
        /// The token states that its owner is disabled.
        OwnerDisabled => "token_owner_disabled",
        /// `jti` is not a string that a revocation could name (RFC 7519 §4.1.7).
        TokenId => "token_jti",
        /// The token was revoked by its `jti`.
        Revoked => "token_revoked",
        /// The subject's tokens were revoked up to an instant, and this one was issued before it or has no `iat`.
        BeforeNotBefore => "token_before_not_before",
    }
}

/// What a stranger learns. Unknown, revoked, expired and wrong credentials are indistinguishable (OWASP ASVS 6.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicDenial {
    /// The request has no credential.
    MissingCredential,
    /// The credentials in the request can't be read (RFC 6750 §3.1 `invalid_request`).
    InvalidRequest,
    /// The credential is invalid (RFC 6750 §3.1 `invalid_token`).
    InvalidCredential,
    /// The credential is valid but insufficient (RFC 6750 §3.1 `insufficient_scope`).
    InsufficientScope(&'static str),
    /// The credential is valid, but has used up what it may (RFC 6585 §4), for so many seconds, if it is known.
    RateLimited(Option<u32>),
    /// The policy does not allow the request, whatever scopes a credential has.
    NotAllowed,
    /// The token is valid and carries rights on Keyward itself, but its owner is disabled.
    RightsOfDisabledOwner,
}

impl Denial {
    /// The codes of all denials, each once.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        Self::OF_REQUESTS_AND_KEYS
            .iter()
            .map(|denial| denial.code())
            .chain(TokenFault::ALL.iter().map(|fault| fault.as_str()))
    }

    /// The place of this denial's code among all [`codes`](Self::codes).
    pub fn place(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Ambiguous => 1,
            Self::KeyMalformed => 2,
            Self::KeyUnknown => 3,
            Self::KeyWrongSecret => 4,
            Self::KeyRevoked => 5,
            Self::KeyDisabled => 6,
            Self::KeyOwnerDisabled => 7,
            Self::KeyExpired => 8,
            Self::KeyAddress => 9,
            Self::Scope(_) | Self::Scopes => 10,
            Self::OtherKind => 11,
            Self::OtherEnvironment => 12,
            Self::NoRule => 13,
            Self::RequestUnknown => 14,
            Self::RequestUnclear => 15,
            Self::MetricsToken => 16,
            Self::RateLimited(_) => 17,
            Self::CreditsExhausted(_) => 18,
            Self::RightsOfDisabledOwner => 19,
            Self::Token(fault) => Self::OF_REQUESTS_AND_KEYS.len() + fault as usize,
        }
    }

    /// One for each code, besides those of tokens.
    const OF_REQUESTS_AND_KEYS: [Self; 20] = [
        Self::Missing,
        Self::Ambiguous,
        Self::KeyMalformed,
        Self::KeyUnknown,
        Self::KeyWrongSecret,
        Self::KeyRevoked,
        Self::KeyDisabled,
        Self::KeyOwnerDisabled,
        Self::KeyExpired,
        Self::KeyAddress,
        Self::Scopes,
        Self::OtherKind,
        Self::OtherEnvironment,
        Self::NoRule,
        Self::RequestUnknown,
        Self::RequestUnclear,
        Self::MetricsToken,
        Self::RateLimited(None),
        Self::CreditsExhausted(None),
        Self::RightsOfDisabledOwner,
    ];

    /// The part of this that a stranger may know.
    pub fn public(self) -> PublicDenial {
        match self {
            Self::Missing => PublicDenial::MissingCredential,
            Self::Ambiguous => PublicDenial::InvalidRequest,
            Self::Scope(scope) => PublicDenial::InsufficientScope(scope),
            Self::RateLimited(seconds) | Self::CreditsExhausted(seconds) => PublicDenial::RateLimited(seconds),
            Self::Scopes
            | Self::OtherKind
            | Self::OtherEnvironment
            | Self::NoRule
            | Self::RequestUnknown
            | Self::RequestUnclear => PublicDenial::NotAllowed,
            Self::RightsOfDisabledOwner => PublicDenial::RightsOfDisabledOwner,
            _ => PublicDenial::InvalidCredential,
        }
    }

    /// A stable code for logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "credential_missing",
            Self::Ambiguous => "credential_ambiguous",
            Self::KeyMalformed => "key_malformed",
            Self::KeyUnknown => "key_unknown",
            Self::KeyWrongSecret => "key_wrong_secret",
            Self::KeyRevoked => "key_revoked",
            Self::KeyDisabled => "key_disabled",
            Self::KeyOwnerDisabled => "key_owner_disabled",
            Self::KeyExpired => "key_expired",
            Self::KeyAddress => "key_address",
            Self::Scope(_) | Self::Scopes => "insufficient_scope",
            Self::OtherKind => "policy_other_kind",
            Self::OtherEnvironment => "policy_other_environment",
            Self::NoRule => "policy_no_rule",
            Self::RequestUnknown => "policy_request_unknown",
            Self::RequestUnclear => "policy_request_unclear",
            Self::MetricsToken => "metrics_token",
            Self::RightsOfDisabledOwner => "rights_of_disabled_owner",
            Self::RateLimited(_) => "rate_limited",
            Self::CreditsExhausted(_) => "credits_exhausted",
            Self::Token(fault) => fault.as_str(),
        }
    }
}

impl From<&Exceeded> for Denial {
    fn from(exceeded: &Exceeded) -> Self {
        let seconds = exceeded.retry_after_seconds();
        if exceeded.is_of_credits_alone() { Self::CreditsExhausted(seconds) } else { Self::RateLimited(seconds) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_denial_has_a_place_among_the_codes() {
        let codes: Vec<_> = Denial::codes().collect();
        let tokens = TokenFault::ALL.map(Denial::Token);
        for denial in Denial::OF_REQUESTS_AND_KEYS.into_iter().chain(tokens).chain([Denial::Scope("a")]) {
            assert_eq!(codes[denial.place()], denial.code(), "{denial:?}");
        }
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
    }
}
