//! Reads credentials from headers, never from the query string, because URLs end up in logs (RFC 6750 §2.3, §5.3).

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{
    domain::{denial::Denial, secret::SecretString},
    protect::{CredentialKind, Credentials},
};

/// The header for API keys.
pub(crate) const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// Whether the scheme `Bearer` may be omitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BearerScheme {
    /// `Bearer` is required before the token (RFC 6750 §2.1).
    Required,
    /// The compatibility routes also take the token alone.
    Optional,
}

/// An unverified credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    /// An API key, or text that is not a credential.
    Key(&'a [u8]),
    /// A JWT, or other text that contains a dot.
    Token(&'a [u8]),
}

impl<'a> Presented<'a> {
    /// The segments of a JWT are separated by dots (RFC 7515 §7.1), and keys contain none.
    pub(crate) fn of(text: &'a [u8]) -> Self {
        if text.contains(&b'.') { Self::Token(text) } else { Self::Key(text) }
    }
}

/// The unverified credential of a request, among those that are accepted, and its kind for a challenge. `is_key`:
/// whether a text has the form of our keys.
pub(crate) fn presented(
    headers: &HeaderMap,
    taken: Credentials,
    is_key: impl FnOnce(&[u8]) -> bool,
) -> (CredentialKind, Result<Presented<'_>, Denial>) {
    match taken {
        Credentials::Keys => match api_key(headers) {
            Err(Denial::Missing) => match bearer_token(headers, BearerScheme::Required) {
                // Other content of `Authorization` may serve another purpose.
                Ok(text) if is_key(text) => (CredentialKind::Either, Ok(Presented::Key(text))),
                _ => (CredentialKind::ApiKey, Err(Denial::Missing)),
            },
            found => (CredentialKind::ApiKey, found.map(Presented::Key)),
        },
        Credentials::Tokens => {
            (CredentialKind::Token, bearer_token(headers, BearerScheme::Required).map(Presented::Token))
        }
        Credentials::KeysAndTokens => either(headers),
    }
}

/// A key in either header, or a token in `Authorization`.
fn either(headers: &HeaderMap) -> (CredentialKind, Result<Presented<'_>, Denial>) {
    if !headers.contains_key(&API_KEY_HEADER) {
        return match bearer_token(headers, BearerScheme::Required).map(Presented::of) {
            Ok(Presented::Key(key)) => (CredentialKind::Either, Ok(Presented::Key(key))),
            found => (CredentialKind::Token, found),
        };
    }
    if headers.contains_key(&AUTHORIZATION) {
        // Two credentials are an error (RFC 6750 §3.1).
        return (CredentialKind::Token, Err(Denial::Ambiguous));
    }
    (CredentialKind::ApiKey, api_key(headers).map(Presented::Key))
}

/// The key that a request about itself presents: in `x-api-key`, or otherwise as a bearer token.
pub(crate) fn own_key(headers: &HeaderMap) -> (CredentialKind, Result<&[u8], Denial>) {
    match api_key(headers) {
        Err(Denial::Missing) => match bearer_token(headers, BearerScheme::Required).map(Presented::of) {
            Ok(Presented::Key(key)) => (CredentialKind::Either, Ok(key)),
            // A JWT is not a key.
            Ok(Presented::Token(_)) | Err(Denial::Missing) => (CredentialKind::ApiKey, Err(Denial::Missing)),
            Err(denial) => (CredentialKind::Either, Err(denial)),
        },
        found => (CredentialKind::ApiKey, found),
    }
}

/// The unverified token in `Authorization`.
pub(crate) fn bearer_token(headers: &HeaderMap, scheme: BearerScheme) -> Result<&[u8], Denial> {
    let value = only_value(headers, &AUTHORIZATION)?;
    match strip_bearer(value) {
        Some(token) => Ok(token),
        None if scheme == BearerScheme::Optional => Ok(value),
        None => Err(Denial::Missing),
    }
}

/// The unverified key in `x-api-key`.
pub(crate) fn api_key(headers: &HeaderMap) -> Result<&[u8], Denial> {
    only_value(headers, &API_KEY_HEADER)
}

/// The unverified password in `Authorization: Basic` (RFC 7617); `None` for another scheme or without the header.
pub(crate) fn basic_password(headers: &HeaderMap) -> Option<Result<SecretString, Denial>> {
    let value = match only_value(headers, &AUTHORIZATION) {
        Ok(value) => value,
        Err(Denial::Missing) => return None,
        Err(denial) => return Some(Err(denial)),
    };
    let (scheme, encoded) = value.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    if headers.contains_key(&API_KEY_HEADER) {
        return Some(Err(Denial::Ambiguous));
    }
    let pair = STANDARD.decode(encoded.trim_ascii()).ok().and_then(|pair| String::from_utf8(pair).ok());
    let pair = pair.map(Zeroizing::new);
    let password = pair.as_ref().and_then(|pair| pair.split_once(':')).map(|(_, password)| password.to_owned());
    Some(password.map(SecretString::new).ok_or(Denial::Ambiguous))
}

/// Whether a header has a credential, or may have one.
pub(crate) fn are_in_headers(headers: &HeaderMap) -> bool {
    headers.contains_key(&AUTHORIZATION) || headers.contains_key(&API_KEY_HEADER)
}

/// The value of a header that must not be repeated, because two readers could choose different lines (RFC 9110 §5.3).
pub(crate) fn only_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a [u8], Denial> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Err(Denial::Missing),
        (Some(value), None) if value.is_empty() => Err(Denial::Missing),
        (Some(value), None) => Ok(value.as_bytes()),
        (Some(_), Some(_)) => Err(Denial::Ambiguous),
    }
}

/// The text after the scheme `Bearer`, which is case-insensitive (RFC 9110 §11.1).
pub(crate) fn strip_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).expect("a header value"));
        }
        headers
    }

    #[test]
    fn the_scheme_is_matched_without_regard_to_case() {
        for value in ["Bearer t", "bearer t", "BEARER t", "bEaReR   t"] {
            assert_eq!(bearer_token(&headers(&[value]), BearerScheme::Required), Ok(b"t".as_slice()), "{value}");
        }
    }

    #[test]
    fn a_bare_token_is_taken_only_where_the_scheme_is_optional() {
        assert_eq!(bearer_token(&headers(&["t"]), BearerScheme::Optional), Ok(b"t".as_slice()));
        assert_eq!(bearer_token(&headers(&["t"]), BearerScheme::Required), Err(Denial::Missing));
    }

    #[test]
    fn no_value_is_missing_and_two_are_ambiguous() {
        assert_eq!(bearer_token(&headers(&[]), BearerScheme::Optional), Err(Denial::Missing));
        assert_eq!(bearer_token(&headers(&[""]), BearerScheme::Optional), Err(Denial::Missing));
        assert_eq!(bearer_token(&headers(&["Bearer a", "Bearer a"]), BearerScheme::Optional), Err(Denial::Ambiguous));
    }
}
