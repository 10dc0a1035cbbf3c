//! Properties of policies.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{letters::folded, *};

mod cover;
mod disguises;

fn path(target: &str) -> Result<String, Unclear> {
    RequestPath::parse(target).map(|path| path.as_str().to_owned())
}

fn same_path(one: &str, other: &str) -> bool {
    path(one).expect("a clear path") == path(other).expect("a clear path")
}

#[test]
fn a_path_has_one_spelling() {
    assert!(same_path("/orders/7", "/%6frders/%37?x=1"));
    assert!(same_path("/orders/7", "/orders/7/"));
    assert!(same_path("/%C3%A9", "/%c3%a9"));
    assert!(same_path("/@a", "/%40a"));
    assert!(same_path("/", "/?/admin"));
    assert!(!same_path("/orders", "/Orders"));
    assert!(!same_path("/", "/a"));
    for clear in [
        "/.a",
        "/a..",
        "/a%20b",
        "/%20a",
        "/a%20",
        "/.%20a",
        "/caf%C3%A9",
        "/%F0%9F%A6%80",
        "/%E2%80%9Ca%E2%80%9D",
        "/a%20b",
        "/100%25",
        "/a:b,c=d&e",
        "/~user/(x)",
        "/%25zz",
        "/a|b",
    ] {
        assert!(path(clear).is_ok(), "{clear}");
    }
}

#[test]
fn a_path_that_two_could_read_differently_is_unclear() {
    for unclear in [
        "",
        "orders",
        "*",
        "?",
        "http://a/b",
        "//",
        "//a",
        "/a//b",
        "/a//",
        "/.",
        "/..",
        "/a/./b",
        "/a/../b",
        "/a/..",
        "/%2e%2e/a",
        "/a/%2E./b",
        "/.%2e",
        "/a%2fb",
        "/a%2Fb",
        "/%5c",
        "/a\\b",
        "/a%5Cb",
        "/a%00",
        "/a%0d%0a",
        "/a\tb",
        "/a b",
        "/é",
        "/a;b",
        "/..;/a",
        "/a%3bb",
        "/a#b",
        "/a%23b",
        "/a%3fb",
        "/%252e%252e/a",
        "/a%252fb",
        "/%25%32%66",
        "/%",
        "/%4",
        "/%zz",
        "/%u002f",
        "/%c0%af",
        "/%ff",
        "/%7f",
        "/a/%2e",
        // Segments of only dots and spaces, which Windows ignores.
        "/...",
        "/a/%20",
        "/.%2e%20/a",
        "/%20../a",
        // Also in a query, because some servers parse it first.
        "/a?b#c",
        "/a?b c",
        "/a?é",
        "/a?\0",
        // A slash, a semicolon, two full-width dots, one character for several, a code page, and invisible characters.
        "/a%EF%BC%8Fb",
        "/a%CD%BEb",
        "/%EF%BC%8E%EF%BC%8E/a",
        "/%E2%80%A5/a",
        "/%E2%84%80",
        "/a%E2%88%95b",
        "/a/%E2%80%8B/b",
        "/a%EF%BC%85b",
    ] {
        assert_eq!(path(unclear), Err(Unclear), "{unclear}");
    }
}

#[test]
fn a_host_has_one_spelling() {
    let host = |text| Host::parse(text).map(|host| host.as_str().to_owned());
    for same in ["api.example.com", "API.example.COM", "api.example.com:443", "api.example.com.", "api.example.com.:80"]
    {
        assert_eq!(host(same).as_deref(), Ok("api.example.com"), "{same}");
    }
    assert_eq!(host("[::1]:80"), host("[0:0::1]"));
    let long = "a.".repeat(126) + "ab";
    for unclear in [
        "",
        ".",
        "a..b",
        "a..",
        ".a",
        "a,b",
        "a b",
        "a@b",
        "a/b",
        "a:80:80",
        "a:b",
        "[::1",
        "::1",
        "[::1]x",
        "é.example",
        "a%2eb",
        "a:",
        &format!("{long}c"),
        "*.a",
    ] {
        let expected = if unclear == "a:" { Ok("a".to_owned()) } else { Err(Unclear) };
        assert_eq!(host(unclear), expected, "{unclear}");
    }
}

#[test]
fn a_method_is_in_capitals() {
    for clear in ["GET", "M-SEARCH", "PROPFIND", "VERSION-CONTROL"] {
        assert!(Method::parse(clear).is_ok(), "{clear}");
    }
    for unclear in ["", "get", "Get", "GET ", "GET,POST", "G\u{c9}T", &"A".repeat(33)] {
        assert!(Method::parse(unclear).is_err(), "{unclear}");
    }
}

#[test]
fn a_pattern_that_could_mean_something_else_is_none() {
    use InvalidPattern::{NoSlash, OpenMiddle, StarWithin, TooLong, Unclear};
    for (text, expected) in [
        ("", NoSlash),
        ("orders", NoSlash),
        ("**", NoSlash),
        ("/**/a", OpenMiddle),
        ("/a*", StarWithin),
        ("/a/***", StarWithin),
        ("/a//b", Unclear),
        ("/a/../b", Unclear),
        ("/a?b", Unclear),
        ("/a%2fb", Unclear),
        ("/%zz", Unclear),
        (&"/a".repeat(65), TooLong),
        (&format!("/{}", "a".repeat(1024)), TooLong),
    ] {
        assert_eq!(PathPattern::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn patterns_fit_what_they_say() {
    for (pattern, fits, others) in [
        ("/", &["/"][..], &["/a"][..]),
        ("/**", &["/", "/a", "/a/b/c/"], &[]),
        ("/a/**/", &["/a", "/a/b"], &["/"]),
        ("/*", &["/a", "/a/"], &["/", "/a/b"]),
        ("/orders", &["/orders", "/orders/"], &["/orders/7", "/Orders", "/order"]),
        ("/orders/", &["/orders", "/orders/"], &["/orders/7"]),
        ("/orders/*", &["/orders/7", "/orders/%2A"], &["/orders", "/orders/7/x"]),
        ("/orders/**", &["/orders", "/orders/7", "/orders/7/x"], &["/ordersx"]),
        ("/*/x/**", &["/a/x", "/a/x/b"], &["/x", "/a/b/x"]),
        ("/caf\u{e9}/%41", &["/caf%C3%A9/A"], &["/cafe/A"]),
        ("/%2A", &["/*", "/%2a"], &["/a"]),
    ] {
        let pattern = PathPattern::parse(pattern).expect("a pattern");
        let takes = |path: &&&str| pattern.takes(&RequestPath::parse(path).expect("a clear path"));
        assert!(fits.iter().all(|path| takes(&path)), "{pattern:?}");
        assert!(!others.iter().any(|path| takes(&path)), "{pattern:?}");
    }
}

fn rule(hosts: &[&str], paths: &[&str], methods: &[&str]) -> Rule {
    Rule {
        line: 0,
        hosts: hosts.iter().map(|host| HostPattern::parse(host).expect("a host")).collect(),
        paths: paths.iter().map(|path| PathPattern::parse(path).expect("a pattern")).collect(),
        methods: methods.iter().map(|method| Method::parse(method).expect("a method").into_owned()).collect(),
        demand: Demand::default(),
    }
}

fn asked<'a>(method: &'a str, host: &'a str, path: &'a str) -> Asked<'a> {
    Asked {
        method: Some(Method::parse(method).expect("a method")),
        host: Some(Host::parse(host).expect("a host")),
        path: Some(RequestPath::parse(path).expect("a path")),
    }
}

#[test]
fn the_first_rule_that_fits_counts() {
    let policy = Policy::new(vec![
        rule(&["api.example.com"], &["/orders/**"], &["POST"]),
        rule(&["*.example.com"], &["/orders/*"], &[]),
        rule(&[], &["/orders/**"], &["GET"]),
        rule(&["*.example.com", "other.example"], &[], &[]),
    ]);
    for (method, host, path, expected) in [
        ("POST", "api.example.com", "/orders/7", Ok(0)),
        ("GET", "api.example.com", "/orders/7", Ok(1)),
        ("GET", "deep.api.example.com", "/orders/7", Ok(1)),
        ("GET", "api.example.com", "/orders", Ok(2)),
        ("HEAD", "elsewhere.example", "/orders", Ok(2)),
        ("GET", "elsewhere.example", "/orders/7/lines", Ok(2)),
        ("PUT", "api.example.com", "/orders", Ok(3)),
        ("PUT", "other.example", "/", Ok(3)),
        ("PUT", "example.com", "/", Err(Unmet::NoRule)),
        ("PUT", "below.other.example", "/", Err(Unmet::NoRule)),
        ("PUT", "api.example.com", "/ORDERS/7", Err(Unmet::OnlyByFolding)),
        ("PUT", "api.example.com", "/order%C5%BF/7", Err(Unmet::OnlyByFolding)),
        ("PUT", "api.example.com", "/%EF%BD%8Frders/7", Err(Unmet::OnlyByFolding)),
    ] {
        let found = policy.first(&asked(method, host, path)).map(|(place, _)| place);
        assert_eq!(found, expected, "{method} {host} {path}");
    }
}

#[test]
fn what_the_rules_look_at_must_be_known() {
    let nothing = Asked { method: None, host: None, path: None };
    let known = |policy: &Policy| policy.first(&nothing).map(|(place, _)| place);
    assert_eq!(known(&Policy::new(vec![rule(&[], &[], &[])])), Ok(0));
    for rules in [
        vec![rule(&[], &["/a"], &[]), rule(&[], &[], &[])],
        vec![rule(&["a"], &[], &[]), rule(&[], &[], &[])],
        vec![rule(&[], &[], &["GET"]), rule(&[], &[], &[])],
    ] {
        assert_eq!(known(&Policy::new(rules)), Err(Unmet::Unknown));
    }
}

const WORDS: [&str; 6] = ["a", "A", "b", "c", "s", "%C5%BF"];

fn patterns() -> impl Strategy<Value = Vec<String>> {
    let parts = vec(select(vec!["a", "A", "b", "\u{17f}", "S", "*"]), 0..4);
    let pattern = (parts, any::<bool>()).prop_map(|(mut parts, open)| {
        parts.extend(open.then_some("**"));
        format!("/{}", parts.join("/"))
    });
    vec(pattern, 0..3)
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let hosts = vec(select(vec!["a.test", "b.a.test", "*.test", "*.a.test"]), 0..3);
    let methods = vec(select(vec!["GET", "POST"]), 0..2);
    let one = (hosts, patterns(), methods).prop_map(|(hosts, paths, methods)| {
        rule(&hosts, &paths.iter().map(String::as_str).collect::<Vec<_>>(), &methods)
    });
    vec(one, 0..12)
}

/// The reference without an index: evaluates the rules in order.
fn one_by_one(rules: &[Rule], asked: &Asked<'_>) -> Result<usize, Unmet> {
    let (Some(host), Some(path)) = (&asked.host, &asked.path) else { return Err(Unmet::Unknown) };
    let takes_host = |rule: &Rule| {
        let takes = |pattern: &HostPattern| match pattern {
            HostPattern::Exactly(name) => **name == *host.as_str(),
            HostPattern::Below(name) => host.as_str().ends_with(&format!(".{name}")),
        };
        rule.hosts.is_empty() || rule.hosts.iter().any(takes)
    };
    let fits = |rule: &Rule, same: fn(&str, &str) -> bool| {
        rule.paths.is_empty() || rule.paths.iter().any(|pattern| pattern.fits(path, same))
    };
    let fits = |same: fn(&str, &str) -> bool| {
        let fit = |rule: &Rule| takes_host(rule) && rule.takes_method(asked.method.as_ref()) && fits(rule, same);
        rules.iter().position(fit)
    };
    let (exactly, folded) = (fits(|own, part| own == part), fits(|own, part| folded(own) == folded(part)));
    match folded {
        None => Err(Unmet::NoRule),
        Some(place) if exactly == Some(place) => Ok(place),
        Some(_) => Err(Unmet::OnlyByFolding),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_index_finds_what_looking_at_every_rule_finds(
        rules in rules(),
        parts in vec(select(WORDS.to_vec()), 0..5),
        host in select(vec!["a.test", "b.a.test", "c.b.a.test", "test", "other"]),
        method in select(vec!["GET", "HEAD", "POST", "PUT"]),
    ) {
        let path = format!("/{}", parts.join("/"));
        let asked = asked(method, host, &path);
        let found = Policy::new(rules.clone()).first(&asked).map(|(place, _)| place);
        prop_assert_eq!(found, one_by_one(&rules, &asked));
    }

    #[test]
    fn no_target_breaks_the_reading_and_no_unclear_part_gets_through(target in "[/.%;a-fA-F0-9\\\\?#\u{e9} ]{0,24}") {
        if let Ok(path) = RequestPath::parse(&target) {
            let text = path.folded();
            prop_assert!(!text.contains(['\\', ';', '?', '#', '\0']));
            let clear = super::path::parts(&text).all(|part| !part.trim_matches(['.', ' ']).is_empty());
            prop_assert!(clear);
        }
    }
}
