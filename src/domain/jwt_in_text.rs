//! JWTs in texts, by their form alone: a whole token still works, and nobody asks here whose it is.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Few decoders look at the bits that are left over at the end of a part.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Whether there is a JWT in a text, whatever stands directly before or behind it: parts of base64url joined by dots, of
/// which the first is an object with `alg` (RFC 7515 §7.1, RFC 7516 §7.1). Either of the next two may be empty: the
/// signature of an unsecured token, or the key of one that is encrypted without.
pub(super) fn has_jwt_in(text: &str) -> bool {
    let is_of_tokens = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '=' | '.');
    text.split(|letter| !is_of_tokens(letter)).any(|word| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.windows(3).any(|three| three[1..] != ["", ""] && ends_with_header(three[0]))
    })
}

/// Whether a part ends with the header of a token. Where the header begins cannot be seen, but it is at one of four
/// places that letters of base64 have in their groups of four, so this takes four times as long as decoding once.
fn ends_with_header(part: &str) -> bool {
    // Some issuers pad their parts, and what stands before another sign of equality is not in base64.
    let part = part.trim_end_matches('=');
    let part = part.rsplit_once('=').map_or(part, |(_, rest)| rest);
    (0..4).filter_map(|skipped| LENIENT.decode(part.get(skipped..)?).ok()).any(|header| names_algorithm(&header))
}

/// Whether a JSON text, of which the beginning may be anything, has a member `alg`.
fn names_algorithm(json: &[u8]) -> bool {
    let mut strings = json.iter().enumerate().filter(|(_, byte)| **byte == b'"').map(|(at, _)| &json[at + 1..]);
    strings.any(|string| {
        let after_word = b"alg".iter().try_fold(string, |rest, letter| after_letter(rest, *letter));
        let after_name = after_word.and_then(|rest| rest.strip_prefix(b"\"")).map(<[u8]>::trim_ascii_start);
        after_name.is_some_and(|rest| rest.starts_with(b":"))
    })
}

/// What follows a letter of a JSON string, which may be written as an escape (RFC 8259 §7).
fn after_letter(text: &[u8], letter: u8) -> Option<&[u8]> {
    match text.strip_prefix(br"\u00").and_then(|escaped| escaped.split_first_chunk::<2>()) {
        Some((digits, rest)) => digits.eq_ignore_ascii_case(format!("{letter:02x}").as_bytes()).then_some(rest),
        None => text.strip_prefix(&[letter]),
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{URL_SAFE as PADDED, URL_SAFE_NO_PAD};

    use super::*;

    const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
    const PAYLOAD: &str = "eyJzdWIiOiJhbGljZSJ9";

    fn token(header: &str) -> String {
        format!("{}.{PAYLOAD}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn a_token_is_found_whatever_stands_directly_before_or_behind_it() {
        let token = token(HEADER);
        for before in
            ["", " ", "x", "xy", "xyz", "n", "Bearer", "access_token_", "a-b_", "%22", "t=", "a.b.", "…", "\n"]
        {
            for behind in ["", " ", "x", ".", ".x", "=", "-_", "…", "\n", " or so"] {
                let text = format!("{before}{token}{behind}");
                assert!(has_jwt_in(&text), "{text}");
            }
        }
    }

    #[test]
    fn every_form_that_decoders_take_is_found() {
        for header in [
            HEADER,
            r#"{"alg":"none"}"#,
            r#" {"alg":"HS256"}"#,
            "\n{ \"alg\" :\t\"HS256\" }\r\n",
            r#"{"\u0061l\u0067":"HS256"}"#,
            r#"{"\u0061\u006C\u0067":"HS256"}"#,
            r#"{"kid":"é\"☃","alg":"ES256"}"#,
        ] {
            for before in ["", "a", "ab", "abc"] {
                assert!(has_jwt_in(&format!("{before}{}", token(header))), "{before} {header:?}");
            }
        }
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A128GCM"}"#);
        let padded = PADDED.encode(r#"{"alg":"HS256","a":12}"#);
        assert!(padded.ends_with("=="));
        for whole in [
            format!("{header}.{PAYLOAD}."),
            format!("{header}..c2lnbmF0dXJl"),
            format!("{header}..aXY.Y2lwaGVydGV4dA.dGFn"),
            format!("{header}.a2V5.aXY.Y2lwaGVydGV4dA.dGFn"),
            format!("{padded}.{PAYLOAD}==.c2ln="),
            format!("x={padded}.{PAYLOAD}==.c2ln="),
        ] {
            assert!(has_jwt_in(&whole), "{whole}");
        }
    }

    #[test]
    fn what_only_looks_like_a_token_is_none() {
        let header = URL_SAFE_NO_PAD.encode(HEADER);
        let without_algorithm = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alga":"alg"}"#);
        for harmless in [
            "",
            "eyJ",
            "eyJ.eyJ.eyJ",
            "eyJ….eyJ….",
            "1.2.3",
            "v1.2.3-rc.1+build.5",
            "a.b.c",
            "...",
            "www.example.com",
            "backup-2026-11-30.tar.gz.part",
            "alice@mail.example.com",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            &header,
            &format!("{header}."),
            &format!("{header}.."),
            &format!("the header is {header}... and so on"),
            &format!("{header}.{PAYLOAD}"),
            &format!("{header} . {PAYLOAD} . c2ln"),
            &format!("{without_algorithm}.{PAYLOAD}.c2ln"),
            &format!("{PAYLOAD}.{PAYLOAD}.{PAYLOAD}"),
        ] {
            assert!(!has_jwt_in(harmless), "{harmless}");
        }
    }
}
