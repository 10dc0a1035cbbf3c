//! Finds the credential in the client's headers, and recognises its kind. The query string is never used, because URLs
//! end up in logs (RFC 6750 §5.3).

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, InvalidHeaderName};

use arc_swap::{ArcSwap, Guard};

use crate::{
    domain::{denial::Denial, policy::Policy},
    protect::credentials::{Presented, only_value, strip_bearer},
};

/// How gateway requests are decided.
pub struct Authorize {
    credential_headers: Vec<HeaderName>,
    /// `None`: every valid credential is allowed everything.
    policy: Option<Arc<ArcSwap<Policy>>>,
}

impl Authorize {
    /// Reads credentials from these headers, and applies this policy.
    ///
    /// # Errors
    /// If one of the names is not a valid header name.
    pub fn new(credential_headers: &[String], policy: Option<Arc<ArcSwap<Policy>>>) -> Result<Self, InvalidHeaderName> {
        let names = credential_headers.iter().map(|name| name.parse());
        Ok(Self { credential_headers: names.collect::<Result<_, _>>()?, policy })
    }

    /// The current policy.
    pub(super) fn policy(&self) -> Option<Guard<Arc<Policy>>> {
        self.policy.as_ref().map(|policy| policy.load())
    }

    /// The only credential of the client. Two are refused, because two readers could disagree on which one counts.
    pub(super) fn credential<'a>(&self, headers: &'a HeaderMap) -> Result<Presented<'a>, Denial> {
        let mut found = Err(Denial::Missing);
        for name in &self.credential_headers {
            match read(headers, name) {
                Err(Denial::Missing) => {}
                Ok(_) if found.is_ok() => return Err(Denial::Ambiguous),
                other => found = other,
            }
            if found == Err(Denial::Ambiguous) {
                break;
            }
        }
        found.map(Presented::of)
    }
}

fn read<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a [u8], Denial> {
    let value = only_value(headers, name)?;
    if name == AUTHORIZATION {
        // Other schemes are ignored; they may be meant for the API behind the gateway.
        strip_bearer(value).ok_or(Denial::Missing)
    } else {
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn shown(lines: &[(&str, &str)]) -> Result<String, Denial> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_str(value).expect("a value");
            headers.append(name.parse().expect("a name"), value);
        }
        let authorize = Authorize::new(&["x-api-key".to_owned(), "authorization".to_owned()], None).expect("names");
        authorize.credential(&headers).map(|presented| format!("{presented:?}").chars().take(3).collect())
    }

    #[test]
    fn either_header_holds_either_kind() {
        for (name, before) in [("x-api-key", ""), ("authorization", "Bearer "), ("authorization", "bearer ")] {
            assert_eq!(shown(&[(name, &format!("{before}keyward_live_x"))]).as_deref(), Ok("Key"));
            assert_eq!(shown(&[(name, &format!("{before}a.b.c"))]).as_deref(), Ok("Tok"));
        }
    }

    #[test]
    fn other_schemes_and_empty_headers_are_no_credential() {
        for (name, value) in
            [("authorization", "Basic YTpi"), ("authorization", ""), ("x-api-key", ""), ("cookie", "k")]
        {
            assert_eq!(shown(&[(name, value)]), Err(Denial::Missing), "{name}: {value}");
        }
        assert_eq!(shown(&[("x-api-key", "k"), ("authorization", "Basic YTpi")]).as_deref(), Ok("Key"));
    }

    #[test]
    fn two_credentials_are_ambiguous() {
        for lines in [
            [("x-api-key", "k"), ("authorization", "Bearer k")],
            [("x-api-key", "k"), ("x-api-key", "k")],
            [("authorization", "Basic YTpi"), ("authorization", "Bearer k")],
        ] {
            assert_eq!(shown(&lines), Err(Denial::Ambiguous), "{lines:?}");
        }
    }
}
