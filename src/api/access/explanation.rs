//! Explains a refusal if the client presented its credential in the wrong way: in a header that the route does not
//! read, in another scheme, or in the form of another kind. An explanation never depends on whether the credential is
//! valid.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use crate::{
    domain::{
        credential_in_text::{has_token_in, key_form_in},
        denial::PublicDenial,
    },
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
const IN_QUERY: &str = "No credential is read from the query string: send a JWT as Authorization: Bearer <JWT>, an API key in \
                        x-api-key: <key>.";
const KEY_IN_QUERY: &str = "An API key came in the query string, where it is not read, and logs and histories keep it: rotate \
                            it, and send the new one in x-api-key: <key>.";
const KEY_IN_QUERY_FOR_TOKEN: &str = "An API key came in the query string, where logs and histories keep it: rotate it. This \
                                      route takes a JWT: Authorization: Bearer <JWT>.";
/// Names that people give to a credential in an address.
const USUAL_NAMES: [&str; 9] =
    ["access_token", "api-key", "api_key", "apikey", "authorization", "key", "token", "x-api-key", "x_api_key"];
/// The explanation of each refusal of a request for the metrics, whatever it carried.
pub(crate) const METRICS_TOKEN: &str =
    "This route takes metrics.token, and no other credential: Authorization: Bearer <metrics.token>.";
/// Why it is not accepted is not said to whoever sent it; here, that is the operator.
pub(crate) const READ_THE_LOG: &str =
    "The token or the API key is not valid. The log in the terminal of keyward dev says why.";

/// The explanation of a denial of a request with these headers and this query.
pub(crate) fn explanation(
    headers: &HeaderMap,
    query: &str,
    kind: CredentialKind,
    denial: PublicDenial,
) -> Option<&'static str> {
    let authorization = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).filter(|value| !value.is_empty());
    let credential = authorization.and_then(strip_bearer);
    match denial {
        PublicDenial::MissingCredential => {
            missing(headers, kind, authorization, credential).or_else(|| in_query(query, kind))
        }
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

/// A key is known by its form, of whatever prefix, and whether it is valid or not.
fn in_query(query: &str, kind: CredentialKind) -> Option<&'static str> {
    if key_form_in(query).is_some() {
        return Some(if kind == CredentialKind::Token { KEY_IN_QUERY_FOR_TOKEN } else { KEY_IN_QUERY });
    }
    let mut names = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
    let is_named = names.any(|name| USUAL_NAMES.iter().any(|usual| usual.eq_ignore_ascii_case(name)));
    (is_named || has_token_in(query)).then_some(IN_QUERY)
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
            IN_QUERY,
            KEY_IN_QUERY,
            KEY_IN_QUERY_FOR_TOKEN,
            METRICS_TOKEN,
            READ_THE_LOG,
        ] {
            assert!(document.contains(text), "docs/problems.md lacks: {text}");
        }
    }

    #[test]
    fn a_credential_in_the_query_is_explained_unless_a_header_has_one() {
        use CredentialKind::{Either, Token};
        use PublicDenial::MissingCredential;
        let explained = |query: &str, kind| explanation(&HeaderMap::new(), query, kind, MissingCredential);
        for query in ["api_key=k", "limit=1&X-API-Key=k", "token", "x=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"] {
            assert_eq!(explained(query, Either), Some(IN_QUERY), "{query}");
            assert_eq!(explained(query, Token), Some(IN_QUERY), "{query}");
        }
        for query in ["", "limit=1&cursor=key", "keys=k"] {
            assert_eq!(explained(query, Either), None, "{query}");
        }
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("k"));
        assert_eq!(explanation(&headers, "api_key=k", Token, MissingCredential), Some(NO_SCHEME));
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
            assert_eq!(explanation(&headers, "", kind, denial), expected, "{sent:?}");
        }
    }
}
