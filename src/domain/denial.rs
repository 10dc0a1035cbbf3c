//! Why a credential is refused: for the log, and for the stranger.

/// Why a request was refused. For the log and the owner; a stranger gets [`PublicDenial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No credential came with the request.
    Missing,
    /// More than one credential came, or one that is no text at all.
    Ambiguous,
    /// Not a key of this server: another form, or a tag that we did not make.
    KeyMalformed,
    /// A genuine key whose row does not exist.
    KeyUnknown,
    /// The stored hash does not match the secret.
    KeyWrongSecret,
    /// The key was revoked.
    KeyRevoked,
    /// The key is switched off.
    KeyDisabled,
    /// All keys of its owner are switched off.
    KeyOwnerDisabled,
    /// The key's time is over.
    KeyExpired,
    /// The key may not be used from this address.
    KeyAddress,
    /// The credential is good, but lacks a scope that is asked for.
    Scope(&'static str),
    /// The credential is good, but lacks scopes that a policy, or whoever asks, demands.
    Scopes,
    /// The rule of the policy wants another kind of credential.
    OtherKind,
    /// The rule of the policy wants a key of the other world.
    OtherEnvironment,
    /// No rule of the policy is about such a request.
    NoRule,
    /// The rules look at what nobody who is trusted has told of the request.
    RequestUnknown,
    /// The request was told of in ways that do not agree, or can be understood in more than one way.
    RequestUnclear,
    /// The token was refused.
    Token(TokenFault),
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Not three base64url segments, or not the JSON that belongs in them (RFC 7515 §7.1).
    Malformed,
    /// The header names another algorithm than the key's (RFC 8725 §3.1).
    Algorithm,
    /// The header demands something that we do not implement (RFC 7515 §4.1.11, RFC 7797).
    Critical,
    /// The header's `typ` names another kind of token (RFC 8725 §3.11).
    Type,
    /// The header's `kid` is longer than we take.
    KeyIdTooLong,
    /// The header's `kid` names no key of the issuer.
    KeyUnknown,
    /// Several keys of the issuer could be meant.
    KeyAmbiguous,
    /// The signature does not match.
    Signature,
    /// `exp` is missing (RFC 7519 §4.1.4; we demand it).
    ExpiryMissing,
    /// `exp` has passed.
    Expired,
    /// `exp` is further away than the configured maximum lifetime.
    LifetimeTooLong,
    /// `nbf` has not come yet (RFC 7519 §4.1.5).
    NotYetValid,
    /// `iat` lies in the future (RFC 7519 §4.1.6).
    IssuedInFuture,
    /// `iss` is not the configured issuer (RFC 7519 §4.1.1).
    Issuer,
    /// `aud` does not hold us (RFC 7519 §4.1.3).
    Audience,
    /// It was issued to a client whose tokens are not accepted (`azp`, OpenID Connect Core 1.0 §3.1.3.7).
    AuthorizedParty,
    /// `sub` is missing or empty (RFC 7519 §4.1.2).
    Subject,
    /// The scopes are malformed.
    Scopes,
    /// A claim that the configuration demands is missing, or says something else.
    RequiredClaim,
    /// A claim is there that the configuration forbids: the token is of another kind (RFC 8725 §3.12).
    ForbiddenClaim,
    /// The claim that names the organisation is missing or empty, where keys belong to organisations.
    Tenant,
    /// The token says that its owner is disabled.
    OwnerDisabled,
    /// `jti` is no text that we could find it by (RFC 7519 §4.1.7).
    TokenId,
    /// The token was revoked, by its `jti`.
    Revoked,
    /// The subject's tokens were revoked up to an instant, and this one was issued before it, or does not say when.
    BeforeNotBefore,
}

/// What a stranger is told. Unknown, revoked, expired and wrong look the same (OWASP ASVS 6.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicDenial {
    /// No credential came with the request.
    MissingCredential,
    /// The request carries credentials in a way that cannot be read (RFC 6750 §3.1 `invalid_request`).
    InvalidRequest,
    /// The credential is no good (RFC 6750 §3.1 `invalid_token`).
    InvalidCredential,
    /// The credential is good, and not enough (RFC 6750 §3.1 `insufficient_scope`).
    InsufficientScope(&'static str),
    /// The policy does not allow it, whichever scopes a credential carries.
    NotAllowed,
}

impl Denial {
    /// What of this a stranger may know.
    pub fn public(self) -> PublicDenial {
        match self {
            Self::Missing => PublicDenial::MissingCredential,
            Self::Ambiguous => PublicDenial::InvalidRequest,
            Self::Scope(scope) => PublicDenial::InsufficientScope(scope),
            Self::Scopes
            | Self::OtherKind
            | Self::OtherEnvironment
            | Self::NoRule
            | Self::RequestUnknown
            | Self::RequestUnclear => PublicDenial::NotAllowed,
            _ => PublicDenial::InvalidCredential,
        }
    }

    /// A stable word for logs.
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
            Self::Token(fault) => fault.code(),
        }
    }
}

impl TokenFault {
    /// A stable word for logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::Algorithm => "token_algorithm",
            Self::Critical => "token_critical_header",
            Self::Type => "token_type",
            Self::KeyIdTooLong => "token_kid_too_long",
            Self::KeyUnknown => "token_key_unknown",
            Self::KeyAmbiguous => "token_key_ambiguous",
            Self::Signature => "token_signature",
            Self::ExpiryMissing => "token_exp_missing",
            Self::Expired => "token_expired",
            Self::LifetimeTooLong => "token_lifetime_too_long",
            Self::NotYetValid => "token_not_yet_valid",
            Self::IssuedInFuture => "token_issued_in_future",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
            Self::AuthorizedParty => "token_authorized_party",
            Self::Subject => "token_subject",
            Self::Scopes => "token_scopes",
            Self::RequiredClaim => "token_required_claim",
            Self::ForbiddenClaim => "token_forbidden_claim",
            Self::Tenant => "token_tenant",
            Self::OwnerDisabled => "token_owner_disabled",
            Self::TokenId => "token_jti",
            Self::Revoked => "token_revoked",
            Self::BeforeNotBefore => "token_before_not_before",
        }
    }
}
