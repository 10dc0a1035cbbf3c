use std::time::Duration;

use super::super::{ClaimPath, Config, IssuerKeys, KeyFetch, MalformedScopes};
use super::*;

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
fn a_table_with_a_placeholder_is_an_issuer_for_each_tenant() {
    let issuer = "https://login.example/{tenantid}/v2.0";
    let lines = "tenants = [\"acme\", \"0-1\"]\naudience = [\"us\", \"{tenantid}\"]\nkey_set = \"https://login.example/{tenantid}/keys\"";
    let config = tenants(issuer, lines).expect("valid");
    let seen: Vec<_> = config
        .jwt
        .issuers
        .iter()
        .map(|issuer| match &issuer.keys {
            IssuerKeys::KeySet(address) => (issuer.issuer.as_str(), issuer.audience[1].as_str(), address.as_str()),
            _ => panic!("other keys"),
        })
        .collect();
    let of =
        |tenant: &str| [format!("https://login.example/{tenant}/v2.0"), format!("https://login.example/{tenant}/keys")];
    let (acme, other) = (of("acme"), of("0-1"));
    assert_eq!(seen, [(acme[0].as_str(), "acme", acme[1].as_str()), (other[0].as_str(), "0-1", other[1].as_str())]);
    assert!(config.jwt.issuers.iter().all(|one| one.name() == issuer && one.keyward_scopes.is_empty()));
    assert!(matches!(
        tenants(issuer, "discovery = true\ntenants = [\"acme\"]").expect("valid").jwt.issuers[0].keys,
        IssuerKeys::Discovery
    ));
}

#[test]
fn a_placeholder_without_tenants_and_what_is_no_tenant_are_refused() {
    let many = |count: usize| format!("{:?}", (0..count).map(|number| format!("t{number}")).collect::<Vec<_>>());
    let (key_set, discovery) = ("key_set = \"https://a.example/keys\"", "discovery = true");
    for (issuer, lines, cause) in [
        ("https://a.example/{tenantid}", discovery.to_owned(), "tenants is not set"),
        ("https://a.example/{tenantid}", format!("{discovery}\ntenants = []"), "tenants is not set"),
        ("https://a.example/{tenant}", format!("{discovery}\ntenants = [\"a\"]"), "issuer may hold one {tenantid}"),
        ("https://a.example/{tenantid}/{tenantid}", format!("{discovery}\ntenants = [\"a\"]"), "issuer may hold one"),
        ("https://a.example/{tenantid}", format!("{discovery}\ntenants = [\"a/b\"]"), "is no id"),
        ("https://a.example/{tenantid}", format!("{discovery}\ntenants = [\"..\"]"), "is no id"),
        (
            "https://a.example/{tenantid}",
            format!("{discovery}\ntenants = [\"a\", \"a\"]"),
            "is another one's, too, for one of its tenants",
        ),
        ("https://a.example/{tenantid}", format!("{discovery}\ntenants = {}", many(65)), "more than 64"),
        (
            "https://a.example/{tenantid}",
            format!("{discovery}\ntenants = [\"a\"]\nkeyward_scopes = [\"keyward:verify\"]"),
            "keyward_scopes can't be given to tenants",
        ),
        ("https://a.example/{tenantid}", format!("{key_set}\ntenants = {}", many(1001)), "more than 1000"),
    ] {
        let problems = problems_of(tenants(issuer, &lines));
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(cause), "{cause}: {problems:#?}");
    }
    assert_eq!(
        tenants("https://a.example/{tenantid}", &format!("{key_set}\ntenants = {}", many(1000)))
            .expect("valid")
            .jwt
            .issuers
            .len(),
        1000
    );
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
