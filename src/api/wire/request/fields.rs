//! Reads the fields of a JSON body. All errors are collected, instead of stopping at the first.

use std::collections::HashMap;

use actix_web::{
    HttpMessage, HttpRequest,
    http::Method,
    web::{Bytes, Data},
};
use serde_json::{Map, Value, value::RawValue};

use super::bodies::Body;
use crate::{
    api::{
        services::Services,
        wire::failure::{Fault, FieldError, Reason},
    },
    auth::strict_json,
    domain::{
        credential_in_text::{CarriedCredential, credential_in_json, credential_in_names_of},
        owner::Owner,
        timestamp,
    },
};

/// The fields of a body. Reading a field removes it; those left at the end are unknown.
pub(crate) struct Fields {
    /// The fields that the object can have.
    known: Body,
    members: Map<String, Value>,
    /// The JSON text of the body; empty for nested objects, and without a body.
    body: Bytes,
    problems: Vec<FieldError>,
    /// The JSON Pointer to this object within the body.
    at: String,
    /// Knows the keys that no text may carry that is kept; `None` for nested objects, which are looked through with
    /// what they stand in, and for bodies that may carry keys and tokens.
    services: Option<Data<Services>>,
}

/// What is wrong with a text that carries a credential: a stable code, and a description.
pub(crate) fn carries(credential: CarriedCredential) -> (&'static str, &'static str) {
    match credential {
        CarriedCredential::Key => {
            ("has_key", "carries the text of a key, which would be kept readable; leave it out, and rotate the key")
        }
        CarriedCredential::Token => {
            ("has_token", "carries a whole token (a JWT), which would be kept readable; leave it out")
        }
    }
}

/// What is wrong with a value: a pointer within it (empty for the whole value), a stable code, and a description.
type InvalidValue = (String, &'static str, String);
/// A value, or everything that is wrong with it.
pub(crate) type Read<T> = Result<T, Vec<InvalidValue>>;

/// One error about a whole value.
pub(crate) fn invalid<T>(code: &'static str, detail: impl Into<String>) -> Read<T> {
    Err(vec![(String::new(), code, detail.into())])
}

impl Fields {
    /// The fields of a required body.
    pub(crate) fn of(request: &HttpRequest, body: &Bytes, known: Body) -> Result<Self, Reason> {
        if body.is_empty() {
            return Err(Reason::InvalidJson(Fault::Missing));
        }
        if !is_json(request.method(), &request.content_type().to_ascii_lowercase()) {
            return Err(Reason::UnsupportedMediaType);
        }
        let members = strict_json::object(body).ok_or_else(|| Reason::InvalidJson(strict_json::fault(body)))?;
        let services = request.app_data::<Data<Services>>().cloned();
        Ok(Self { body: body.clone(), services, ..Self::within(members, String::new(), known) })
    }

    /// The fields of an optional body.
    pub(crate) fn of_optional(request: &HttpRequest, body: &Bytes, known: Body) -> Result<Self, Reason> {
        if body.is_empty() {
            Ok(Self::within(Map::new(), String::new(), known))
        } else {
            Self::of(request, body, known)
        }
    }

    /// The same fields of a body that is not kept, and that may carry keys.
    pub(crate) fn that_may_carry_keys(self) -> Self {
        Self { services: None, ..self }
    }

    /// The fields of an object within the body. The caller merges its `problems` with the others.
    pub(crate) fn within(members: Map<String, Value>, at: String, known: Body) -> Self {
        Self { known, members, body: Bytes::new(), problems: Vec::new(), at, services: None }
    }

    /// The JSON text of a field, exactly as it was sent; `null` if it is absent.
    pub(crate) fn json_of(&self, name: &str) -> String {
        let read = serde_json::from_slice::<HashMap<String, &RawValue>>(&self.body);
        match read.ok().and_then(|members| members.get(name).map(|value| value.get().to_owned())) {
            Some(json) => json,
            None => self.members.get(name).unwrap_or(&Value::Null).to_string(),
        }
    }

    /// An optional field; `null` is the same as absent.
    pub(crate) fn take<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Read<T>) -> Option<T> {
        self.take_nullable(name, read).flatten()
    }

    /// A field of a merge patch; `Some(None)` if it is `null`.
    pub(crate) fn take_nullable<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Read<T>) -> Option<Option<T>> {
        debug_assert!(self.known.iter().copied().flatten().any(|(own, _)| *own == name), "{name} is in no table");
        match self.members.remove(name)? {
            Value::Null => Some(None),
            value => {
                let carried = self.credential_in(&value);
                // A field that is about tokens knows better what to do about a whole one.
                let read = if carried == Some(CarriedCredential::Key) { Ok(None) } else { read(value).map(Some) };
                match (read, carried) {
                    (Err(errors), _) => {
                        for (within, code, detail) in errors {
                            let pointer = format!("{}/{name}{within}", self.at);
                            self.problems.push(FieldError::of_field(pointer, code, detail));
                        }
                        None
                    }
                    (Ok(_), Some(credential)) => {
                        let (code, detail) = carries(credential);
                        self.problem(name, code, detail);
                        None
                    }
                    (Ok(value), None) => value.map(Some),
                }
            }
        }
    }

    /// The credential in a value that would be kept.
    fn credential_in(&self, value: &Value) -> Option<CarriedCredential> {
        self.services.as_ref().and_then(|services| credential_in_json(value, &services.issuer.keyring))
    }

    /// Takes note of a credential in the names of an owner, which an id hides in base64.
    pub(crate) fn without_credential(&mut self, name: &str, owner: Owner) -> Option<Owner> {
        let services = self.services.as_ref();
        match services.and_then(|services| credential_in_names_of(&owner, &services.issuer.keyring)) {
            None => Some(owner),
            Some(credential) => {
                let (code, detail) = carries(credential);
                self.problem(name, code, detail);
                None
            }
        }
    }

    /// A required field.
    pub(crate) fn require<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Read<T>) -> Option<T> {
        if self.members.get(name).is_none_or(Value::is_null) {
            self.members.remove(name);
            self.problem(name, "required", "must be there");
            return None;
        }
        self.take(name, read)
    }

    /// Whether the field is present, even as `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Whether the field is present and not `null`.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Reports each of these fields that is `null`, if that must not mean the same as absent.
    pub(crate) fn refuse_null<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            if self.members.get(name).is_some_and(Value::is_null) {
                self.problem(name, "wrong_type", "must not be null; leave it out where it does not matter");
            }
        }
    }

    /// Whether any of these fields is present.
    pub(crate) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    /// Takes a field that responses show and nobody can change: a client may send back what it was shown. Reports
    /// another value.
    pub(crate) fn take_read_only(&mut self, name: &str, shown: &Value) {
        if self.members.remove(name).is_some_and(|sent| !is_same(&sent, shown)) {
            self.problem(name, "immutable", "cannot be changed: leave it out, or send it as it is shown");
        }
    }

    /// Ignores fields that responses show and that change by themselves, such as the time of the last use: when they
    /// are sent back, they may be different already.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        names.iter().for_each(|name| _ = self.members.remove(*name));
    }

    /// Takes a field that is sent back as it is shown, so that nothing reads it.
    pub(crate) fn take_if_same(&mut self, name: &str, shown: &Value) {
        if self.members.get(name).is_some_and(|sent| !sent.is_null() && is_same(sent, shown)) {
            self.members.remove(name);
        }
    }

    /// Reports an invalid field.
    pub(crate) fn problem(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.problems.push(FieldError::of_field(format!("{}/{name}", self.at), code, detail));
    }

    /// `value` within a list or another object, if no error was found.
    pub(crate) fn finish_within<T>(self, value: Option<T>) -> Read<T> {
        let problems = self.problems();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(problems
                .into_iter()
                .map(|FieldError { pointer, code, detail, .. }| (pointer.unwrap_or_default(), code, detail))
                .collect()),
        }
    }

    /// Whether no error was found so far.
    pub(crate) fn are_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// All errors, including unknown fields.
    pub(crate) fn problems(self) -> Vec<FieldError> {
        let Self { members, mut problems, at, .. } = self;
        problems.extend(members.keys().map(|name| {
            // Escaping of JSON Pointers (RFC 6901 §3).
            let name: String = name.chars().take(64).collect::<String>().replace('~', "~0").replace('/', "~1");
            FieldError::of_field(format!("{at}/{name}"), "unknown_field", "there is no such field here")
        }));
        problems
    }

    /// `value`, if no error was found.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Reason> {
        let problems = self.problems();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(Reason::InvalidFields(problems)),
        }
    }
}

/// Only `PATCH` takes a merge patch (RFC 7396).
fn is_json(method: &Method, media_type: &str) -> bool {
    media_type == "application/json" || (media_type == "application/merge-patch+json" && method == Method::PATCH)
}

/// Whether a value is that which was shown. Some clients write times in another form than they have read.
fn is_same(sent: &Value, shown: &Value) -> bool {
    let instant = |value: &Value| value.as_str().and_then(|text| timestamp::parse(text).ok());
    sent == shown || instant(sent).is_some_and(|sent| Some(sent) == instant(shown))
}

/// A string.
pub(crate) fn text(value: Value) -> Read<String> {
    match value {
        Value::String(text) => Ok(text),
        _ => invalid("wrong_type", "must be a text"),
    }
}

/// A string that a domain type parses.
pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(value: Value) -> Read<T> {
    text(value)?.parse().or_else(|error: T::Err| invalid("invalid", error.to_string()))
}

/// A number without a fraction that is not negative. 60 and 60.0 are the same JSON number, and some clients write every
/// number with a decimal point.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    let whole = |number: f64| (number.fract() == 0.0 && number >= 0.0).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

/// `true` or `false`.
pub(crate) fn boolean(value: Value) -> Read<bool> {
    value.as_bool().map_or_else(|| invalid("wrong_type", "must be true or false"), Ok)
}

/// An object.
pub(crate) fn object(value: Value) -> Read<Map<String, Value>> {
    match value {
        Value::Object(members) => Ok(members),
        _ => invalid("wrong_type", "must be an object"),
    }
}

/// An array of at most `most` items, each read by `read`.
pub(crate) fn list<T>(value: Value, most: usize, read: impl Fn(Value) -> Read<T>) -> Read<Vec<T>> {
    let Value::Array(items) = value else { return invalid("wrong_type", "must be a list") };
    if items.len() > most {
        return invalid("too_many", format!("at most {most} items"));
    }
    let mut read_items = Vec::new();
    let mut errors = Vec::new();
    for (position, item) in items.into_iter().enumerate() {
        match read(item) {
            Ok(item) => read_items.push(item),
            Err(more) => {
                let located = |(within, code, detail)| (format!("/{position}{within}"), code, detail);
                errors.extend(more.into_iter().map(located));
            }
        }
    }
    if errors.is_empty() { Ok(read_items) } else { Err(errors) }
}
