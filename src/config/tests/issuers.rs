use std::time::Duration;

use super::super::{Config, IssuerKeys};
use super::*;

/// What is made of this configuration file.
fn read(name: &str, toml: &str) -> Result<Config, Problems> {
    let folder = Folder::new(name);
    let file = folder.file("keyward.toml", toml);
    load_with(Some(file), good_env_and(&[])).validate()
}

/// The problems of a good table with these lines in it, or in place of its own way to keys.
fn problems_of_table(lines: &str) -> Vec<String> {
    let keys =
        if ["discovery", "key_set", "file"].iter().any(|way| lines.contains(way)) { "" } else { "discovery = true" };
    let issuer = if lines.contains("issuer =") { "" } else { "issuer = \"https://a.example\"" };
    problems_of(read("issuer-table", &format!("[[jwt.issuers]]\n{issuer}\n{keys}\n{lines}\n")))
}

#[test]
fn a_table_needs_only_a_name_and_a_way_to_keys() {
    let config =
        read("issuer-least", "[[jwt.issuers]]\nissuer = \"https://a.example/\"\ndiscovery = true").expect("valid");
    let issuer = &config.jwt.issuers[0];
    assert_eq!(issuer.issuer, "https://a.example/");
    assert!(matches!(issuer.keys, IssuerKeys::Discovery));
    assert_eq!(issuer.subject_claim, "sub");
    assert_eq!(issuer.scope_claims, ["scope", "scp"]);
    assert!(issuer.audience.is_empty() && issuer.algorithms.is_empty() && issuer.required_claims.is_empty());
    assert!(issuer.tenant_claim.is_none() && issuer.disabled_claim.is_none());
    assert!(!issuer.scope_bearing && !issuer.at_jwt);
    assert_eq!((issuer.leeway, issuer.max_lifetime), (Duration::from_secs(30), Duration::from_secs(86_400)));
}

#[test]
fn every_member_arrives_as_it_is_written() {
    let toml = "[[jwt.issuers]]\n\
        issuer = \"urn:Issuer\"\nkey_set = \"https://a.example/Keys?x=Y\"\naudience = [\"Us\"]\n\
        algorithms = [\"ES256\", \"Ed25519\"]\nrequired_claims = { \"https://a.example/Tenant\" = \"T.1\" }\n\
        subject_claim = \"OID\"\nscope_claims = [\"Roles\"]\ntenant_claim = \"Org\"\ndisabled_claim = \"Off\"\n\
        scope_bearing = true\nat_jwt = true\nleeway = \"0s\"\nmax_lifetime = \"1m\"\n";
    let config = read("issuer-all", toml).expect("valid");
    let issuer = &config.jwt.issuers[0];
    assert!(matches!(&issuer.keys, IssuerKeys::KeySet(address) if address == "https://a.example/Keys?x=Y"));
    assert_eq!((issuer.issuer.as_str(), issuer.audience.as_slice()), ("urn:Issuer", ["Us".to_owned()].as_slice()));
    assert_eq!(issuer.algorithms, ["ES256", "Ed25519"]);
    assert_eq!(issuer.required_claims, [("https://a.example/Tenant".to_owned(), "T.1".to_owned())]);
    assert_eq!(
        (issuer.subject_claim.as_str(), issuer.scope_claims.as_slice()),
        ("OID", ["Roles".to_owned()].as_slice())
    );
    assert_eq!((issuer.tenant_claim.as_deref(), issuer.disabled_claim.as_deref()), (Some("Org"), Some("Off")));
    assert!(issuer.scope_bearing && issuer.at_jwt);
    assert_eq!((issuer.leeway, issuer.max_lifetime), (Duration::ZERO, Duration::from_secs(60)));
}

#[test]
fn each_wrong_member_is_named() {
    for (member, value) in [
        ("issuer", "5"),
        ("issuer", "\"\""),
        ("issuer", "\"a\\u0000b\""),
        ("issuer", "[\"https://a.example\"]"),
        ("audience", "\"us\""),
        ("audience", "[1]"),
        ("audience", "[\"\"]"),
        ("algorithms", "[\"none\"]"),
        ("algorithms", "[\"es256\"]"),
        ("algorithms", "\"ES256\""),
        ("required_claims", "[\"tid\"]"),
        ("required_claims", "{ tid = 5 }"),
        ("required_claims", "{ tid = true }"),
        ("subject_claim", "\"\""),
        ("subject_claim", "7"),
        ("scope_claims", "\"scope\""),
        ("scope_claims", "[true]"),
        ("scope_claims", "[\"\"]"),
        ("keyward_scopes", "\"keyward:admin\""),
        ("keyward_scopes", "true"),
        ("keyward_scopes", "[\"admin\"]"),
        ("keyward_scopes", "[\"keyward:admin\", \"orders:read\"]"),
        ("keyward_scopes", "[\"keyward:two words\"]"),
        ("tenant_claim", "true"),
        ("disabled_claim", "[]"),
        ("scope_bearing", "\"yes\""),
        ("scope_bearing", "1"),
        ("at_jwt", "\"true\""),
        ("discovery", "\"true\""),
        ("discovery", "1"),
        ("leeway", "30"),
        ("leeway", "\"61s\""),
        ("max_lifetime", "\"59s\""),
        ("max_lifetime", "\"366d\""),
        ("key_set", "\"http://keys.example/\""),
        ("key_set", "\"keys.example\""),
        ("public_keys_file", "\"/nowhere/keys.pem\""),
        ("secret_file", "\"/nowhere/secret\""),
    ] {
        let problems = problems_of_table(&format!("{member} = {value}"));
        assert_eq!(problems.len(), 1, "{member} = {value}: {problems:#?}");
        assert!(problems[0].contains(&format!("number 1: {member} ")), "{member} = {value}: {problems:#?}");
    }
}

#[test]
fn all_that_is_wrong_with_all_tables_is_said_at_once() {
    let toml = "[[jwt.issuers]]\nissuer = \"\"\nkey_set = \"ftp://x\"\naudience = 1\nleeway = \"x\"\nsubject = \"a\"\n\
                [[jwt.issuers]]\nissuer = \"http://b.example\"\ndiscovery = true\nat_jwt = 1\nalgorithms = [\"RS1\"]\n";
    let problems = problems_of(read("issuer-many", toml));
    let named = |place: usize, member: &str| {
        assert!(
            problems.iter().any(|line| line.contains(&format!("number {place}: {member} "))),
            "{member}: {problems:#?}"
        );
    };
    for member in ["issuer", "key_set", "audience", "leeway", "subject"] {
        named(1, member);
    }
    for member in ["discovery", "at_jwt", "algorithms"] {
        named(2, member);
    }
    assert_eq!(problems.len(), 8, "{problems:#?}");
    let remedy = "; give each issuer a table [[jwt.issuers]] in the configuration file";
    assert!(problems.iter().all(|line| line.ends_with(remedy)), "{problems:#?}");
}

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
fn two_tables_of_one_issuer_are_refused_and_so_is_one_beside_the_shared_secrets() {
    let table = "[[jwt.issuers]]\nissuer = \"https://a.example\"\ndiscovery = true\n";
    let problems = problems_of(read("issuer-twice", &table.repeat(2)));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("number 2: issuer is another one's, too"), "{problems:#?}");
    let problems = problems_of(read("issuer-shared", &format!("[jwt]\nissuer = \"https://a.example\"\n{table}")));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("number 1: issuer is jwt.issuer, too"), "{problems:#?}");
}

#[test]
fn what_is_no_list_of_tables_and_too_many_of_them_are_refused() {
    for wrong in
        ["[jwt]\nissuers = \"https://a.example\"", "[jwt]\nissuers = [\"https://a.example\"]", "[jwt.issuers]\na = 1"]
    {
        let problems = problems_of(read("issuer-shape", wrong));
        assert!(problems.iter().any(|line| line.starts_with("jwt.issuers")), "{wrong}: {problems:#?}");
    }
    let many: String =
        (0..65).map(|n| format!("[[jwt.issuers]]\nissuer = \"https://{n}.example\"\ndiscovery = true\n")).collect();
    let problems = problems_of(read("issuer-65", &many));
    assert!(problems[0].contains("more than 64"), "{problems:#?}");
}
