use super::*;

/// The valid header with further members.
fn with(members: &str) -> String {
    format!(r#"{{"alg":"HS256",{members}}}"#)
}

#[test]
fn alg_none_in_any_case_is_refused_rfc_8725_section_3_1() {
    for name in ["none", "None", "NONE", "nOnE"] {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        let signed = signed(&header, &good().to_string());
        let (message, _) = signed.rsplit_once('.').expect("three segments");
        for token in [signed.as_str(), &format!("{message}.")] {
            assert_eq!(judged(&settings(), token), Err(TokenFault::Algorithm), "{name}");
        }
    }
}

#[test]
fn another_algorithm_than_the_keys_is_refused_even_when_the_signature_is_its_own() {
    let claims = URL_SAFE_NO_PAD.encode(good().to_string());
    for (name, algorithm) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{name}"}}"#));
        let token = signed_segments(&header, &claims, algorithm);
        assert_eq!(judged(&settings(), &token), Err(TokenFault::Algorithm), "{name}");

        let hs256 = signed(HEADER, &good().to_string());
        let pinned = match algorithm {
            Algorithm::HS384 => JwtAlgorithm::Hs384,
            _ => JwtAlgorithm::Hs512,
        };
        let other = Jwt { algorithm: pinned, ..settings() };
        assert_eq!(judged(&other, &token), accepted("alice"), "{name}");
        assert_eq!(judged(&other, &hs256), Err(TokenFault::Algorithm), "{name}");
    }
}

#[test]
fn a_signature_of_another_algorithm_under_the_right_name_is_refused() {
    let header = URL_SAFE_NO_PAD.encode(HEADER);
    let claims = URL_SAFE_NO_PAD.encode(good().to_string());
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = signed_segments(&header, &claims, algorithm);
        assert_eq!(judged(&settings(), &token), Err(TokenFault::Signature), "{algorithm:?}");
    }
}

#[test]
fn alg_must_be_exactly_the_keys_rfc_7515_section_4_1_1() {
    for alg in [
        r#""RS256""#,
        r#""ES256""#,
        r#""EdDSA""#,
        r#""hs256""#,
        r#""HS256 ""#,
        r#""HS256\u0000""#,
        r#""""#,
        "null",
        "256",
        r#"["HS256"]"#,
    ] {
        assert_eq!(judged_header(&format!(r#"{{"alg":{alg}}}"#)), Err(TokenFault::Algorithm), "{alg}");
    }
    assert_eq!(judged_header(r#"{"typ":"JWT"}"#), Err(TokenFault::Algorithm), "no alg");
    assert_eq!(judged_header("{}"), Err(TokenFault::Algorithm), "no member");
}

#[test]
fn every_crit_is_refused_rfc_7515_section_4_1_11() {
    for crit in [r#"["exp"]"#, r#"["x-unknown"]"#, r#"["alg"]"#, r#"["b64"]"#, "[]", r#""exp""#, "null"] {
        assert_eq!(judged_header(&with(&format!(r#""crit":{crit}"#))), Err(TokenFault::Critical), "{crit}");
    }
}

#[test]
fn b64_false_is_refused_rfc_7797_section_3() {
    for b64 in ["false", "null", "0", r#""false""#] {
        assert_eq!(judged_header(&with(&format!(r#""b64":{b64}"#))), Err(TokenFault::Critical), "{b64}");
    }
    assert_eq!(judged_header(&with(r#""b64":true"#)), accepted("alice"), "true is what is done anyway");
}

#[test]
fn a_kid_is_text_of_at_most_256_bytes() {
    let kid = |length: usize| with(&format!(r#""kid":"{}""#, "k".repeat(length)));
    assert_eq!(judged_header(&kid(256)), accepted("alice"));
    assert_eq!(judged_header(&kid(257)), Err(TokenFault::KeyIdTooLong));
    assert_eq!(judged_header(&kid(1 << 20)), Err(TokenFault::KeyIdTooLong));
    for kid in ["1", "null", "true", r#"["a"]"#, "{}"] {
        assert_eq!(judged_header(&with(&format!(r#""kid":{kid}"#))), Err(TokenFault::Malformed), "{kid}");
    }
}

#[test]
fn a_kid_selects_nothing_whatever_it_says() {
    for kid in ["../../etc/passwd", "' OR 1=1 --", "/dev/null", "http://127.0.0.1/", "a\\u0000b", ""] {
        assert_eq!(judged_header(&with(&format!(r#""kid":"{kid}""#))), accepted("alice"), "{kid}");
    }
}

#[test]
fn only_the_types_of_access_tokens_are_taken_rfc_8725_section_3_11() {
    for typ in ["JWT", "jwt", "application/jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_eq!(judged_header(&with(&format!(r#""typ":"{typ}""#))), accepted("alice"), "{typ}");
    }
    for typ in ["dpop+jwt", "secevent+jwt", "logout+jwt", "application/dpop+jwt", "JOSE", "JWE", "at+jwt ", ""] {
        assert_eq!(judged_header(&with(&format!(r#""typ":"{typ}""#))), Err(TokenFault::Type), "{typ}");
    }
    for typ in ["null", "1", r#"["JWT"]"#] {
        assert_eq!(judged_header(&with(&format!(r#""typ":{typ}"#))), Err(TokenFault::Type), "{typ}");
    }
}

#[test]
fn a_key_that_the_header_brings_is_not_used_rfc_8725_section_3_10() {
    let own_key = URL_SAFE_NO_PAD.encode("a key that the token's maker knows, 32+ bytes");
    let members = format!(r#""jwk":{{"kty":"oct","k":"{own_key}"}},"x5c":["MIIB"],"jku":"https://example.com/k""#);
    let header = URL_SAFE_NO_PAD.encode(with(&members));
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(good().to_string()));
    let key = EncodingKey::from_secret(b"a key that the token's maker knows, 32+ bytes");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature");
    assert_eq!(judged(&settings(), &format!("{message}.{signature}")), Err(TokenFault::Signature));
    assert_eq!(judged_header(&with(&members)), accepted("alice"), "signed by the configured key, it is good");
}

#[test]
fn a_repeated_header_member_is_refused_rfc_7515_section_4() {
    for header in [
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
        r#"{"alg":"HS256","x":{"y":1,"y":1}}"#,
    ] {
        assert_eq!(judged_header(header), Err(TokenFault::Malformed), "{header}");
    }
}

#[test]
fn a_header_that_is_no_json_object_is_refused() {
    let deep = format!(r#"{{"alg":"HS256","x":{}"#, "[".repeat(100_000));
    for header in ["", "null", "[]", r#""HS256""#, "{", "{}{}", r#"{"alg":"HS256",}"#, "\u{feff}{}", deep.as_str()] {
        assert_eq!(judged_header(header), Err(TokenFault::Malformed), "{header:.40}");
    }
}
