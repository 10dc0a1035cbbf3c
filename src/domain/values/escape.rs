//! Escapes the text of strangers for logs, messages and terminals, so that it stays on one line, commands no terminal,
//! and is read in the order in which it is written; and what people are told to run as SQL.

use std::fmt::Write;

/// Marks the end of a truncated text.
const ELLIPSIS: char = '…';

/// The text with escapes such as `\n` and `\u{202e}` for characters that end a line, command a terminal, are invisible,
/// or change the direction of writing.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    text.chars().for_each(|character| push(character, &mut escaped));
    escaped
}

/// The same for at most the first `most` characters; an ellipsis marks a truncated text.
pub fn excerpt(text: &str, most: usize) -> String {
    let mut characters = text.chars();
    let mut escaped = String::new();
    characters.by_ref().take(most).for_each(|character| push(character, &mut escaped));
    if characters.next().is_some() {
        escaped.push(ELLIPSIS);
    }
    escaped
}

/// An equivalent JSON document with escapes (RFC 8259 §7) for such characters. Line breaks between values stay.
pub fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && (character.is_control() || is_invisible(character)) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// A name as SQL has it. Always quoted: which words are reserved depends on the version of the server.
pub fn sql_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it.
pub fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Appends one character, escaped if necessary.
fn push(character: char, escaped: &mut String) {
    if character.is_control() || is_invisible(character) {
        // Writing to a `String` never fails.
        let _ = write!(escaped, "{}", character.escape_debug());
    } else {
        escaped.push(character);
    }
}

/// Whether a character changes the direction of its neighbours (Unicode Standard Annex #9), ends a line, or has no
/// width. The two joiners are not escaped, because some scripts can't be written without them.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_neither_break_its_line_nor_turn_its_letters_around() {
        assert_eq!(escaped("a\nb\u{1b}[31m\u{202e}c\u{2066}\u{9b}"), r"a\nb\u{1b}[31m\u{202e}c\u{2066}\u{9b}");
        for text in ["plain", "naïve", "नमस्ते", "می\u{200c}خواهم", "e\u{301}", r#"a "quoted" \ word"#]
        {
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn names_and_texts_of_sql_are_quoted_whatever_they_are() {
        assert_eq!((sql_name("user"), sql_name(r#"a"b"#)), (r#""user""#.to_owned(), r#""a""b""#.to_owned()));
        assert_eq!((sql_text("user"), sql_text("it's")), ("'user'".to_owned(), "'it''s'".to_owned()));
    }

    #[test]
    fn a_json_document_says_the_same_without_what_commands_a_terminal() {
        let value = serde_json::json!({ "a": "x\n\u{9b}\u{202e}\u{e0001}y" });
        let text = escaped_json(&serde_json::to_string_pretty(&value).expect("JSON"));
        assert!(text.is_ascii() && text.contains(r"x\n\u009b\u202e\udb40\udc01y"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn an_excerpt_says_that_it_is_one() {
        assert_eq!(excerpt("abc", 3), "abc");
        assert_eq!(excerpt("abcd", 3), "abc…");
        assert_eq!(excerpt("\n\n", 1), r"\n…");
    }
}
