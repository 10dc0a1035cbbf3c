//! JSON values that preserve the text of numbers: `1e2` stays distinct from `100.0`, and a number may have more digits
//! than any numeric type.

use std::{collections::BTreeMap, fmt};

use serde_json::value::RawValue;

/// The maximum depth of parsed values, the same as that of request bodies.
const LEVELS_READ: usize = 128;

/// The members of an object, ordered by name.
pub(super) type Members = BTreeMap<String, Note>;

/// The text of a number.
#[derive(Clone, Debug)]
pub(super) struct Number(Box<str>);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || value(&self.0) == value(&other.0)
    }
}

impl Eq for Number {}

/// A number's sign, its digits without leading and trailing zeros, and the power of ten of the last digit.
fn value(number: &str) -> (bool, String, Option<i64>) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let last = digits.trim_end_matches('0');
    let power = exponent.parse::<i64>().ok().and_then(|exponent| {
        exponent.checked_add((digits.len() - last.len()) as i64)?.checked_sub(fraction.len() as i64)
    });
    let digits = last.trim_start_matches('0').to_owned();
    let power = if digits.is_empty() { Some(0) } else { power };
    (number.starts_with('-'), digits, power)
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Null,
    Bool(bool),
    /// The original text. Two numbers are equal if their values and signs are; zeros have signs too.
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Object(Members),
}

/// Parses an object; `None` for anything else.
pub(super) fn read_object(text: &str) -> Option<Members> {
    match Note::read(serde_json::from_str(text).ok()?, LEVELS_READ)? {
        Note::Object(members) => Some(members),
        _ => None,
    }
}

/// Applies a merge patch: each member is replaced, or removed if it is `null`, recursively (RFC 7396 §2).
pub(super) fn merge_into(target: &mut Members, patch: &Members) {
    for (name, value) in patch {
        match value {
            Note::Null => drop(target.remove(name)),
            Note::Object(inner) => {
                let mut members = match target.remove(name) {
                    Some(Note::Object(members)) => members,
                    _ => Members::new(),
                };
                merge_into(&mut members, inner);
                target.insert(name.clone(), Note::Object(members));
            }
            value => drop(target.insert(name.clone(), value.clone())),
        }
    }
}

impl Note {
    fn read(value: &RawValue, levels: usize) -> Option<Self> {
        let text = value.get();
        let below = |inner: &RawValue| Self::read(inner, levels.checked_sub(1)?);
        Some(match text.as_bytes().first()? {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Self::List(items.into_iter().map(below).collect::<Option<_>>()?)
            }
            b'{' => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
                let members = members.into_iter().map(|(name, value)| Some((name, below(value)?)));
                Self::Object(members.collect::<Option<_>>()?)
            }
            _ => Self::Number(Number(text.into())),
        })
    }

    /// The nesting depth: 0 unless it is a list or an object.
    pub(super) fn levels(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::levels).max().unwrap_or(0),
            Self::Object(members) => 1 + members.values().map(Self::levels).max().unwrap_or(0),
            _ => 0,
        }
    }

    pub(super) fn has_nul(&self) -> bool {
        match self {
            Self::Text(text) => text.contains('\0'),
            Self::List(items) => items.iter().any(Self::has_nul),
            Self::Object(members) => members.iter().any(|(name, item)| name.contains('\0') || item.has_nul()),
            _ => false,
        }
    }

    /// Whether `number` returns true for any number in the value.
    pub(super) fn any_number(&self, number: &mut impl FnMut(&str) -> bool) -> bool {
        match self {
            Self::Number(Number(text)) => number(text),
            Self::List(items) => items.iter().any(|item| item.any_number(number)),
            Self::Object(members) => members.values().any(|item| item.any_number(number)),
            _ => false,
        }
    }
}

/// Writes compact JSON.
impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &String| serde_json::to_string(text).map_err(|_| fmt::Error);
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Bool(value) => write!(formatter, "{value}"),
            Self::Number(Number(text)) => formatter.write_str(text),
            Self::Text(text) => formatter.write_str(&quoted(text)?),
            Self::List(items) => {
                formatter.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(formatter, "{comma}{item}")?;
                }
                formatter.write_str("]")
            }
            Self::Object(members) => {
                formatter.write_str("{")?;
                for (place, (name, item)) in members.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(formatter, "{comma}{}:{item}", quoted(name)?)?;
                }
                formatter.write_str("}")
            }
        }
    }
}

/// The number of characters of a number without an exponent, which is how Postgres stores and writes it.
pub(super) fn written_out(number: &str) -> usize {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // A larger exponent exceeds every limit.
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX);
    let moved = |digits: usize, by: i64| (digits as i64).saturating_add(by).max(0) as usize;
    let (whole, fraction) = (moved(whole.len(), exponent).max(1), moved(fraction.len(), exponent.saturating_neg()));
    whole.saturating_add(fraction).saturating_add(usize::from(fraction > 0))
}

/// Whether Postgres returns this number exactly. Postgres stores a number's value and the number of digits after the
/// decimal point.
pub(super) fn comes_back(number: &str) -> bool {
    let is_negative_zero = number.starts_with('-') && !number.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    !number.contains(['e', 'E']) && !is_negative_zero
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Members {
        read_object(text).expect("an object")
    }

    /// The examples of RFC 7396, appendix A, that concern objects.
    #[test]
    fn a_merge_patch_does_what_rfc_7396_shows() {
        for (original, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let mut target = members(original);
            merge_into(&mut target, &members(patch));
            assert_eq!(Note::Object(target).to_string(), result, "{original} with {patch}");
        }
    }

    #[test]
    fn what_is_written_is_what_was_read_without_blanks() {
        for (text, compact) in [
            (" { \"b\" : [ 1 , -0.0,1E+2 ], \"a\":\t\"\\u2603\\n\" } ", "{\"a\":\"☃\\n\",\"b\":[1,-0.0,1E+2]}"),
            ("{\"n\":[null,true,false,{},[]]}", "{\"n\":[null,true,false,{},[]]}"),
        ] {
            assert_eq!(Note::Object(members(text)).to_string(), compact);
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
        for no_object in ["", "[]", "1", "{", "{}{}", "{\"a\":01}", &deep] {
            assert_eq!(read_object(no_object), None, "{no_object:.20}");
        }
    }

    #[test]
    fn a_number_is_as_long_as_postgres_writes_it() {
        for (number, length) in [
            ("0", 1),
            ("-17", 3),
            ("1.50", 4),
            ("1e2", 3),
            ("1.5e1", 2),
            ("15e-1", 3),
            ("5e-324", 326),
            ("1e308", 309),
            ("0e-3", 5),
            ("1e-99999999999999999999", usize::MAX),
        ] {
            let found = written_out(number);
            assert!(found == length || found.abs_diff(length) <= 1 || found > 1 << 40, "{number}: {found}");
        }
    }

    #[test]
    fn a_number_with_an_exponent_or_a_negative_zero_does_not_come_back_from_postgres() {
        assert!(["0", "-1", "0.10", "-0.01", "123456789012345678901234567890"].into_iter().all(comes_back));
        assert!(!["-0", "-0.00", "1e2", "1E2", "-0e1"].into_iter().any(comes_back));
    }
}
