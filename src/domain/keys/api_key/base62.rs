//! Fixed-width base62 (`0-9A-Za-z`, most significant digit first).
//!
//! Base62 has no punctuation, so a double-click selects a whole credential. The width is fixed, so each value has
//! exactly one representation.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The base, as a 64-bit integer.
const BASE: u64 = DIGITS.len() as u64;
/// The number of digits that always fit into 64 bits, where arithmetic is several times faster than with 128.
const CHUNK: usize = 10;

/// Encodes 64 bits as 11 digits.
pub(crate) fn encode_u64(value: u64) -> [u8; 11] {
    let mut text = [b'0'; 11];
    encode_chunk(value, &mut text);
    text
}

/// Encodes 128 bits as 22 digits.
pub(crate) fn encode_u128(mut value: u128) -> [u8; 22] {
    let mut text = [b'0'; 22];
    for digits in text.rchunks_mut(CHUNK) {
        let weight = u128::from(BASE.pow(digits.len() as u32));
        encode_chunk((value % weight) as u64, digits);
        value /= weight;
    }
    text
}

fn encode_chunk(mut value: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(value % BASE) as usize];
        value /= BASE;
    }
}

/// Decodes 11 digits; `None` for an invalid character or a value that exceeds 64 bits.
pub(crate) fn decode_u64(text: &[u8; 11]) -> Option<u64> {
    let (last, digits) = text.split_last()?;
    decode_chunk(digits)?.checked_mul(BASE)?.checked_add(decode_chunk(&[*last])?)
}

/// Decodes 22 digits; `None` for an invalid character or a value that exceeds 128 bits.
pub(crate) fn decode_u128(text: &[u8; 22]) -> Option<u128> {
    text.chunks(CHUNK).try_fold(0u128, |value, digits| {
        let weight = BASE.pow(digits.len() as u32);
        value.checked_mul(weight.into())?.checked_add(decode_chunk(digits)?.into())
    })
}

fn decode_chunk(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, &digit| match VALUES[usize::from(digit)] {
        FOREIGN => None,
        digit => Some(value * BASE + u64::from(digit)),
    })
}

const FOREIGN: u8 = u8::MAX;

/// The value of each character. A table, because every request decodes a key.
const VALUES: [u8; 256] = {
    let mut values = [FOREIGN; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_128_bit_value_survives_a_round_trip(value: u128) {
            prop_assert_eq!(decode_u128(&encode_u128(value)), Some(value));
        }

        #[test]
        fn every_64_bit_value_survives_a_round_trip(value: u64) {
            prop_assert_eq!(decode_u64(&encode_u64(value)), Some(value));
        }

        #[test]
        fn both_widths_write_the_same_digits(value: u64) {
            let wide = encode_u128(value.into());
            prop_assert_eq!(&encode_u64(value)[..], &wide[11..]);
        }
    }

    #[test]
    fn a_value_over_64_bits_is_refused() {
        assert_eq!(decode_u64(&[b'z'; 11]), None);
        assert_eq!(decode_u64(&encode_u64(u64::MAX)), Some(u64::MAX));
        let mut one_more = encode_u64(u64::MAX);
        one_more[10] += 1;
        assert_eq!(decode_u64(&one_more), None);
    }

    #[test]
    fn a_value_over_128_bits_is_refused() {
        assert_eq!(decode_u128(&[b'z'; 22]), None);
        assert_eq!(decode_u128(&encode_u128(u128::MAX)), Some(u128::MAX));
        let mut one_more = encode_u128(u128::MAX);
        one_more[21] += 1;
        assert_eq!(decode_u128(&one_more), None);
    }

    #[test]
    fn a_foreign_character_is_refused() {
        for foreign in [b'-', b'_', b' ', 0, 0xC3] {
            let mut text = [b'0'; 22];
            text[13] = foreign;
            assert_eq!(decode_u128(&text), None, "{foreign}");
        }
    }
}
