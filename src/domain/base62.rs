//! Fixed-width base62 (`0-9A-Za-z`, most significant digit first).
//!
//! Base62 has no punctuation, so that a double-click selects a whole credential. The width is
//! fixed so that each value has exactly one text.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Writes `value` with exactly `N` digits; digits that do not fit are cut off at the top.
pub(super) fn encode<const N: usize>(mut value: u128) -> [u8; N] {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(value % 62) as usize];
        value /= 62;
    }
    text
}

/// Reads digits; `None` for a foreign character or a value over 128 bits.
pub(super) fn decode(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0u128, |value, &character| {
        let digit = digit_value(character)?;
        value.checked_mul(62)?.checked_add(u128::from(digit))
    })
}

fn digit_value(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'A'..=b'Z' => Some(character - b'A' + 10),
        b'a'..=b'z' => Some(character - b'a' + 36),
        _ => None,
    }
}

pub(super) fn is_digit(character: u8) -> bool {
    character.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_128_bit_value_survives_a_round_trip(value: u128) {
            prop_assert_eq!(decode(&encode::<22>(value)), Some(value));
        }
    }

    #[test]
    fn a_value_over_128_bits_is_refused() {
        assert_eq!(decode(&[b'z'; 22]), None);
        assert_eq!(decode(&encode::<22>(u128::MAX)), Some(u128::MAX));
    }

    #[test]
    fn a_foreign_character_is_refused() {
        assert_eq!(decode(b"00-0"), None);
        assert_eq!(decode("00é0".as_bytes()), None);
    }
}
