//! Enumerations whose values have words.

/// An enumeration with a word for each value, as the database, requests and responses have it: the values in their
/// order (`ALL`), the word of a value (`as_str`), and the value with a word (`of`).
macro_rules! worded_enum {
    ($(#[$attribute:meta])* $visible:vis enum $name:ident {
        $($(#[$about:meta])* $value:ident => $word:literal,)+
    }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visible enum $name {
            $($(#[$about])* $value,)+
        }

        impl $name {
            /// Every value, in the order of the definition.
            $visible const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// The word for it.
            $visible fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }

            /// The value with this word.
            $visible fn of(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.as_str() == word)
            }
        }
    };
}

pub(crate) use worded_enum;
