//! The ways to an issuer's keys.

use super::*;

#[test]
fn exactly_one_way_to_keys_is_demanded() {
    let no_way = "[[jwt.issuers]]\nissuer = \"https://a.example\"\n";
    for more in ["", "discovery = false", "discovery = true\nkey_set = \"https://a.example\"", "key_set = \"\""] {
        let problems = problems_of(read("issuer-ways", &format!("{no_way}{more}\n")));
        assert_eq!(problems.len(), 1, "{more}: {problems:#?}");
        assert!(problems[0].contains("exactly one of discovery = true, key_set"), "{problems:#?}");
    }
}

#[test]
fn a_secret_in_a_file_must_be_long_and_not_well_known() {
    let folder = Folder::new("issuer-secrets");
    for (text, cause) in [("short", "needs 32"), (&"a".repeat(64), "secret_file"), ("", "empty")] {
        let file = folder.file("secret", text);
        let problems = problems_of_table(&format!("secret_file = {:?}", file.display().to_string()));
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(cause), "{problems:#?}");
        assert!(text.is_empty() || !problems[0].contains(&format!("\"{text}\"")), "{problems:#?}");
    }
}

#[test]
fn a_secret_is_read_as_its_encoding_says() {
    let folder = Folder::new("issuer-encodings");
    let hex = "6b1d0f4e2a9c8375bf60d1e24a7c9358c3e8f7a1096b2d54e05b7d92f1a8c364";
    let file = folder.file("hex", hex).display().to_string();
    let config = tenants("urn:a", &format!("secret_file = {file:?}\nsecret_encoding = \"hex\"")).expect("valid");
    let IssuerKeys::Secret(secret) = &config.jwt.issuers[0].keys else { panic!("other keys") };
    assert_eq!((secret.expose().len(), secret.expose()[0]), (32, 0x6b));
    for (text, encoding, cause) in [
        (hex, "base32", "secret_encoding is \"base32\", not text, base64 or hex"),
        (&hex[1..], "hex", "is not hexadecimal"),
        (&hex[2..], "hex", "holds 31 bytes, but HS256 needs 32"),
        ("====", "base64", "is not base64"),
        ("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", "base64", "too few different characters"),
    ] {
        let file = folder.file("secret", text).display().to_string();
        let problems =
            problems_of(tenants("urn:a", &format!("secret_file = {file:?}\nsecret_encoding = {encoding:?}")));
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(cause), "{cause}: {problems:#?}");
        assert!(!problems[0].contains(text), "{problems:#?}");
    }
}

#[test]
fn what_is_about_fetching_is_refused_where_nothing_is_fetched_and_a_token_where_it_would_be_seen() {
    let folder = Folder::new("issuer-fetching");
    let file = |name: &str, text: &str| folder.file(name, text).display().to_string();
    let (keys, token) = (file("keys.pem", "x"), file("token", "eyJ"));
    for (lines, cause) in [
        (
            format!("public_keys_file = {keys:?}\nkey_set_token_file = {token:?}"),
            "key_set_token_file is about keys that are fetched",
        ),
        (format!("public_keys_file = {keys:?}\ninsecure_http = true"), "insecure_http is about keys that are fetched"),
        (
            format!("key_set = \"http://keys.svc/keys\"\ninsecure_http = true\nkey_set_token_file = {token:?}"),
            "key_set_token_file would be shown without TLS",
        ),
        (
            format!("discovery = true\ninsecure_http = true\nkey_set_token_file = {token:?}"),
            "key_set_token_file would be shown without TLS",
        ),
        ("key_set = \"http://keys.svc/keys\"".to_owned(), "insecure_http = true"),
        (format!("discovery = true\nkey_set_ca_file = {keys:?}"), "key_set_ca_file holds no certificate"),
    ] {
        let problems = problems_of(tenants("http://keys.svc", &lines));
        assert!(problems.iter().any(|line| line.contains(cause)), "{cause}: {problems:#?}");
    }
    assert!(tenants("urn:a", "key_set = \"http://keys.svc/keys\"\ninsecure_http = true").is_ok());
    assert!(tenants("http://keys.svc", "discovery = true\ninsecure_http = true").is_ok());
    assert!(tenants("urn:a", &format!("key_set = \"https://keys.svc/keys\"\nkey_set_token_file = {token:?}")).is_ok());
}

/// One error must neither hide another nor cause a false one.
#[test]
fn all_that_is_wrong_about_fetching_is_said_at_once() {
    let lines = "discovery = true\ninsecure_http = 1\nkey_set_token_file = \"/nowhere/token\"\nkey_set_ca_file = \"/nowhere/ca\"";
    let problems = problems_of(tenants("https://a.example", lines));
    assert_eq!(problems.len(), 3, "{problems:#?}");
    for member in ["insecure_http is not", "key_set_token_file names", "key_set_ca_file names"] {
        assert!(problems.iter().any(|line| line.contains(member)), "{member}: {problems:#?}");
    }
}
