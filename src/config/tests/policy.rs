//! Policy files: what they may contain, and how mistakes are reported.

use super::super::{
    PolicySource,
    policy::{self, read},
};
use super::*;
use crate::domain::{policy::Policy, usage::UsageTags};

fn parse(text: &str) -> Result<Policy, Problems> {
    policy::parse(text, None)
}

fn lines(text: &str) -> Vec<String> {
    problems_of(parse(text))
}

#[test]
fn a_rule_names_a_tag_that_is_declared() {
    let tags = UsageTags::new(vec!["search".to_owned(), "export".to_owned()]).expect("tags");
    let text = |tag: &str| format!("[[rules]]\ntag = {tag}\n");
    let policy = policy::parse(&text("\"export\""), Some(&tags)).expect("a policy");
    let named = policy.rules()[0].demand.tag.as_ref().expect("a tag");
    assert_eq!((&*named.name, Some(named.tag)), ("export", tags.find("export")));
    let unknown = "line 2: tag must be one of those that usage.tags declares: search, export";
    for wrong in ["\"other\"", "\"\"", "7"] {
        assert_eq!(problems_of(policy::parse(&text(wrong), Some(&tags))), [unknown]);
    }
    let none = "line 2: tag must be one of those that usage.tags declares, and it declares none";
    assert_eq!(problems_of(policy::parse(&text("\"other\""), Some(&UsageTags::default()))), [none]);
    // Where it is not known what is declared.
    assert!(parse(&text("\"other\"")).is_ok() && parse(&text("\"a b\"")).is_err());
}

#[test]
fn a_rule_may_say_all_of_this() {
    let policy = parse(
        r#"
            # a comment
            [[rules]]
            hosts = ["api.example.com", "*.example.org"]
            paths = ["/orders/**"]
            methods = ["GET"]
            credentials = ["api_key"]
            scopes_all = ["orders:read", "orders:list"]
            scopes_any = ["a", "b"]
            environment = "live"
            cost = 5
            limits = ["minute", "day"]

            [[rules]]
            paths = ["/health"]
            anonymous = true

            [[rules]]
        "#,
    )
    .expect("a policy");
    let [orders, health, rest] = policy.rules() else { panic!("three rules") };
    assert_eq!((orders.line, health.line, rest.line), (3, 14, 18));
    assert_eq!((orders.hosts.len(), orders.paths.len(), orders.methods.len()), (2, 1, 1));
    assert_eq!((orders.demand.api_key, orders.demand.token, orders.demand.anonymous), (true, false, false));
    assert_eq!(orders.demand.scopes_all.to_string(), "orders:list orders:read");
    assert_eq!(orders.demand.environment.map(|environment| environment.as_str()), Some("live"));
    assert_eq!(orders.demand.cost, Some(5));
    assert_eq!(orders.demand.limits.iter().map(ToString::to_string).collect::<Vec<_>>(), ["minute", "day"]);
    assert!(health.demand.anonymous && health.demand.cost.is_none() && health.demand.limits.is_empty());
    assert!(rest.demand.api_key && rest.demand.token && rest.hosts.is_empty());
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let found = lines(
        r#"version = 1
rule = []
[[rules]]
host = ["a"]
paths = [
    "/ok",
    "orders",
    "/a/**/b",
]
methods = "GET"
credentials = ["api-key"]
scopes_all = ["a b"]
scopes_any = []
environment = "prod"
anonymous = 1
[[rules]]
hosts = ["a:80", 7]
paths = ["/x"]
methods = ["get"]
[[rules]]
anonymous = true
scopes_all = ["a"]
credentials = ["token"]
[[rules]]
paths = ["/y"]
credentials = ["token"]
environment = "live"
cost = 1
[[rules]]
paths = ["/z"]
cost = -1
limits = ["a b"]
"#,
    );
    let expected = [
        "line 1: \"version\" is no member of a policy: there are rules",
        "line 2: \"rule\" is no member of a policy: rules stand in tables [[rules]]",
        "line 4: \"host\" is no member of a rule: did you mean hosts?",
        "line 7: paths: \"orders\" must begin with /",
        "line 8: paths: \"/a/**/b\" may have ** only as its last segment",
        "line 10: methods must be a list of texts, such as [\"…\"]",
        "line 11: credentials: \"api-key\" must be \"api_key\" or \"token\": did you mean api_key?",
        "line 12: scopes_all: \"a b\" a scope is 1 to 128 printable ASCII characters without space, '\"' and '\\'",
        "line 13: scopes_any is empty: leave it out where it doesn't matter",
        "line 14: environment must be \"live\" or \"test\"",
        "line 15: anonymous must be true or false",
        "line 17: hosts: \"a:80\" must be a host such as api.example.com, or *.example.com for all that are below it; \
         without a port, and names that are not ASCII in punycode (xn--…)",
        "line 17: hosts: must be a text",
        "line 19: methods: \"get\" must be a method in capitals, such as GET",
        "line 22: scopes_all means nothing together with anonymous = true: leave out one of them",
        "line 23: credentials means nothing together with anonymous = true: leave out one of them",
        "line 24: no request gets to this rule: the one on line 20 takes all that this one would take",
        "line 27: environment is about API keys, and credentials names none",
        "line 28: cost is about API keys, and credentials names none",
        "line 29: no request gets to this rule: the one on line 20 takes all that this one would take",
        "line 31: cost must be a whole number from 0 to 1000000000000",
        "line 32: limits: \"a b\" must be 1 to 50 letters, digits, dots, hyphens or underscores",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_rule_that_no_request_gets_to_is_told_with_the_line_of_the_one_before() {
    let rules = [
        "paths = [\"/c/**\"]",
        "paths = [\"/c/d\"]\nmethods = [\"POST\"]",
        "hosts = [\"*.example.com\"]\nmethods = [\"GET\"]",
        "paths = [\"/c/*\"]\nhosts = [\"a.example.com\"]",
        "hosts = [\"a.example.com\"]\nmethods = [\"HEAD\"]",
        "hosts = [\"a.example.com\"]\nmethods = [\"PUT\"]",
        // What can't be read says nothing about the others.
        "path = [\"/\"]",
        "methods = [\"POST\"]",
    ];
    let text: String = rules.iter().map(|rule| format!("[[rules]]\n{rule}\n")).collect();
    let found = lines(&text);
    let told = |line: usize, earlier: usize| {
        format!(
            "line {line}: no request gets to this rule: the one on line {earlier} takes all that this one would take"
        )
    };
    assert_eq!(found[..3], [told(3, 1), told(9, 1), told(12, 6)], "{found:#?}");
    assert_eq!(found.len(), 4, "{found:#?}");
    // The files that gateways are shipped with.
    assert!(parse(include_str!("../../../deploy/envoy/policy.toml")).is_ok());
}

#[test]
fn broken_toml_is_told_with_its_lines() {
    let found = lines("[[rules]]\npaths = [\"/a\"\n\n[[rules]]\nmethods = GET\npaths = [\"/a\"]\npaths = [\"/b\"]\n");
    assert!(found.len() >= 2, "{found:#?}");
    assert!(found.iter().all(|line| line.starts_with("line ")), "{found:#?}");
}

#[test]
fn a_file_without_rules_is_wrong_for_it_may_be_half_written() {
    for text in ["", "\n# nothing\n", "rules = []", "rules = 1", "rules = [1]", "[rules]\npaths = [\"/\"]"] {
        assert_eq!(lines(text).len(), 1, "{text:?}: {:?}", lines(text));
    }
}

#[test]
fn there_is_an_end_to_rules_and_what_they_hold() {
    let rules = |count| (0..count).map(|number| format!("[[rules]]\npaths = [\"/{number}\"]\n")).collect::<String>();
    assert!(parse(&rules(10_000)).is_ok());
    assert_eq!(lines(&rules(10_001)), ["line 20001: this is rule 10001, and the last that may be is 10000"]);
    let paths = |count| format!("[[rules]]\npaths = [{}]\n", "\"/a\",".repeat(count));
    assert!(parse(&paths(100)).is_ok());
    assert_eq!(lines(&paths(101)), ["line 2: paths holds more than 100"]);
    let wide = format!("[[rules]]\nhosts = [{}]\npaths = [{}]\n", "\"a\",".repeat(100), "\"/a\",".repeat(100));
    let different = |count| (0..count).map(|number| wide.replace("/a", &format!("/{number}"))).collect::<String>();
    assert!(parse(&different(20)).is_ok());
    let beyond = "line 61: hosts times paths of all rules must be at most 200000, and this rule is beyond";
    assert_eq!(lines(&different(21)), [beyond]);
}

#[test]
fn rules_about_requests_need_somebody_who_tells_of_them() {
    let source = |has_proxies| PolicySource { path: "policy.toml".into(), has_proxies, tags: UsageTags::default() };
    for about_requests in ["paths = [\"/a\"]", "hosts = [\"a\"]", "methods = [\"GET\"]"] {
        let text = format!("[[rules]]\n{about_requests}\n");
        assert!(source(true).parse(&text).is_ok());
        let found = problems_of(source(false).parse(&text));
        assert!(found[0].contains("server.trusted_proxies"), "{found:?}");
    }
    assert!(source(false).parse("[[rules]]\nscopes_all = [\"a\"]").is_ok());
}

#[test]
fn the_file_is_read_at_start_and_its_problems_stand_among_the_others() {
    let folder = Folder::new("policy");
    let good = folder.file("good.toml", "[[rules]]\npaths = [\"/a\"]\n").display().to_string();
    let setting = "KEYWARD__AUTHORIZE__POLICY_FILE";
    let proxies = ("KEYWARD__SERVER__TRUSTED_PROXIES", "10.0.0.0/8");
    let config = config_with(&[(setting, &good), proxies]);
    assert_eq!(config.authorize.policy.expect("a policy").policy.rules().len(), 1);

    let bad = folder.file("bad.toml", "[[rules]]\npath = [\"/a\"]\nmethods = [1]\n").display().to_string();
    let found = problems_with(&[(setting, &bad), proxies, ("PORT", "x")]);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(found[1], format!("{bad}: line 2: \"path\" is no member of a rule: did you mean paths?"));
    assert_eq!(found[2], format!("{bad}: line 3: methods: must be a text"));

    let found = problems_with(&[(setting, &good)]);
    assert!(found.len() == 1 && found[0].contains("server.trusted_proxies"), "{found:#?}");
    let missing = folder.missing("missing.toml");
    let found = problems_with(&[(setting, &missing)]);
    assert!(found.len() == 1 && found[0].contains("names a file that can't be read"), "{found:#?}");
    let large = folder.file("large.toml", &"#".repeat(4 * 1024 * 1024 + 1));
    assert!(read(&large).is_err());
}

#[test]
fn the_headers_of_credentials_are_names_of_headers() {
    let setting = "KEYWARD__AUTHORIZE__CREDENTIAL_HEADERS";
    assert_eq!(config_with(&[(setting, "X-Key")]).authorize.credential_headers, ["x-key"]);
    for wrong in [",", "x key", "x:key", "x-é", "a,b,A", "a,b,c,d,e,f,g,h,i"] {
        assert_eq!(problems_with(&[(setting, wrong)]).len(), 1, "{wrong}");
    }
}
