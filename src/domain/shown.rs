//! Texts of strangers as people may see them: on one line, in the order in which they are written, and as long as there is
//! room.

use std::fmt::Write;

/// What shows that a text was longer.
const CUT: char = '…';

/// The text with escapes (`\n`, `\u{202e}`) in the place of what would break its line, command a terminal, or show letters in
/// another order than they have.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|letter| push(letter, &mut shown));
    shown
}

/// The same of no more than the first `most` characters.
pub fn excerpt(text: &str, most: usize) -> String {
    let mut letters = text.chars();
    let mut shown = String::new();
    letters.by_ref().take(most).for_each(|letter| push(letter, &mut shown));
    if letters.next().is_some() {
        shown.push(CUT);
    }
    shown
}

/// A JSON document that says the same, with escapes (RFC 8259 §7) in the place of such letters. White space between values stays.
pub fn escaped_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter != '\n' && (letter.is_control() || is_invisible(letter)) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(letter);
        }
    }
    shown
}

fn push(letter: char, shown: &mut String) {
    if letter.is_control() || is_invisible(letter) {
        // To write into a text does not fail.
        let _ = write!(shown, "{}", letter.escape_debug());
    } else {
        shown.push(letter);
    }
}

/// What changes the direction of the letters around it (Unicode Standard Annex #9), ends a line, or has no width. The two
/// joiners are not among these, because some scripts can't be written without them.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
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
