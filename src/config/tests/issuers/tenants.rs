//! Tables for the tenants of a provider.

use super::*;

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
        (
            "https://a.example/{tenantid}",
            format!("{discovery}\ntenants = [\"a\"]\nplan_claim = \"plan\""),
            "plan_claim can't be read from tokens of tenants",
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
