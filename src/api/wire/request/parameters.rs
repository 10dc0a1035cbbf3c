//! Reads the parameters of a query. All errors are collected.

use std::collections::HashSet;

use actix_web::{
    HttpRequest,
    web::{self, Data},
};
use percent_encoding::percent_decode_str;
use time::OffsetDateTime;

use super::{
    fields::carries,
    queries::{LIMIT_DEFAULT, LIMIT_MAX, Query},
};
use crate::{
    api::{
        services::Services,
        wire::{
            failure::{FieldError, Reason},
            owner_id,
        },
    },
    domain::{
        api_key::Keyring,
        credential_in_text::{credential_in, key_form_in},
        listing::{Page, cursor},
        owner::{Owner, identifier},
        timestamp,
    },
};

/// The number of characters of an unknown name that an error shows.
const NAME_SHOWN: usize = 64;
const NO_SUCH_PARAMETER: &str = "there is no such parameter here";
const NO_PLACE_FOR_A_KEY: &str = "there is no such parameter here; its value carries the text of a key, which logs and \
                                  histories of addresses keep: rotate the key, and send keys in x-api-key only";

/// The parameters of a query. Reading a parameter removes it; those left at the end are unknown.
pub(crate) struct Parameters {
    /// The parameters that the route has.
    known: Query,
    pairs: Vec<(String, String)>,
    problems: Vec<FieldError>,
}

impl Parameters {
    pub(crate) fn of(request: &HttpRequest, known: Query) -> Self {
        match web::Query::<Vec<(String, String)>>::from_query(request.query_string()) {
            Ok(pairs) => Self { known, pairs: pairs.into_inner(), problems: not_unicode(request.query_string()) },
            Err(error) => {
                let problem = FieldError::of_parameter("query", "invalid", error.to_string());
                Self { known, pairs: Vec::new(), problems: vec![problem] }
            }
        }
    }

    /// An optional parameter.
    pub(crate) fn take<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        debug_assert!(self.known.iter().copied().flatten().any(|(own, ..)| *own == name), "{name} is in no table");
        let mut values = self.pairs.extract_if(.., |(own, _)| own == name);
        let value = values.next()?.1;
        let more = values.count();
        if more > 0 {
            self.problem(name, "repeated", "may be given only once");
            return None;
        }
        match read(&value) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.problem(name, "invalid", detail);
                None
            }
        }
    }

    /// An optional parameter that a domain type parses.
    pub(crate) fn take_parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &'static str,
    ) -> Option<T> {
        self.take(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// The same for a text that is kept, which must carry no credential.
    pub(crate) fn take_kept<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        request: &HttpRequest,
        name: &'static str,
    ) -> Option<T> {
        let services = request.app_data::<Data<Services>>();
        self.take(name, |text| {
            if let Some(credential) = services.and_then(|services| credential_in(text, &services.issuer.keyring)) {
                return Err(carries(credential).1.to_owned());
            }
            text.parse().map_err(|error: T::Err| error.to_string())
        })
    }

    /// An RFC 3339 timestamp. In a query, a `+` is a space, so the `+` of a time zone is lost.
    pub(crate) fn take_instant(&mut self, name: &'static str) -> Option<OffsetDateTime> {
        self.take(name, |text| {
            timestamp::parse(text).map_err(|error| {
                let hint = if text.contains(' ') { "; in a query, a + is written as %2B" } else { "" };
                format!("{error}{hint}")
            })
        })
    }

    /// An optional parameter with several values, separated by commas.
    pub(crate) fn take_several<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.take(name, |text| text.split(',').map(read).collect())
    }

    /// The page of a list: `limit` and `cursor`.
    pub(crate) fn page(&mut self, keyring: &Keyring, list: &str) -> Page {
        self.page_of(keyring, list, LIMIT_DEFAULT, LIMIT_MAX)
    }

    /// The same with other page sizes.
    pub(crate) fn page_of(&mut self, keyring: &Keyring, list: &str, usual: u32, most: u32) -> Page {
        let limit = self.take("limit", |text| match text.parse() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(format!("must be a whole number from 1 to {most}")),
        });
        let after = self.take("cursor", |text| {
            cursor::read(keyring, list, text).ok_or_else(|| "must be a cursor that this list has given".to_owned())
        });
        Page { after, limit: limit.unwrap_or(usual) }
    }

    /// An owner: by their id, or by subject and issuer. The issuer may be absent if tokens have none.
    pub(crate) fn owner(&mut self) -> Option<Owner> {
        let is_given = |pairs: &[(String, String)], name: &str| pairs.iter().any(|(own, _)| own == name);
        let by_id = is_given(&self.pairs, "owner");
        let (has_issuer, has_subject) = (is_given(&self.pairs, "issuer"), is_given(&self.pairs, "subject"));
        let id = self.take("owner", |text| {
            owner_id::read(text).ok_or_else(|| "must be the id of an owner, as keys show it".to_owned())
        });
        let issuer = self.take("issuer", |text| identifier(text, 0));
        let subject = self.take("subject", |text| identifier(text, 1));
        if by_id && (has_issuer || has_subject) {
            self.problem("owner", "conflict", "give owner, or issuer and subject, not both");
            return None;
        }
        if has_issuer && !has_subject {
            self.problem("subject", "required", "an issuer alone names no owner");
            return None;
        }
        id.or_else(|| Some(Owner { issuer: issuer.unwrap_or_default(), subject: subject? }))
    }

    pub(crate) fn problem(&mut self, name: &'static str, code: &'static str, detail: impl Into<String>) {
        self.problems.push(FieldError::of_parameter(name, code, detail));
    }

    /// Fails if there was any error. Unknown parameters are errors; each name is reported once.
    pub(crate) fn finish(mut self) -> Result<(), Reason> {
        let mut named = HashSet::new();
        for (name, value) in self.pairs.drain(..) {
            let name: String = name.chars().take(NAME_SHOWN).collect();
            let detail = if key_form_in(&value).is_some() { NO_PLACE_FOR_A_KEY } else { NO_SUCH_PARAMETER };
            if named.insert(name.clone()) {
                self.problems.push(FieldError::of_parameter(name, "unknown_parameter", detail));
            }
        }
        if self.problems.is_empty() { Ok(()) } else { Err(Reason::InvalidParameters(self.problems)) }
    }
}

/// Reports parameters that are not UTF-8 (RFC 3986 §2.5). With replacement characters, they would find something else.
fn not_unicode(query: &str) -> Vec<FieldError> {
    let broken = |part: &str| percent_decode_str(part).decode_utf8().is_err();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let problem = |name: &str| {
        let name: String = percent_decode_str(name).decode_utf8_lossy().chars().take(NAME_SHOWN).collect();
        FieldError::of_parameter(name, "invalid", "is not UTF-8")
    };
    pairs.filter(|(name, value)| broken(name) || broken(value)).map(|(name, _)| problem(name)).collect()
}
