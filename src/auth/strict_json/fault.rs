//! What is wrong with a text that is not a JSON object without repeated members.

use std::str;

use super::Json;

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

/// The fault of a text that [`object`](super::object) refuses.
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
