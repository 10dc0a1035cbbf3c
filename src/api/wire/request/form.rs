//! Forms, as the OAuth endpoints take them: `application/x-www-form-urlencoded` (RFC 6749, appendix B).

use actix_web::{HttpMessage, HttpRequest, web::Query};
use zeroize::Zeroizing;

use crate::domain::secret::SecretString;

const FORM: &str = "application/x-www-form-urlencoded";

/// The members of a form. Some are secrets.
pub(crate) struct Members(Zeroizing<Vec<(String, String)>>);

impl Members {
    /// Parses a form.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub(crate) fn of(request: &HttpRequest, body: &[u8]) -> Result<Self, &'static str> {
        if !request.content_type().eq_ignore_ascii_case(FORM) {
            return Err("send a form: application/x-www-form-urlencoded");
        }
        let text = str::from_utf8(body).map_err(|_| "the form is not UTF-8")?;
        let members = Query::<Vec<(String, String)>>::from_query(text).map_err(|_| "the form can't be read")?;
        Ok(Self(Zeroizing::new(members.into_inner())))
    }

    /// An optional member.
    ///
    /// # Errors
    /// If the member is repeated.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, &'static str> {
        let mut values = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err("a parameter is repeated"),
            (value, None) => Ok(value),
        }
    }

    /// The client's secret (RFC 6749 §2.3.1). An empty value is the same as none (§3.2).
    ///
    /// # Errors
    /// If the member is repeated.
    pub(crate) fn client_secret(&self) -> Result<Option<SecretString>, &'static str> {
        let secret = self.one("client_secret")?.filter(|secret| !secret.is_empty());
        Ok(secret.map(|secret| SecretString::new(secret.to_owned())))
    }
}
