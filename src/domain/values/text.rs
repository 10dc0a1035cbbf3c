//! Free text in one line, with a maximum length.

/// The maximum length of a key's name, in characters.
pub const NAME_MAX: usize = 200;
/// The maximum length of a key's description, in characters.
pub const DESCRIPTION_MAX: usize = 1000;
/// The maximum length of what is said about a scope, in characters: a line or two beside its name.
pub const SCOPE_TEXT_MAX: usize = 200;
/// The maximum length of a reason, in characters.
pub const REASON_MAX: usize = 500;

/// The text is empty, too long, nothing but characters that show nothing, or has a control character (Postgres keeps no
/// NUL, and a line of a log or a table must stay one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1 to {max} characters, not all of them blanks, and none of them a control character")]
pub struct InvalidText {
    max: usize,
}

/// Whether a letter alone shows nothing: a blank, or one that only changes others (Unicode,
/// `Default_Ignorable_Code_Point`, and the blank of Braille).
pub fn is_blank(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn line(text: &str, max: usize) -> Result<Box<str>, InvalidText> {
    let sound = !text.chars().all(is_blank) && text.chars().count() <= max && !text.chars().any(char::is_control);
    if sound { Ok(text.into()) } else { Err(InvalidText { max }) }
}

/// A type for such a line. `stored`: it can also come from the database.
macro_rules! one_line {
    ($(#[$doc:meta])* $name:ident, $max:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                line(text, $max).map(Self)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, $max:ident, stored) => {
        one_line!($(#[$doc])* $name, $max);

        impl $name {
            /// A text from the database.
            pub fn from_stored(text: String) -> Self {
                Self(text.into())
            }
        }
    };
}

one_line! {
    /// The owner's name for a key.
    KeyName, NAME_MAX, stored
}
one_line! {
    /// What to call a person.
    PersonName, NAME_MAX
}
one_line! {
    /// The owner's description of a key's purpose.
    KeyDescription, DESCRIPTION_MAX, stored
}
one_line! {
    /// What an operator says about a scope: its description, or the group that it belongs to.
    ScopeText, SCOPE_TEXT_MAX
}
one_line! {
    /// A text to search for.
    SearchText, NAME_MAX
}
one_line! {
    /// The reason for a change, such as a revocation or disabling an owner.
    ChangeReason, REASON_MAX, stored
}

impl SearchText {
    /// Whether `text` contains it, case-insensitively.
    pub fn is_within(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.0.to_lowercase())
    }

    /// An SQL `LIKE` pattern for texts that contain it.
    pub fn like_pattern(&self) -> String {
        let mut pattern = String::from("%");
        for letter in self.0.chars() {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_is_no_pattern() {
        let pattern = |text: &str| text.parse::<SearchText>().expect("a text").like_pattern();
        assert_eq!(pattern("bill"), "%bill%");
        assert_eq!(pattern(r"50%_\"), r"%50\%\_\\%");
    }

    #[test]
    fn any_unicode_is_a_name_but_control_characters_are_not() {
        for good in ["a", "Zoë’s ключ 鍵 🔑", "👩\u{200d}💻", "\u{200f}מפתח", &"é".repeat(NAME_MAX)]
        {
            assert_eq!(good.parse::<KeyName>().expect("a name").as_str(), good);
        }
        for bad in ["", " ", "\u{a0}\u{3000}", "\u{feff}", "a\0", "a\nb", "\u{7f}", "\u{85}", &"é".repeat(NAME_MAX + 1)]
        {
            assert!(bad.parse::<KeyName>().is_err(), "{bad:?}");
        }
        // Nobody would see these in a list.
        for bad in ["\u{200b}", "\u{202e}\u{202c}", " \u{2060}\u{ad}", "\u{3164}", "\u{2800}", "\u{e0041}"] {
            assert!(bad.parse::<KeyName>().is_err(), "{bad:?}");
        }
    }
}
