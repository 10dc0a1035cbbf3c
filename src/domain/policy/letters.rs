//! Case folding and other equivalences of characters. Servers differ in which characters they treat as equal, so texts
//! are compared by every equivalence that any of them might apply.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Maps all characters that some server might treat as equal to one form.
///
/// This is compatibility caseless matching (Unicode 3.13, D146), and in addition maps the dotless i to i (as
/// `toUpperCase` does) and removes invisible characters.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    // A second time, because the results of the first mapping may decompose further, and accents get their order once
    // nothing invisible stands between them.
    let once: String = without_case(text.nfkd()).filter(|letter| !is_ignorable(*letter)).collect();
    let mut folded = String::with_capacity(once.len());
    for letter in without_case(once.nfkd()) {
        // The dot belongs to a lowercase i, but not to an uppercase one.
        if letter != '\u{307}' || !folded.ends_with('i') {
            folded.push(letter);
        }
    }
    Cow::Owned(folded)
}

/// To lowercase through uppercase, because several lowercase letters share one uppercase letter, such as `s` and `ſ`.
fn without_case(letters: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    letters.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Invisible characters (Unicode's Default_Ignorable_Code_Point), which some servers remove.
fn is_ignorable(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_some_server_takes_for_the_same_is_the_same() {
        for (one, other) in [
            ("orders", "ORDERS"),
            ("orders", "order\u{17f}"),
            ("keys", "\u{212a}eys"),
            ("invoices", "\u{130}nvoices"),
            ("invoices", "\u{131}nvoices"),
            ("straße", "STRASSE"),
            ("straße", "STRAẞE"),
            ("σοφός", "ΣΟΦΌΣ"),
            // Composed and decomposed.
            ("caf\u{e9}", "cafe\u{301}"),
            ("caf\u{e9}", "CAFE\u{301}"),
            // Full-width, a ligature, and circled.
            ("orders", "\u{ff4f}rders"),
            ("files", "\u{fb01}les"),
            ("a", "\u{24d0}"),
            // With invisible characters.
            ("orders", "or\u{200b}ders"),
            ("orders", "or\u{ad}ders"),
            ("orders", "orders\u{fe0f}"),
            ("e\u{323}\u{301}", "e\u{301}\u{200b}\u{323}"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} and {other}");
        }
        for (one, other) in [("cafe", "café"), ("и", "й"), ("a", "а"), ("7", "8")] {
            assert_ne!(folded(one), folded(other), "{one} and {other}");
        }
    }

    proptest! {
        #[test]
        fn to_fold_again_changes_nothing(text in ".*") {
            let once = folded(&text).into_owned();
            prop_assert_eq!(folded(&once), once.as_str());
        }

        #[test]
        fn case_does_not_matter(text in ".*") {
            let of = |text: &str| folded(text).into_owned();
            prop_assert_eq!(of(&text.to_uppercase()), of(&text));
            prop_assert_eq!(of(&text.to_lowercase()), of(&text));
        }
    }
}
