//! A token has only one encoding (RFC 7515 §2, §3.1, §7.1).

use super::*;

/// Encodings that a lenient base64 decoder would accept as `segment`.
fn other_spellings(segment: &str) -> Vec<String> {
    let (middle, _) = segment.split_at(4);
    let insert = |text: &str| format!("{middle}{text}{}", &segment[4..]);
    let mut spellings = vec![
        format!("{segment}="),
        format!("{segment}=="),
        format!("{segment}==="),
        format!(" {segment}"),
        format!("{segment} "),
        format!("{segment}\0"),
        insert(" "),
        insert("\n"),
        insert("\r\n"),
        insert("\t"),
        insert("="),
        insert("é"),
        insert("%"),
        with_stray_bits(segment),
    ];
    if segment.contains(['-', '_']) {
        spellings.push(segment.replace('-', "+").replace('_', "/"));
    }
    spellings
}

/// The same bytes, with an unused bit of the last character set.
fn with_stray_bits(segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert!(!segment.len().is_multiple_of(4), "a segment with bits to spare: {segment}");
    let (last, rest) = (segment.chars().next_back().expect("text"), &segment[..segment.len() - 1]);
    let index = ALPHABET.find(last).expect("a character of the alphabet");
    format!("{rest}{}", &ALPHABET[index + 1..][..1])
}

fn is_telling(segment: &str) -> bool {
    !segment.len().is_multiple_of(4) && segment.contains('-') && segment.contains('_')
}

/// An encoded object, with a member and spaces added so that the segment has alternative encodings of every kind.
fn telling_segment(json: &str) -> String {
    let members = &json[1..];
    let padded = (0..3).map(|spaces| format!(r#"{{{}"x":"???>>>???>>>~~~",{members}"#, " ".repeat(spaces)));
    padded.map(|json| URL_SAFE_NO_PAD.encode(json)).find(|segment| is_telling(segment)).expect("one of three paddings")
}

/// The segments of a valid token, each with alternative encodings of every kind.
fn telling_token() -> [String; 3] {
    let header = telling_segment(HEADER);
    let claims = |number: u32| telling_segment(&good_with("number", json!(number)).to_string());
    let tokens = (0..).map(|number| signed_segments(&header, &claims(number), Algorithm::HS256));
    let segments = tokens.map(|token| <[String; 3]>::try_from(token.split('.').map(str::to_owned).collect::<Vec<_>>()));
    let mut segments = segments.map(|segments| segments.expect("three segments"));
    let segments = segments.find(|[_, _, signature]| is_telling(signature)).expect("one of many signatures");
    assert_eq!(judged(&settings(), &segments.join(".")), accepted("alice"));
    segments
}

#[test]
fn another_spelling_of_the_header_is_refused() {
    let [header, claims, _] = telling_token();
    for header in other_spellings(&header) {
        let token = signed_segments(&header, &claims, Algorithm::HS256);
        assert_eq!(judged(&settings(), &token), Err(TokenFault::Malformed), "{header:?}");
    }
}

#[test]
fn another_spelling_of_the_claims_is_refused() {
    let [header, claims, _] = telling_token();
    for claims in other_spellings(&claims) {
        let token = signed_segments(&header, &claims, Algorithm::HS256);
        assert_eq!(judged(&settings(), &token), Err(TokenFault::Malformed), "{claims:?}");
    }
}

#[test]
fn another_spelling_of_the_signature_is_refused() {
    let [header, claims, signature] = telling_token();
    for signature in other_spellings(&signature) {
        let token = format!("{header}.{claims}.{signature}");
        assert_eq!(judged(&settings(), &token), Err(TokenFault::Signature), "{signature:?}");
    }
}

#[test]
fn a_signature_that_is_empty_cut_or_longer_is_refused() {
    let token = signed(HEADER, &good().to_string());
    let (message, signature) = token.rsplit_once('.').expect("three segments");
    for signature in ["", &signature[..42], &signature[..22], &format!("{signature}AAAA"), &signature.repeat(2)] {
        assert_eq!(judged(&settings(), &format!("{message}.{signature}")), Err(TokenFault::Signature), "{signature}");
    }
}

#[test]
fn only_three_segments_are_a_token() {
    let token = signed(HEADER, &good().to_string());
    let segments: Vec<&str> = token.split('.').collect();
    let jwe = format!("{token}.{}.{}", segments[2], segments[2]);
    for bad in [
        String::new(),
        ".".to_owned(),
        "...".to_owned(),
        format!("{token}."),
        format!("{token}.."),
        format!(".{token}"),
        format!("{}.{}", segments[0], segments[1]),
        token.replace('.', ".."),
        token.replace('.', ""),
        jwe,
    ] {
        assert_eq!(judged(&settings(), &bad), Err(TokenFault::Malformed), "{bad}");
    }
}

#[test]
fn a_token_without_header_or_claims_is_refused() {
    let claims = URL_SAFE_NO_PAD.encode(good().to_string());
    let header = URL_SAFE_NO_PAD.encode(HEADER);
    assert_eq!(judged(&settings(), ".."), Err(TokenFault::Malformed));
    for (header, claims) in [("", claims.as_str()), (header.as_str(), "")] {
        let token = signed_segments(header, claims, Algorithm::HS256);
        assert_eq!(judged(&settings(), &token), Err(TokenFault::Malformed), "{token}");
    }
}

#[test]
fn the_json_serialisation_is_refused_rfc_7515_section_7_2() {
    let token = signed(HEADER, &good().to_string());
    let segments: Vec<&str> = token.split('.').collect();
    let [protected, payload, signature] = segments[..] else { panic!("three segments") };
    let flat = json!({ "protected": protected, "payload": payload, "signature": signature });
    let general = json!({ "payload": payload, "signatures": [{ "protected": protected, "signature": signature }] });
    for form in [flat, general] {
        assert_eq!(judged(&settings(), &form.to_string()), Err(TokenFault::Malformed), "{form}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let token = signed(HEADER, &good().to_string());
    for bytes in [b"\xff.\xfe.\xfd".to_vec(), [token.as_bytes(), b"\xff"].concat(), vec![0; 1000], vec![b'.'; 100_000]]
    {
        assert_eq!(verified(&settings(), &bytes).err(), Some(TokenFault::Malformed));
    }
}

#[test]
fn a_token_with_any_one_character_changed_is_refused() {
    let token = signed(HEADER, &good().to_string());
    for (position, old) in token.char_indices() {
        let new = if old == 'A' { "B" } else { "A" };
        let changed = format!("{}{new}{}", &token[..position], &token[position + 1..]);
        assert!(judged(&settings(), &changed).is_err(), "{position}: {changed}");
    }
}
