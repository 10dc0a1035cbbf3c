//! Reads the parameters of a query and collects all that is wrong with them.

use actix_web::{HttpRequest, web::Query};

use super::{
    cursor,
    failure::{FieldProblem, Reason},
};
use crate::domain::{api_key::Keyring, ledger::Page};

/// What a page holds when nobody says how much.
pub(super) const LIMIT_DEFAULT: u32 = 25;
/// The most that a page holds.
pub(super) const LIMIT_MAX: u32 = 100;

/// The parameters of a query. Each is taken out when it is read; what is left in the end is unknown.
pub(super) struct Parameters {
    pairs: Vec<(String, String)>,
    problems: Vec<FieldProblem>,
}

impl Parameters {
    pub(super) fn of(request: &HttpRequest) -> Self {
        match Query::<Vec<(String, String)>>::from_query(request.query_string()) {
            Ok(pairs) => Self { pairs: pairs.into_inner(), problems: Vec::new() },
            Err(error) => {
                let problem = FieldProblem::of_parameter("query", "invalid", error.to_string());
                Self { pairs: Vec::new(), problems: vec![problem] }
            }
        }
    }

    /// A parameter that may be missing.
    pub(super) fn take<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        #[cfg(test)]
        super::asked::note(name);
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

    /// A parameter that the domain parses.
    pub(super) fn take_parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &'static str,
    ) -> Option<T> {
        self.take(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// Which page of a list: `limit` and `cursor`.
    pub(super) fn page(&mut self, keyring: &Keyring, list: &str) -> Page {
        let limit = self.take("limit", |text| match text.parse() {
            Ok(limit @ 1..=LIMIT_MAX) => Ok(limit),
            _ => Err(format!("a whole number from 1 to {LIMIT_MAX}")),
        });
        let before = self.take("cursor", |text| {
            cursor::read(keyring, list, text).ok_or_else(|| "not a cursor that this list has given".to_owned())
        });
        Page { before, limit: limit.unwrap_or(LIMIT_DEFAULT) }
    }

    pub(super) fn problem(&mut self, name: &'static str, code: &'static str, detail: impl Into<String>) {
        self.problems.push(FieldProblem::of_parameter(name, code, detail));
    }

    /// An error if anything was wrong.
    pub(super) fn finish(mut self) -> Result<(), Reason> {
        if !self.pairs.is_empty() {
            let names: Vec<String> =
                self.pairs.iter().take(5).map(|(name, _)| name.chars().take(64).collect()).collect();
            self.problem("query", "unknown_parameter", format!("there is no parameter {}", names.join(", ")));
        }
        if self.problems.is_empty() { Ok(()) } else { Err(Reason::InvalidParameters(self.problems)) }
    }
}

/// The same list from `cursor` on, as `Link` gives it (RFC 8288).
pub(super) fn link_to_next(request: &HttpRequest, cursor: &str) -> String {
    let others = request.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: String = others.map(|pair| format!("{pair}&")).collect();
    format!("<{}?{query}cursor={cursor}>; rel=\"next\"", request.path())
}
