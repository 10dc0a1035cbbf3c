//! Schemas used in several places.

use serde_json::{Value, json};

use crate::domain::usage::TAG_MAX_BYTES;

/// No control characters (Unicode's category Cc), and not only blanks.
const SHOWN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
/// Postgres can't store NUL in text.
pub(crate) const NO_NUL: &str = r"^[^\u0000]*$";

/// A reference to the schema of that name.
pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// One line of text.
pub(crate) fn line(longest: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": longest, "pattern": SHOWN })
}

/// An owner's id.
pub(crate) fn owner_id() -> Value {
    json!({ "type": "string", "format": "owner-id" })
}

/// The name of a plan.
pub(crate) fn plan_name() -> Value {
    let pattern = r"^\.*[0-9A-Za-z_-][0-9A-Za-z._-]*$";
    json!({ "type": "string", "minLength": 1, "maxLength": 50, "pattern": pattern, "example": "pro" })
}

/// A timestamp.
pub(crate) fn instant() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// One of these words, or several separated by commas.
pub(crate) fn several(words: &[&str]) -> String {
    let word = format!("({})", words.join("|").replace('.', "\\."));
    format!("^{word}(,{word})*$")
}

/// The pattern of a tag of at least so many characters.
pub(crate) fn usage_tag(shortest: usize) -> String {
    format!("^[0-9A-Za-z._-]{{{shortest},{TAG_MAX_BYTES}}}$")
}
