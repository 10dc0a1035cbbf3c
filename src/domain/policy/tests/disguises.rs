//! Characters that some server takes for a separator or for nothing.

use super::*;

fn of(text: String) -> Result<String, Unclear> {
    path(&format!("/a/{}/b", percent_encoded(&text)))
}

#[test]
fn the_signs_of_yen_and_won_are_backslashes_to_some() {
    for letter in ['\u{a5}', '\u{20a9}', '\u{ffe5}', '\u{ffe6}'] {
        assert_eq!(of(format!("..{letter}admin")), Err(Unclear), "{letter:?}");
        assert_eq!(of(format!("5{letter}")), Err(Unclear), "{letter:?}");
    }
    // Other signs of money are letters like any.
    for letter in ['\u{a2}', '\u{a3}', '\u{20ac}'] {
        assert!(of(format!("5{letter}")).is_ok(), "{letter:?}");
    }
}

#[test]
fn a_segment_of_dots_and_what_looks_like_nothing_is_unclear() {
    let white = (0..=char::MAX as u32).filter_map(char::from_u32).filter(|letter| letter.is_whitespace());
    let blank = ['\u{80}', '\u{9f}', '\u{2800}', '\u{3164}', '\u{200b}', '\u{ad}'];
    for letter in white.filter(|letter| *letter >= ' ').chain(blank) {
        for text in [format!("..{letter}"), format!("{letter}."), letter.to_string(), format!("{letter}\u{2060}")] {
            assert_eq!(of(text.clone()), Err(Unclear), "{text:?}");
        }
        if letter != '\u{80}' && letter != '\u{9f}' {
            assert!(of(format!("x{letter}")).is_ok(), "{letter:?}");
        }
    }
}
