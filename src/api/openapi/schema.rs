//! Schemas used in several places.

use serde_json::{Value, json};

/// Contains no control character (Unicode category Cc).
pub(super) const CLEAN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// Postgres can't store NUL in text.
pub(super) const NO_NUL: &str = r"^[^\u0000]*$";

/// A reference to the schema of that name.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// One line of text.
pub(super) fn line(longest: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": longest, "pattern": CLEAN })
}

/// An owner's id.
pub(super) fn owner_id() -> Value {
    json!({ "type": "string", "format": "owner-id" })
}
