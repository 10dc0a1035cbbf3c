//! The owner's notes on a key: a small JSON object.

use serde_json::{Map, Value};

/// The largest notes, in bytes of compact JSON.
pub const METADATA_MAX_BYTES: usize = 4096;
/// The deepest: the object itself is the first level.
pub const METADATA_MAX_DEPTH: usize = 5;

/// Notes as compact JSON. Empty notes take no memory: most keys have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Box<str>);

/// Notes that we do not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// They are too large.
    #[error("at most {METADATA_MAX_BYTES} bytes of JSON")]
    TooLarge,
    /// They are nested too deeply.
    #[error("at most {METADATA_MAX_DEPTH} levels deep")]
    TooDeep,
    /// Postgres keeps no NUL.
    #[error("no NUL character, in a name or in a text")]
    Nul,
}

impl Metadata {
    /// Takes notes within the limits.
    ///
    /// # Errors
    /// [`InvalidMetadata`].
    pub fn new(members: Map<String, Value>) -> Result<Self, InvalidMetadata> {
        if members.is_empty() {
            return Ok(Self::default());
        }
        let notes = Value::Object(members);
        if !is_shallow(&notes, METADATA_MAX_DEPTH) {
            return Err(InvalidMetadata::TooDeep);
        }
        if has_nul(&notes) {
            return Err(InvalidMetadata::Nul);
        }
        let json = notes.to_string();
        if json.len() > METADATA_MAX_BYTES { Err(InvalidMetadata::TooLarge) } else { Ok(Self(json.into())) }
    }

    /// Notes as the database has kept them, which were within the limits once.
    pub fn from_stored(members: Map<String, Value>) -> Self {
        if members.is_empty() { Self::default() } else { Self(Value::Object(members).to_string().into()) }
    }

    /// Compact JSON; empty for no notes.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The members.
    pub fn members(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
        Value::Object(members) => levels > 0 && members.values().all(|item| is_shallow(item, levels - 1)),
        _ => true,
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, item)| name.contains('\0') || has_nul(item)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(json: &str) -> Result<Metadata, InvalidMetadata> {
        Metadata::new(serde_json::from_str(json).expect("an object"))
    }

    #[test]
    fn notes_come_back_as_they_were() {
        let notes = metadata(r#"{"team":"payments","n":[1,null,{"a":true}],"☃":"𝄞"}"#).expect("valid");
        assert_eq!(notes.members()["☃"], "𝄞");
        assert_eq!(Metadata::from_stored(notes.members()), notes);
        assert_eq!(metadata("{}").expect("valid").as_json(), "");
    }

    #[test]
    fn what_is_too_large_too_deep_or_holds_a_nul_is_refused() {
        assert!(metadata(r#"{"a":[[[[1]]]]}"#).is_ok());
        assert_eq!(metadata(r#"{"a":[[[[[1]]]]]}"#), Err(InvalidMetadata::TooDeep));
        assert_eq!(metadata(r#"{"a":"\u0000"}"#), Err(InvalidMetadata::Nul));
        assert_eq!(metadata(r#"{"a\u0000":1}"#), Err(InvalidMetadata::Nul));
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(METADATA_MAX_BYTES));
        assert_eq!(metadata(&long), Err(InvalidMetadata::TooLarge));
    }
}
