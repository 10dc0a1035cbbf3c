//! Explains a refusal if the client presented its credential in the wrong way: in a header that the route does not
//! read, in another scheme, or in the form of another kind. An explanation never depends on whether the credential is
//! valid.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use crate::{
    domain::denial::PublicDenial,
    protect::{
        CredentialKind,
        credentials::{API_KEY_HEADER, Presented, strip_bearer},
    },
};

// As in `docs/problems.md`.
const KEY_FOR_TOKEN: &str = "An API key came in x-api-key, but this route takes a JWT: Authorization: Bearer <JWT>.";
const NO_TOKEN: &str = "What follows Bearer in Authorization is not a JWT, and this route takes nothing else.";
const TOKEN_FOR_KEY: &str = "A JWT came in Authorization, but this route takes an API key: x-api-key: <key>.";
const BASIC: &str = "Authorization has the scheme Basic, which this route does not take: use Bearer.";
const NO_SCHEME: &str = "Authorization does not begin with the word Bearer and a space.";
const NO_CREDENTIAL: &str = "Authorization has no credential behind the word Bearer.";
const TWO_HEADERS: &str = "Two credentials came, one in x-api-key and one in Authorization. Send exactly one.";
/// The explanation of each refusal of a request for the metrics, whatever it carried.
pub(crate) const METRICS_TOKEN: &str =
    "This route takes metrics.token, and no other credential: Authorization: Bearer <metrics.token>.";
/// Why it is not accepted is not said to whoever sent it; here, that is the operator.
pub(crate) const READ_THE_LOG: &str =
    "The token or the API key is not valid. The log in the terminal of keyward dev says why.";

/// The explanation of a denial of a request with these headers.
pub(crate) fn explanation(headers: &HeaderMap, kind: CredentialKind, denial: PublicDenial) -> Option<&'static str> {
    let authorization = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).filter(|value| !value.is_empty());
    let credential = authorization.and_then(strip_bearer);
    match denial {
        PublicDenial::MissingCredential => missing(headers, kind, authorization, credential),
        PublicDenial::InvalidRequest if is_in_both(headers) => Some(TWO_HEADERS),
        PublicDenial::InvalidCredential if kind == CredentialKind::Token => {
            credential.filter(|text| matches!(Presented::of(text), Presented::Key(_))).map(|_| NO_TOKEN)
        }
        _ => None,
    }
}

fn missing(
    headers: &HeaderMap,
    kind: CredentialKind,
    authorization: Option<&[u8]>,
    credential: Option<&[u8]>,
) -> Option<&'static str> {
    let Some(authorization) = authorization else {
        let has_key = headers.get(&API_KEY_HEADER).is_some_and(|value| !value.is_empty());
        return (has_key && kind == CredentialKind::Token).then_some(KEY_FOR_TOKEN);
    };
    match credential {
        Some(text) if matches!(Presented::of(text), Presented::Token(_)) => {
            (kind == CredentialKind::ApiKey).then_some(TOKEN_FOR_KEY)
        }
        Some([]) => Some(NO_CREDENTIAL),
        Some(_) => None,
        None if authorization.eq_ignore_ascii_case(b"Bearer") => Some(NO_CREDENTIAL),
        None if has_scheme(authorization, b"Basic ") => Some(BASIC),
        None => Some(NO_SCHEME),
    }
}

fn has_scheme(authorization: &[u8], scheme: &[u8]) -> bool {
    authorization.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
}

fn is_in_both(headers: &HeaderMap) -> bool {
    [&API_KEY_HEADER, &AUTHORIZATION].into_iter().all(|name| headers.get_all(name).count() == 1)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/problems.md");

    #[test]
    fn every_explanation_is_documented_to_the_letter() {
        let document = DOCUMENT.replace('`', "");
        for text in [
            KEY_FOR_TOKEN,
            NO_TOKEN,
            TOKEN_FOR_KEY,
            BASIC,
            NO_SCHEME,
            NO_CREDENTIAL,
            TWO_HEADERS,
            METRICS_TOKEN,
            READ_THE_LOG,
        ] {
            assert!(document.contains(text), "docs/problems.md lacks: {text}");
        }
    }

    #[test]
    fn a_credential_that_came_in_the_wrong_way_is_explained() {
        use CredentialKind::{ApiKey, Basic, Either, Token};
        use PublicDenial::{InvalidCredential, InvalidRequest, MissingCredential};
        let key = ("x-api-key", "k");
        for (sent, kind, denial, expected) in [
            (&[][..], Token, MissingCredential, None),
            (&[key], Token, MissingCredential, Some(KEY_FOR_TOKEN)),
            (&[("authorization", "Bearer k")], Token, InvalidCredential, Some(NO_TOKEN)),
            (&[("authorization", "Bearer a.b.c")], Token, InvalidCredential, None),
            (&[("authorization", "Bearer a.b.c")], ApiKey, MissingCredential, Some(TOKEN_FOR_KEY)),
            (&[("authorization", "Bearer k")], Either, InvalidCredential, None),
            (&[("authorization", "basic YTpi")], Token, MissingCredential, Some(BASIC)),
            (&[("authorization", "Basic YTpi")], Either, MissingCredential, Some(BASIC)),
            (&[("authorization", "a.b.c")], Token, MissingCredential, Some(NO_SCHEME)),
            (&[("authorization", "k")], ApiKey, MissingCredential, Some(NO_SCHEME)),
            (&[("authorization", "Bearer")], Token, MissingCredential, Some(NO_CREDENTIAL)),
            (&[key, ("authorization", "Bearer k")], Token, InvalidRequest, Some(TWO_HEADERS)),
            (&[key, key], ApiKey, InvalidRequest, None),
            (&[key], Basic, InvalidCredential, None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(explanation(&headers, kind, denial), expected, "{sent:?}");
        }
    }
}
