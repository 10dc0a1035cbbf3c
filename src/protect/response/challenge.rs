//! `WWW-Authenticate` challenges: the kind of credential that a route requires (RFC 9110 §11.6.1, RFC 6750 §3).

use crate::domain::denial::PublicDenial;

/// The kind of credential that a route requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// A JWT in `Authorization`.
    Token,
    /// An API key in `x-api-key`.
    ApiKey,
    /// An API key as the password of `Basic`.
    Basic,
    /// An API key or a JWT.
    Either,
}

impl CredentialKind {
    /// The value of `WWW-Authenticate` for a denial.
    pub(crate) fn challenge(self, denial: PublicDenial) -> String {
        let error = match denial {
            // No error code if no credential was presented (RFC 6750 §3.1).
            PublicDenial::MissingCredential => String::new(),
            PublicDenial::InvalidRequest => r#", error="invalid_request""#.to_owned(),
            PublicDenial::InvalidCredential => r#", error="invalid_token""#.to_owned(),
            // Another credential of this kind would be refused too.
            PublicDenial::NotAllowed | PublicDenial::RightsOfDisabledOwner | PublicDenial::RateLimited(_) => {
                String::new()
            }
            PublicDenial::InsufficientScope(scope) => return self.challenge_for_scopes(scope),
        };
        format!(r#"{} realm="keyward"{error}"#, self.scheme())
    }

    /// The challenge for missing scopes. Scopes contain no quotation marks (RFC 6749 §3.3), so they need no escaping.
    pub(crate) fn challenge_for_scopes(self, scopes: &str) -> String {
        format!(r#"{} realm="keyward", error="insufficient_scope", scope="{scopes}""#, self.scheme())
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Token | Self::Either => "Bearer",
            Self::ApiKey => "ApiKey",
            Self::Basic => "Basic",
        }
    }
}
