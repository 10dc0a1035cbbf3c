//! JSON objects without repeated members. Two parsers may read different subjects from `{"sub":"a","sub":"b"}`, so such
//! text is refused as a whole (RFC 7519 §4, RFC 8725 §2.4).

use std::{borrow::Cow, fmt, str};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Up to this number, a linear search is faster than sorting.
const FEW: usize = 16;
/// A capacity that suffices for most tokens.
const USUAL: usize = 8;

/// Parses a JSON object into an owned value; `None` as for [`Object::read`].
pub fn object(text: &[u8]) -> Option<Map<String, Value>> {
    Object::read(text).map(Map::from)
}

/// Why a text is not a JSON object without repeated members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The text is empty.
    Missing,
    /// It is not UTF-8 (RFC 8259 §8.1).
    NotUnicode,
    /// It is not JSON; the position of the error.
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The byte in that line, from 1; 0 at its end.
        column: usize,
        /// What is wrong there, in the words of the parser, which repeat nothing of the text.
        cause: Box<str>,
    },
    /// A member is repeated.
    Repeated,
    /// It is JSON of another type.
    NotAnObject(&'static str),
}

/// The fault of a text that [`object`] refuses.
pub fn fault(text: &[u8]) -> Fault {
    if text.is_empty() {
        return Fault::Missing;
    }
    let Ok(text) = str::from_utf8(text) else { return Fault::NotUnicode };
    match serde_json::from_str::<Json<'_>>(text) {
        Ok(json) => Fault::NotAnObject(json.type_name()),
        Err(error) if error.is_data() => Fault::Repeated,
        Err(error) => Fault::Syntax { line: error.line(), column: error.column(), cause: cause(&error) },
    }
}

/// What the parser says, without the place, which it adds in its own words.
fn cause(error: &serde_json::Error) -> Box<str> {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().into()
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

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;

    /// `count` members with different names, followed by `last`.
    fn members(count: usize, last: &str) -> String {
        let members: String = (0..count).map(|number| format!(r#""m{number}":{number},"#)).collect();
        format!("{{{members}{last}}}")
    }

    #[test]
    fn an_object_is_read_as_it_stands() {
        let text = br#"{"a":[1,-2,0.5,null,true,"x"],"b":{"c":{}}}"#;
        assert_eq!(object(text).map(Value::Object), serde_json::from_slice(text).ok());
    }

    #[test]
    fn a_repeated_member_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":{"a":1,"a":2}}"#, r#"{"x":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#]
        {
            assert!(object(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_repeated_member_is_refused_wherever_it_is_among_few_or_many() {
        for count in [1, 2, FEW - 1, FEW, FEW + 1, 5000] {
            let text = members(count, r#""last":1"#);
            assert!(Object::read(text.as_bytes()).is_some(), "{count}");
            for place in [0, count / 2, count - 1] {
                for last in [format!(r#""m{place}":1"#), format!(r#""\u006d{place}":1"#)] {
                    let text = members(count, &last);
                    assert!(Object::read(text.as_bytes()).is_none(), "{last} after {count}");
                    let within = format!(r#"{{"x":[{text}]}}"#);
                    assert!(Object::read(within.as_bytes()).is_none(), "{last} after {count}, deeper");
                }
            }
        }
    }

    #[test]
    fn every_member_is_found_among_few_and_many() {
        for count in [0, 1, FEW - 1, FEW, FEW + 1, 1000] {
            let text = members(count, r#""\u006cast":"x""#);
            let object = Object::read(text.as_bytes()).expect("an object");
            for number in 0..count {
                assert_eq!(object.get(&format!("m{number}")).and_then(Json::as_f64), Some(number as f64));
            }
            assert_eq!(object.get("last").and_then(Json::as_str), Some("x"));
            assert!(object.get("m").is_none() && object.get("").is_none() && object.get("z").is_none());
        }
    }

    #[test]
    fn only_what_is_escaped_is_copied() {
        let object = Object::read(r#"{"plain":"é","escaped":"\u00e9"}"#.as_bytes()).expect("an object");
        assert!(matches!(object.get("plain"), Some(Json::Text(Cow::Borrowed("é")))));
        assert!(matches!(object.get("escaped"), Some(Json::Text(Cow::Owned(text))) if text == "é"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = "[".repeat(10_000);
        for text in ["", "[]", "1", "null", r#""x""#, "{", "{}{}", r#"{"a":1e999}"#, deep.as_str()] {
            assert!(object(text.as_bytes()).is_none(), "{text:.40}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told() {
        for (text, wrong) in [
            (&b""[..], Fault::Missing),
            (b"\xff", Fault::NotUnicode),
            (b"{\n\"a\":}", Fault::Syntax { line: 2, column: 5, cause: "expected value".into() }),
            (b"{\"a\":1e999}", Fault::Syntax { line: 1, column: 10, cause: "number out of range".into() }),
            (b"{}{}", Fault::Syntax { line: 1, column: 3, cause: "trailing characters".into() }),
            (b"{\"a\":1,\"a\":1}", Fault::Repeated),
            (b"[{\"a\":1,\"a\":1}]", Fault::Repeated),
            (b"[1]", Fault::NotAnObject("array")),
            (b" null ", Fault::NotAnObject("null")),
            (b"true", Fault::NotAnObject("boolean")),
            (b"1", Fault::NotAnObject("number")),
            (b"\"x\"", Fault::NotAnObject("string")),
        ] {
            assert_eq!(fault(text), wrong, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn text_that_is_not_unicode_is_refused() {
        let bad: [&[u8]; 4] = [b"{\"a\":\"\xff\"}", b"{\"\xff\":1}", b"{}\xff", br#"{"a":"\ud800"}"#];
        for text in bad {
            assert!(Object::read(text).is_none(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn nesting_is_as_deep_as_serde_json_takes_it() {
        for depth in [1, 126, 127, 128, 129] {
            let text = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
            let taken = serde_json::from_str::<Value>(&text).is_ok();
            assert_eq!(Object::read(text.as_bytes()).is_some(), taken, "{depth}");
        }
    }

    #[test]
    fn numbers_are_those_of_serde_json() {
        for number in
            ["0", "-0", "-1", "1.5", "1e300", "1e-400", "18446744073709551615", "18446744073709551616", "-1e3"]
        {
            let text = format!(r#"{{"a":{number}}}"#);
            let value: Value = serde_json::from_str(&text).expect("JSON");
            let object = Object::read(text.as_bytes()).expect("an object");
            let read = object.get("a").and_then(Json::as_f64).map(f64::to_bits);
            assert_eq!(read, value["a"].as_f64().map(f64::to_bits), "{number}");
            assert_eq!(Value::Object(object.into()), value, "{number}");
        }
    }

    fn number() -> impl Strategy<Value = Number> {
        let float = any::<f64>().prop_filter_map("finite", Number::from_f64);
        prop_oneof![any::<u64>().prop_map(Number::from), any::<i64>().prop_map(Number::from), float]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number().prop_map(Value::Number),
            any::<String>().prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 64, 40, |inner| {
            let members = collection::btree_map(any::<String>(), inner.clone(), 0..40);
            let object = members.prop_map(|members| Value::Object(members.into_iter().collect()));
            prop_oneof![collection::vec(inner, 0..8).prop_map(Value::Array), object]
        })
    }

    proptest! {
        #[test]
        fn any_text_without_repeats_is_read_as_serde_json_reads_it(value in value(), pretty: bool) {
            let value = serde_json::json!({ "value": value });
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.expect("JSON");
            prop_assert_eq!(object(text.as_bytes()).map(Value::Object), serde_json::from_str(&text).ok());
        }

        #[test]
        fn what_is_taken_is_what_serde_json_takes(text in r#"\{("[ab]":([0-9.e-]{1,4}|"\\?[ax]"|\[1,?\]|null),?){0,3}\}"#) {
            let read = object(text.as_bytes()).map(Value::Object);
            let taken = serde_json::from_str::<Value>(&text).ok();
            let repeats = ["\"a\":", "\"b\":"].iter().any(|name| text.matches(name).count() > 1);
            prop_assert_eq!(read, taken.filter(|_| !repeats));
        }
    }
}
