//! What a gateway tells of a request, and a policy that decides on it. A line each: method, host, target; then rules,
//! each with hosts, paths and methods between spaces, and commas between several. `-` is none.
//!
//! Nothing panics. What is accepted has one spelling, and every spelling of it that another server could take for the
//! same meets the same rule or none. The index finds what looking at each rule by itself finds, and each rule takes
//! what its text says.
#![no_main]

use keyward::domain::policy::{Asked, Demand, Host, HostPattern, Method, PathPattern, Policy, RequestPath, Rule, Unmet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, host, target) = (line(), line(), line());
    let (method, host, path) = (method_of(method), host_of(host), path_of(target));
    let rules: Vec<Rule> = lines.take(16).map(rule).collect();
    let (Some(method), Some(host), Some(path)) = (method, host, path) else { return };
    let asked = Asked { method: Some(method), host: Some(host), path: Some(path) };
    let found = Policy::new(rules.clone()).first(&asked).map(|(place, _)| place);
    assert_eq!(found, one_by_one(&rules, &asked));
});

fn method_of(text: &str) -> Option<Method<'_>> {
    let method = Method::parse(text).ok()?;
    assert_eq!(method.to_string(), text, "a method has no other spelling");
    Some(method)
}

fn host_of(text: &str) -> Option<Host<'_>> {
    let host = Host::parse(text).ok()?;
    let spelled = host.as_str();
    for same in [spelled.to_owned(), spelled.to_ascii_uppercase(), format!("{spelled}:443"), format!("{spelled}:")] {
        assert_eq!(Host::parse(&same).as_ref().map(Host::as_str), Ok(spelled), "{same:?}");
    }
    assert!(!spelled.contains(|bad: char| bad.is_ascii_uppercase() || "/\\@#?%;, \0".contains(bad)), "{spelled:?}");
    let rule = Rule { hosts: vec![HostPattern::parse(spelled).expect("a host is a pattern")], ..rule("- - -") };
    let asked = Asked { method: None, host: Some(host.clone()), path: None };
    assert!(Policy::new(vec![rule]).first(&asked).is_ok(), "{spelled:?}");
    Some(host)
}

fn path_of(target: &str) -> Option<RequestPath<'_>> {
    let path = RequestPath::parse(target).ok()?;
    let text = path.as_str().to_owned();
    assert!(!text.split('/').any(|part| !text.is_empty() && part.trim_matches(['.', ' ']).is_empty()), "{text:?}");
    assert!(!text.contains(|bad: char| bad.is_control() && bad.is_ascii() || "\\;?#".contains(bad)), "{text:?}");
    for same in [spelled(&text, false), spelled(&text, true), format!("{}?a=/../b", spelled(&text, false))] {
        assert_eq!(RequestPath::parse(&same).as_ref().map(RequestPath::as_str), Ok(&*text), "{same:?}");
    }
    // A rule for just this path.
    let Ok(pattern) = PathPattern::parse(&spelled(&text, true)) else {
        assert!(target.len() > 1024 / 3 || text.split('/').count() > 64, "{text:?} is no pattern");
        return Some(path);
    };
    let policy = Policy::new(vec![Rule { paths: vec![pattern], ..rule("- - -") }]);
    for other in [text.clone(), text.to_uppercase(), text.to_lowercase(), text.to_uppercase().to_lowercase()] {
        let other = spelled(&other, false);
        let Ok(other) = RequestPath::parse(&other) else { continue };
        let expected = if other == path { Ok(0) } else { Err(Unmet::OnlyByFolding) };
        let asked = Asked { method: None, host: None, path: Some(other.clone()) };
        assert_eq!(policy.first(&asked).map(|(place, _)| place), expected, "{text:?} and {:?}", other.as_str());
    }
    Some(path)
}

/// A path as a target, with every byte escaped or only what must be.
fn spelled(text: &str, all: bool) -> String {
    let byte = |byte: u8| {
        let must = !byte.is_ascii_graphic() || b"%;?#\\*".contains(&byte);
        if byte != b'/' && (all || must) { format!("%{byte:02x}") } else { char::from(byte).to_string() }
    };
    format!("/{}", text.bytes().map(byte).collect::<String>())
}

/// What can't be read is left out; a rule of which nothing can be read takes everything.
fn rule(line: &str) -> Rule {
    let mut words = line.split(' ');
    let mut list = || words.next().unwrap_or_default().split(',').filter(|word| *word != "-").take(4);
    Rule {
        line: 0,
        hosts: list().filter_map(|word| HostPattern::parse(word).ok()).collect(),
        paths: list().filter_map(pattern).collect(),
        methods: list().filter_map(|word| Method::parse(word).ok()).map(Method::into_owned).collect(),
        demand: Demand::default(),
    }
}

/// Beside the pattern that is read, what it takes is told by its text alone.
fn pattern(text: &str) -> Option<PathPattern> {
    let pattern = PathPattern::parse(text).ok()?;
    let policy = Policy::new(vec![Rule { paths: vec![pattern.clone()], ..rule("- - -") }]);
    for path in ["", "a", "A", "a/b", "a/b/c", "orders", "orders/7", "orders/7/lines", "*", "caf\u{e9}"] {
        let target = spelled(path, false);
        let path = RequestPath::parse(&target).expect("a clear path");
        let asked = Asked { method: None, host: None, path: Some(path.clone()) };
        assert_eq!(policy.first(&asked).is_ok(), says(text, path.as_str()), "{text:?} and {target:?}");
    }
    Some(pattern)
}

/// Whether a pattern's text says that it takes a path.
fn says(pattern: &str, path: &str) -> bool {
    let inner = pattern.strip_prefix('/').expect("a slash");
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let mut own: Vec<&str> = if inner.is_empty() { Vec::new() } else { inner.split('/').collect() };
    let parts: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
    let open = own.last() == Some(&"**");
    own.truncate(own.len() - usize::from(open));
    let long_enough = if open { parts.len() >= own.len() } else { parts.len() == own.len() };
    long_enough && own.iter().zip(parts).all(|(own, part)| *own == "*" || decoded(own) == part.as_bytes())
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let escape = std::str::from_utf8(others.get(..2).unwrap_or_default()).ok();
        match escape.filter(|_| *first == b'%').and_then(|escape| u8::from_str_radix(escape, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    bytes
}

/// Without an index: each rule by itself, in its order.
fn one_by_one(rules: &[Rule], asked: &Asked<'_>) -> Result<usize, Unmet> {
    for (place, rule) in rules.iter().enumerate() {
        match Policy::new(vec![rule.clone()]).first(asked) {
            Ok(_) => return Ok(place),
            Err(Unmet::OnlyByFolding) => return Err(Unmet::OnlyByFolding),
            Err(_) => {}
        }
    }
    Err(Unmet::NoRule)
}
