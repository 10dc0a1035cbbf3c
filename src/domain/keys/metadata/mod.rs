//! The owner's metadata of a key: a small JSON object whose numbers are returned exactly as they were sent.

mod note;

use serde_json::{Map, Value};

use self::note::{Members, Note};

/// The maximum size, in bytes of compact JSON.
pub const METADATA_MAX_BYTES: usize = 4096;
/// The maximum depth; the object itself is the first level.
pub const METADATA_MAX_DEPTH: usize = 5;

/// Metadata as compact JSON. Empty metadata takes no heap memory; most keys have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Box<str>);

/// The metadata violates a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// It is not a JSON object.
    #[error("must be a JSON object")]
    NotAnObject,
    /// It is too large.
    #[error("at most {METADATA_MAX_BYTES} bytes of JSON")]
    TooLarge,
    /// It is too large in Postgres, which stores numbers without exponents.
    #[error("at most {METADATA_MAX_BYTES} bytes of JSON with every number written out: 1e300 has 301 digits")]
    NumbersTooLarge,
    /// It is nested too deeply.
    #[error("at most {METADATA_MAX_DEPTH} levels deep")]
    TooDeep,
    /// Postgres can't store NUL.
    #[error("must not contain a NUL character")]
    Nul,
}

/// A merge patch for metadata (RFC 7396), as compact JSON of an object: a tree of it would take a hundred times the
/// memory while its request waits for the database.
#[derive(Clone, Debug)]
pub struct MetadataPatch(Box<str>);

/// A change of metadata.
#[derive(Clone, Debug)]
pub enum MetadataChange {
    /// Members are set and removed (RFC 7396).
    Merge(MetadataPatch),
    /// All of it is replaced.
    Replace(Metadata),
}

impl MetadataPatch {
    /// Parses a merge patch.
    ///
    /// # Errors
    /// [`InvalidMetadata::NotAnObject`].
    pub fn read(json: &str) -> Result<Self, InvalidMetadata> {
        let members = note::read_object(json).ok_or(InvalidMetadata::NotAnObject)?;
        Ok(Self(Note::Object(members).to_string().into()))
    }
}

impl Metadata {
    /// Metadata within the limits.
    ///
    /// # Errors
    /// [`InvalidMetadata`] if a limit is violated.
    pub fn new(members: Map<String, Value>) -> Result<Self, InvalidMetadata> {
        Self::read(&Value::Object(members).to_string())
    }

    /// Parses metadata within the limits from the JSON text of an object.
    ///
    /// # Errors
    /// [`InvalidMetadata`] if a limit is violated.
    pub fn read(json: &str) -> Result<Self, InvalidMetadata> {
        Self::of(note::read_object(json).ok_or(InvalidMetadata::NotAnObject)?)
    }

    fn of(members: Members) -> Result<Self, InvalidMetadata> {
        let notes = Note::Object(members);
        if notes.levels() > METADATA_MAX_DEPTH {
            return Err(InvalidMetadata::TooDeep);
        }
        if notes.has_nul() {
            return Err(InvalidMetadata::Nul);
        }
        let json = notes.to_string();
        if json.len() > METADATA_MAX_BYTES {
            return Err(InvalidMetadata::TooLarge);
        }
        let mut written_out = json.len();
        let is_too_large = notes.any_number(&mut |number| {
            written_out = (written_out - number.len()).saturating_add(note::written_out(number));
            written_out > METADATA_MAX_BYTES
        });
        if is_too_large { Err(InvalidMetadata::NumbersTooLarge) } else { Ok(Self::of_object(notes)) }
    }

    /// Metadata from the database, which was within the limits when it was written.
    ///
    /// # Errors
    /// [`InvalidMetadata::NotAnObject`].
    pub fn from_stored(json: &str) -> Result<Self, InvalidMetadata> {
        note::read_object(json).map(Note::Object).map(Self::of_object).ok_or(InvalidMetadata::NotAnObject)
    }

    fn of_object(notes: Note) -> Self {
        let json = notes.to_string();
        if json == "{}" { Self::default() } else { Self(json.into()) }
    }

    /// Applies a merge patch.
    ///
    /// # Errors
    /// [`InvalidMetadata`] if the result violates a limit.
    pub fn merged(&self, patch: &MetadataPatch) -> Result<Self, InvalidMetadata> {
        let read = |json: &str| note::read_object(json).ok_or(InvalidMetadata::NotAnObject);
        let mut members = read(self.as_object())?;
        note::merge_into(&mut members, &read(&patch.0)?);
        Self::of(members)
    }

    /// Compact JSON; empty if there is no metadata.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Compact JSON of an object; `{}` if there is no metadata.
    pub fn as_object(&self) -> &str {
        if self.0.is_empty() { "{}" } else { &self.0 }
    }

    /// Whether both are equal, apart from the notation of numbers.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self == other || note::read_object(self.as_object()) == note::read_object(other.as_object())
    }

    /// Whether `jsonb` returns the metadata exactly.
    pub fn comes_back_from_jsonb(&self) -> bool {
        let notes = note::read_object(self.as_object()).map(Note::Object);
        notes.is_some_and(|notes| !notes.any_number(&mut |number| !note::comes_back(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_as_they_were() {
        let json = r#"{"n":[1,null,{"a":true},-0,1E400],"team":"payments","☃":"𝄞"}"#;
        let notes = Metadata::read(json).expect("valid");
        assert_eq!(notes.as_json(), json);
        assert_eq!(Metadata::from_stored(notes.as_object()), Ok(notes));
        assert_eq!(Metadata::read(" { } ").expect("valid").as_json(), "");
        assert_eq!(Metadata::from_stored("[]"), Err(InvalidMetadata::NotAnObject));
    }

    #[test]
    fn what_is_too_large_too_deep_or_holds_a_nul_is_refused() {
        assert!(Metadata::read(r#"{"a":[[[[1]]]]}"#).is_ok());
        assert_eq!(Metadata::read(r#"{"a":[[[[[1]]]]]}"#), Err(InvalidMetadata::TooDeep));
        assert_eq!(Metadata::read(r#"{"a":"\u0000"}"#), Err(InvalidMetadata::Nul));
        assert_eq!(Metadata::read(r#"{"a\u0000":1}"#), Err(InvalidMetadata::Nul));
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(METADATA_MAX_BYTES));
        assert_eq!(Metadata::read(&long), Err(InvalidMetadata::TooLarge));
        let longest = r#"{"a":1e4089}"#;
        assert!(Metadata::read(longest).is_ok());
        assert_eq!(Metadata::read(r#"{"a":1e4090}"#), Err(InvalidMetadata::NumbersTooLarge));
    }

    #[test]
    fn a_patch_leaves_the_numbers_beside_it_as_they_are() {
        let notes = Metadata::read(r#"{"a":-0,"b":{"c":1e2,"d":1}}"#).expect("valid");
        let patch = MetadataPatch::read(r#"{"b":{"d":null,"e":1.10}}"#).expect("a patch");
        assert_eq!(notes.merged(&patch).expect("valid").as_json(), r#"{"a":-0,"b":{"c":1e2,"e":1.10}}"#);
        assert!(!notes.comes_back_from_jsonb() && Metadata::default().comes_back_from_jsonb());
    }

    #[test]
    fn notes_say_the_same_if_their_numbers_are_the_same() {
        let same = |one: &str, other: &str| {
            let read = |number: &str| Metadata::read(&format!(r#"{{"a":[{number}]}}"#)).expect("valid");
            read(one).says_the_same_as(&read(other))
        };
        for (one, other) in [("1e2", "100"), ("100.0", "0.1E+3"), ("-0.50", "-5e-1"), ("0", "0e7"), ("-0", "-0.00")] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [("0", "-0"), ("1", "1.01"), ("10", "1"), ("-1", "1"), ("1e-2", "1e2")] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
