//! What a form has sent: names and texts (URL Standard, `application/x-www-form-urlencoded`).

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use actix_web::{HttpRequest, HttpResponse, http::header::CONTENT_TYPE, web::Bytes};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    labels::{label, shown_field},
    visitor::Visitor,
};
use crate::{
    console::{fault::Fault, texts::WHY_NOT},
    domain::{
        credential_in_text::{CarriedCredential, credential_in},
        ledger::{IdempotentRequest, Reach},
        owner::Owner,
        owner_id,
        precondition::Preconditions,
    },
};

/// The name of the member that proves that one of our pages has made the form.
const TOKEN: &str = "form";
const FORM: &str = "application/x-www-form-urlencoded";

/// The members of a form, and what is wrong with them.
pub(crate) struct Form {
    members: Vec<(String, String)>,
    problems: Problems,
    /// The members that carry a key or a token. What is read from a form is kept, so they have no values.
    with_credentials: BTreeSet<String>,
}

/// What is wrong with a form: names of members, and what to do about each.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<(&'static str, String)>);

impl Problems {
    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members with which something is wrong.
    #[cfg(test)]
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// Each problem: the member, and what is wrong with it.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, text)| (*name, &**text))
    }

    /// All that is wrong with a member.
    pub(crate) fn of(&self, name: &str) -> Option<String> {
        let texts: Vec<&str> = self.0.iter().filter(|(known, _)| *known == name).map(|(_, text)| &**text).collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    }
}

impl Form {
    /// The form that a page of this visitor has sent. A member that carries a key or a token is a problem, and has no
    /// value.
    pub(crate) fn of(request: &HttpRequest, body: &Bytes, visitor: &Visitor) -> Result<Self, Fault> {
        let mut form = Self::of_search(request, body, visitor)?;
        let keyring = &visitor.console.issuer.keyring;
        let carriers: BTreeMap<String, CarriedCredential> = form
            .members
            .iter()
            .filter_map(|(name, text)| Some((name.clone(), credential_in(text, keyring)?)))
            .collect();
        for (name, credential) in &carriers {
            let why = match credential {
                CarriedCredential::Key => WHY_NOT.has_key,
                CarriedCredential::Token => WHY_NOT.has_token,
            };
            // Nothing can be said beside a field that no page shows.
            form.problem(shown_field(name).ok_or_else(|| Fault::Refused(why.to_owned()))?, why);
        }
        Ok(Self { with_credentials: carriers.into_keys().collect(), ..form })
    }

    /// The same of a form that looks for something, perhaps by the text of a key, and of which nothing is kept.
    pub(crate) fn of_search(request: &HttpRequest, body: &Bytes, visitor: &Visitor) -> Result<Self, Fault> {
        let form = Self::without_session(request, body)?;
        visitor.demand_own_form(form.text(TOKEN))?;
        Ok(form)
    }

    /// A form of somebody who is not signed in yet.
    pub(crate) fn without_session(request: &HttpRequest, body: &Bytes) -> Result<Self, Fault> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_form = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM));
        let text = str::from_utf8(body).ok().filter(|_| is_form).ok_or(Fault::NoForm)?;
        Ok(Self::with(pairs(text)))
    }

    /// A form with these values, to be shown.
    pub(crate) fn filled(members: Vec<(&str, String)>) -> Self {
        Self::with(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The members of a query.
    pub(crate) fn of_query(request: &HttpRequest) -> Self {
        Self::of_text(request.query_string())
    }

    /// The members of a query that is no request's.
    pub(crate) fn of_text(query: &str) -> Self {
        Self::with(pairs(query))
    }

    fn with(members: Vec<(String, String)>) -> Self {
        Self { members, problems: Problems::default(), with_credentials: BTreeSet::new() }
    }

    /// The first value of a member; `None` if it is absent or empty, as browsers send fields that were left out.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Every value of a member.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let members =
            self.members.iter().filter(move |(known, _)| known == name && !self.with_credentials.contains(known));
        members.map(|(_, value)| &**value)
    }

    /// The value of a member, parsed; a value that is none is a problem.
    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, name: &'static str) -> Option<T> {
        self.read(name, |text| text.parse::<T>().map_err(|error| error.to_string()))
    }

    /// The value of a member, as `read` reads it.
    pub(crate) fn read<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match read(self.text(name)?) {
            Ok(value) => Some(value),
            Err(text) => {
                self.problem(name, text);
                None
            }
        }
    }

    /// Something is wrong with a member.
    pub(crate) fn problem(&mut self, name: &'static str, text: impl Into<String>) {
        self.problems.0.push((name, text.into()));
    }

    /// The form as a request that changes nothing when it is sent again, as by a reload or a second click. Each page
    /// that has such a form has made up another `once` for it.
    pub(crate) fn once(&self, request: &HttpRequest, body: &Bytes, visitor: &Visitor) -> Option<IdempotentRequest> {
        let once = Uuid::parse_str(self.text("once")?).ok()?;
        let hash = Sha256::new().chain_update(request.uri().to_string()).chain_update([0]).chain_update(body);
        let by = visitor.session.person.owner.clone();
        Some(IdempotentRequest { by, key: format!("console {once}"), hash: hash.finalize().into() })
    }

    /// The version that the form was made from: a change that somebody else has made meanwhile is not undone.
    pub(crate) fn version(&self) -> Result<Preconditions, Fault> {
        let version = self.text("version").and_then(|text| text.parse().ok());
        version.map(Preconditions::on_version).ok_or_else(|| Fault::Refused(WHY_NOT.changed_meanwhile.to_owned()))
    }

    /// What is wrong.
    pub(crate) fn problems(&self) -> &Problems {
        &self.problems
    }

    /// All that is wrong, in words, with the labels of the fields.
    pub(crate) fn complaint(&self) -> Option<String> {
        let told = |(name, text): &(&'static str, String)| match label(name) {
            Some(label) => format!("{label}: {text}"),
            None => text.clone(),
        };
        let all: Vec<String> = self.problems.0.iter().map(told).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Refuses the form if anything is wrong with it.
    pub(crate) fn refuse_problems(&self) -> Result<(), Fault> {
        self.complaint().map_or(Ok(()), |text| Err(Fault::Refused(text)))
    }

    /// The owner whom a query is about: within this reach, the one whom the query names, if it may name any.
    pub(crate) fn owner(&mut self, reach: &Reach) -> Option<Owner> {
        match reach {
            Reach::Own(owner) => Some(owner.clone()),
            Reach::Any => self.read("owner", |id| owner_id::read(id).ok_or_else(|| WHY_NOT.no_such_owner.to_owned())),
        }
    }

    /// Every value.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(_, value)| &**value)
    }

    /// The members that are not empty, without the token and those with these names.
    pub(crate) fn conditions(&self, without: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        let given = self.members.iter().map(|(name, value)| (&**name, value.trim()));
        given.filter(move |(name, value)| !value.is_empty() && *name != TOKEN && !without.contains(name))
    }

    /// Whether a member was sent, empty or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(known, _)| known == name)
    }

    /// The values as they were sent, to be shown again. Not a key: it is to be left out.
    pub(crate) fn shown(&self, name: &str) -> String {
        self.all(name).next().unwrap_or_default().to_owned()
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().replace("\r\n", "\n")
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// Sends the browser to another page (RFC 9110 §15.4.4), which it asks for with GET.
pub(crate) fn go_to(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((actix_web::http::header::LOCATION, address)).finish()
}

/// A name for a form that is to be done once.
pub(crate) fn new_once() -> String {
    Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_decoded_as_browsers_encode_them() {
        let form = Form::of_text("a=b+c%26&d=&e&a=%C3%A9%0D%0Ax");
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["b c&", "é\nx"]);
        assert_eq!((form.text("d"), form.text("e"), form.text("f")), (None, None, None));
    }
}
