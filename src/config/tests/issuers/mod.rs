mod keys;
mod tenants;

use std::time::Duration;

use super::*;
use crate::config::{ClaimPath, Config, IssuerKeys, KeyFetch, MalformedScopes};

/// The configuration from this file.
fn read(name: &str, toml: &str) -> Result<Config, Problems> {
    let folder = Folder::new(name);
    let file = folder.file("keyward.toml", toml);
    load_with(Some(file), good_env_and(&[])).validate()
}

fn written<'a>(paths: impl IntoIterator<Item = &'a ClaimPath>) -> Vec<String> {
    paths.into_iter().map(ToString::to_string).collect()
}

/// The problems of a valid table with these lines added, or replacing its own source of keys.
fn problems_of_table(lines: &str) -> Vec<String> {
    let ways = ["discovery", "key_set", "public_keys_file", "secret_file"];
    let keys = if ways.contains(&lines.split(' ').next().unwrap_or_default()) { "" } else { "discovery = true" };
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
    assert_eq!(issuer.subject_claim.to_string(), "sub");
    assert_eq!(written(&issuer.scope_claims), ["scope", "scp"]);
    assert!(issuer.role_claims.is_empty() && issuer.role_scopes.is_empty() && issuer.authorized_parties.is_empty());
    assert_eq!((issuer.malformed_scopes, &issuer.fetch), (MalformedScopes::Drop, &KeyFetch::default()));
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
        scope_bearing = true\nat_jwt = true\nleeway = \"0s\"\nmax_lifetime = \"1m\"\n\
        authorized_parties = [\"App\"]\nrole_claims = [\"Realm.Roles\"]\nmalformed_scopes = \"refuse\"\n\
        role_scopes = { \"Order Reader\" = \"orders:read\", \"/Staff.x\" = [\"a b\", \"c\"] }\ninsecure_http = true\n";
    let config = read("issuer-all", toml).expect("valid");
    let issuer = &config.jwt.issuers[0];
    assert!(matches!(&issuer.keys, IssuerKeys::KeySet(address) if address == "https://a.example/Keys?x=Y"));
    assert_eq!((issuer.issuer.as_str(), issuer.audience.as_slice()), ("urn:Issuer", ["Us".to_owned()].as_slice()));
    assert_eq!(issuer.algorithms, ["ES256", "Ed25519"]);
    let required = issuer.required_claims.iter().map(|(claim, text)| (claim.to_string(), text.as_str()));
    assert_eq!(required.collect::<Vec<_>>(), [("https://a.example/Tenant".to_owned(), "T.1")]);
    assert_eq!(issuer.subject_claim.to_string(), "OID");
    assert_eq!(
        (written(&issuer.scope_claims), written(&issuer.role_claims)),
        (vec!["Roles".to_owned()], vec!["Realm.Roles".to_owned()])
    );
    let roles = issuer.role_scopes.iter().map(|(role, scopes)| (role.as_str(), scopes.to_string()));
    assert_eq!(
        roles.collect::<Vec<_>>(),
        [("/Staff.x", "a b c".to_owned()), ("Order Reader", "orders:read".to_owned())]
    );
    assert_eq!(written(&issuer.tenant_claim), ["Org"]);
    assert_eq!(written(&issuer.disabled_claim), ["Off"]);
    assert_eq!(
        (issuer.authorized_parties.as_slice(), issuer.malformed_scopes),
        (["App".to_owned()].as_slice(), MalformedScopes::Refuse)
    );
    assert!(issuer.fetch.insecure_http);
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
        ("audiences", "\"us\""),
        ("authorized_parties", "[\"\"]"),
        ("authorized_parties", "\"app\""),
        ("subject_claim", "\"roles.*.name\""),
        ("subject_claim", "\"keys(roles)\""),
        ("tenant_claim", "\"a..b\""),
        ("required_claims", "{ \"a.*\" = \"b\" }"),
        ("forbidden_claims", "[\"a.*\"]"),
        ("forbidden_claims", "\"at_hash\""),
        ("scope_claims", "[\"*.roles\"]"),
        ("scope_claims", "[\"realm_access.\"]"),
        ("scope_claims", "[\"a.b.c.d.e.f.g.h.i\"]"),
        (
            "scope_claims",
            "[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]",
        ),
        ("role_claims", "[\"groups\"]"),
        ("role_claims", "\"groups\""),
        ("role_scopes", "{ admin = \"orders:read\" }"),
        ("role_scopes", "{ admin = 1 }"),
        ("role_scopes", "{ admin = \"\" }"),
        ("role_scopes", "{ admin = \"umläut\" }"),
        ("role_scopes", "[\"admin\"]"),
        ("malformed_scopes", "\"keep\""),
        ("malformed_scopes", "true"),
        ("tenants", "[\"acme\"]"),
        ("tenants", "\"acme\""),
        ("insecure_http", "\"true\""),
        ("key_set_token_file", "\"/nowhere/token\""),
        ("key_set_ca_file", "\"/nowhere/ca.pem\""),
        ("secret_encoding", "\"hex\""),
        ("previous_secret_file", "\"/nowhere/secret\""),
    ] {
        let problems = problems_of_table(&format!("{member} = {value}"));
        assert_eq!(problems.len(), 1, "{member} = {value}: {problems:#?}");
        assert!(
            problems[0].contains("number 1") && problems[0].contains(&format!(": {member} ")),
            "{member} = {value}: {problems:#?}"
        );
    }
}

#[test]
fn all_that_is_wrong_with_all_tables_is_said_at_once() {
    let toml = "[[jwt.issuers]]\nissuer = \"\"\nkey_set = \"ftp://x\"\naudience = 1\nleeway = \"x\"\nsubject = \"a\"\n\
                [[jwt.issuers]]\nissuer = \"http://b.example\"\ndiscovery = true\nat_jwt = 1\nalgorithms = [\"RS1\"]\n";
    let problems = problems_of(read("issuer-many", toml));
    let named = |place: usize, member: &str| {
        assert!(
            problems
                .iter()
                .any(|line| line.contains(&format!("number {place}")) && line.contains(&format!(": {member} "))),
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
fn two_tables_of_one_issuer_are_refused_and_so_is_one_beside_the_shared_secrets() {
    let table = "[[jwt.issuers]]\nissuer = \"https://a.example\"\ndiscovery = true\n";
    let problems = problems_of(read("issuer-twice", &table.repeat(2)));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("number 2 (https://a.example): issuer is another one's, too"), "{problems:#?}");
    let problems = problems_of(read("issuer-shared", &format!("[jwt]\nissuer = \"https://a.example\"\n{table}")));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("issuer \"https://a.example\" is jwt.issuer, too"), "{problems:#?}");
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

/// The configuration from a table with this issuer and these lines.
fn tenants(issuer: &str, lines: &str) -> Result<Config, Problems> {
    read("issuer-tenants", &format!("[[jwt.issuers]]\nissuer = {issuer:?}\n{lines}\n"))
}

#[test]
fn an_audience_has_two_names_and_one_of_them_is_given() {
    assert_eq!(
        tenants("https://a.example", "discovery = true\naudiences = [\"a\", \"b\"]").expect("valid").jwt.issuers[0]
            .audience,
        ["a", "b"]
    );
    let problems =
        problems_of(tenants("https://a.example", "discovery = true\naudiences = [\"a\"]\naudience = [\"b\"]"));
    assert!(problems[0].contains("audiences is audience by another name"), "{problems:#?}");
}
