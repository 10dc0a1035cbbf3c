//! JSON objects without repeated members. Two parsers may read different subjects from `{"sub":"a","sub":"b"}`, so such
//! text is refused as a whole (RFC 7519 §4, RFC 8725 §2.4).
//!
//! - `fault`: what is wrong with a refused text

mod fault;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, str};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

pub use self::fault::{Fault, fault};

/// Up to this number, a linear search is faster than sorting.
const FEW: usize = 16;
/// A capacity that suffices for most tokens.
const USUAL: usize = 8;

/// Parses a JSON object into an owned value; `None` as for [`Object::read`].
pub fn object(text: &[u8]) -> Option<Map<String, Value>> {
    Object::read(text).map(Map::from)
}

/// A JSON object that borrows from its text, because tokens are read once and dropped.
pub struct Object<'a> {
    /// Names are unique. If there are more than [`FEW`], they are sorted by name.
    members: Vec<(Cow<'a, str>, Json<'a>)>,
}

/// A value in such an object.
#[allow(missing_docs, reason = "each is named as JSON names it")]
pub enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    /// An owned copy only if the text contains escapes.
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Object<'a>),
}

impl<'a> Object<'a> {
    /// Parses a JSON object; `None` for anything else, and for a repeated member at any depth.
    pub fn read(text: &'a [u8]) -> Option<Self> {
        // Checked once for the whole text, which is faster than for each string.
        let text = str::from_utf8(text).ok()?;
        match serde_json::from_str(text).ok()? {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        let place = if self.members.len() > FEW {
            self.members.binary_search_by(|(other, _)| (**other).cmp(name)).ok()
        } else {
            self.members.iter().position(|(other, _)| other == name)
        };
        place.map(|place| &self.members[place].1)
    }

    /// All members, in unspecified order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.members.iter().map(|(name, value)| (&**name, value))
    }

    fn of<A: MapAccess<'a>>(mut access: A) -> Result<Self, A::Error> {
        let mut members: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        let repeated = || de::Error::custom("a repeated member");
        while let Some((Name(name), value)) = access.next_entry()? {
            // A stranger may send thousands of members, which must not be compared pairwise.
            if members.len() < FEW && members.iter().any(|(other, _)| *other == name) {
                return Err(repeated());
            }
            if members.is_empty() {
                members.reserve_exact(USUAL);
            }
            members.push((name, value));
        }
        if members.len() > FEW {
            members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(repeated());
            }
        }
        Ok(Self { members })
    }
}

impl Json<'_> {
    /// The JSON name of the type.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The text, if the value is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The nearest `f64`, if the value is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            _ => None,
        }
    }
}

impl From<Object<'_>> for Map<String, Value> {
    fn from(object: Object<'_>) -> Self {
        object.members.into_iter().map(|(name, value)| (name.into_owned(), value.into())).collect()
    }
}

impl From<Json<'_>> for Value {
    fn from(value: Json<'_>) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(value) => Self::Number(value),
            Json::Text(value) => Self::String(value.into_owned()),
            Json::List(items) => items.into_iter().map(Self::from).collect(),
            Json::Object(object) => Self::Object(object.into()),
        }
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strict)
    }
}

struct Strict;

impl<'de> Visitor<'de> for Strict {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json<'de>, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Json<'de>, A::Error> {
        Object::of(access).map(Json::Object)
    }
}
