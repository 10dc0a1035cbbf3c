//! The policy file: who may do what behind a gateway. docs/policy.md describes its format.
//!
//! All problems are reported together, each with its line.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::config::{Problems, loading::names::nearest_of};
use crate::domain::{
    api_key::Environment,
    limits::{AMOUNT_MAX, LimitName},
    policy::{
        Demand, HostPattern, Method, NamedTag, PATTERNS_MAX, PLACES_MAX, PathPattern, Policy, RULES_MAX, Rule,
        never_met,
    },
    scope::Scopes,
    usage::{UsageTag, UsageTags},
};

/// The maximum size of a policy file, in bytes: the maximum number of rules with 400 bytes each. Also ends reading from
/// something that is not a regular file.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The members of a rule.
const MEMBERS: [&str; 11] = [
    "hosts",
    "paths",
    "methods",
    "credentials",
    "scopes_all",
    "scopes_any",
    "environment",
    "anonymous",
    "cost",
    "limits",
    "tag",
];

/// Reads a policy file.
///
/// # Errors
/// If it can't be read, is not UTF-8, or is too large.
pub fn read(path: &Path) -> io::Result<String> {
    // Opening a pipe would wait for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(text)
}

/// Parses the text of a policy file. `tags`: those that rules may name; if they are not known, any will do.
///
/// # Errors
/// All problems, each with its line, in order.
pub fn parse(text: &str, tags: Option<&UsageTags>) -> Result<Policy, Problems> {
    let mut reader = Reader::of(text, tags);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.problem(at, error.message().lines().collect::<Vec<_>>().join(", "));
    }
    // After a syntax error, the rest of the parse is a guess.
    let rules = if reader.problems.is_empty() { reader.rules(document.get_ref()) } else { Vec::new() };
    if reader.problems.is_empty() {
        return Ok(Policy::new(rules));
    }
    reader.problems.sort();
    let lines = reader.problems.into_iter().map(|(line, problem)| format!("line {line}: {problem}"));
    Err(Problems(lines.collect()))
}

/// Collects the problems of a text.
struct Reader<'a> {
    /// The positions of the line ends.
    ends: Vec<usize>,
    tags: Option<&'a UsageTags>,
    problems: Vec<(usize, String)>,
}

impl<'a> Reader<'a> {
    fn of(text: &str, tags: Option<&'a UsageTags>) -> Self {
        Self { ends: text.match_indices('\n').map(|(at, _)| at).collect(), tags, problems: Vec::new() }
    }

    /// Records a problem at a byte of the text.
    fn problem(&mut self, at: usize, cause: impl Into<String>) {
        self.problems.push((self.line(at), cause.into()));
    }

    fn line(&self, at: usize) -> usize {
        self.ends.partition_point(|end| *end < at) + 1
    }

    fn rules(&mut self, document: &DeTable<'_>) -> Vec<Rule> {
        for (name, value) in document.iter().filter(|(name, _)| name.get_ref() != "rules") {
            let hint =
                if value.get_ref().is_table() || value.get_ref().is_array() || MEMBERS.contains(&&**name.get_ref()) {
                    "rules stand in tables [[rules]]".to_owned()
                } else {
                    did_you_mean(name.get_ref(), &["rules"])
                };
            self.problem(name.span().start, format!("{} is no member of a policy: {hint}", quoted(name.get_ref())));
        }
        let is_empty = |value: &Spanned<DeValue<'_>>| value.get_ref().as_array().is_some_and(|rules| rules.is_empty());
        let Some(tables) = document.get("rules").filter(|value| !is_empty(value)) else {
            // The file is also empty while it is being written, so an empty file must not mean that everything is
            // refused.
            self.problem(0, "there are no rules: each is a table [[rules]]");
            return Vec::new();
        };
        let Some(tables) = tables.get_ref().as_array().filter(|tables| tables.iter().all(|it| it.get_ref().is_table()))
        else {
            self.problem(tables.span().start, "rules must be tables: [[rules]] before each");
            return Vec::new();
        };
        if tables.len() > RULES_MAX {
            self.problem(
                tables[RULES_MAX].span().start,
                format!("this is rule {}, and the last that may be is {RULES_MAX}", RULES_MAX + 1),
            );
            return Vec::new();
        }
        let (rules, read): (Vec<Rule>, Vec<bool>) = tables.iter().map(|table| self.rule(table)).unzip();
        if !self.refuse_what_is_too_much(&rules) {
            self.refuse_what_is_never_met(rules.iter().zip(read).filter_map(|(rule, read)| read.then_some(rule)));
        }
        rules
    }

    /// Whether there is too much.
    fn refuse_what_is_too_much(&mut self, rules: &[Rule]) -> bool {
        let mut places = 0;
        for rule in rules {
            places += rule.hosts.len().max(1) * rule.paths.len().max(1);
            if places > PLACES_MAX {
                let cause =
                    format!("hosts times paths of all rules must be at most {PLACES_MAX}, and this rule is beyond");
                self.problems.push((rule.line, cause));
                return true;
            }
        }
        false
    }

    /// A strict rule after one that takes all of its requests is a mistake: the first admits what the strict one should
    /// refuse.
    fn refuse_what_is_never_met<'r>(&mut self, rules: impl Iterator<Item = &'r Rule>) {
        for (rule, earlier) in never_met(&rules.collect::<Vec<_>>()) {
            let cause = format!(
                "no request gets to this rule: the one on line {} takes all that this one would take",
                earlier.line
            );
            self.problems.push((rule.line, cause));
        }
    }

    /// A rule, and whether all is read of it that decides which requests it takes. With the rest, it would take more.
    fn rule(&mut self, table: &Spanned<DeValue<'_>>) -> (Rule, bool) {
        let problems_before = self.problems.len();
        let line = self.line(table.span().start);
        let members = table.get_ref().as_table().expect("the caller has looked");
        for (name, _) in members.iter().filter(|(name, _)| !MEMBERS.contains(&&**name.get_ref())) {
            let hint = did_you_mean(name.get_ref(), &MEMBERS);
            self.problem(name.span().start, format!("{} is no member of a rule: {hint}", quoted(name.get_ref())));
        }
        let hosts = self.list(members, "hosts", |host| {
            HostPattern::parse(host).map_err(|_| {
                "must be a host such as api.example.com, or *.example.com for all that are below it; without a port, \
                 and names that are not ASCII in punycode (xn--…)"
                    .to_owned()
            })
        });
        let paths = self.list(members, "paths", |path| PathPattern::parse(path).map_err(|error| error.to_string()));
        let methods = self.list(members, "methods", |method| {
            let method = Method::parse(method).map(Method::into_owned);
            method.map_err(|_| "must be a method in capitals, such as GET".to_owned())
        });
        let is_read = self.problems.len() == problems_before;
        let demand = self.demand(members);
        (Rule { line, hosts, paths, methods, demand }, is_read)
    }

    fn demand(&mut self, members: &DeTable<'_>) -> Demand {
        let credentials = self.list(members, "credentials", |word| match word {
            "api_key" => Ok(true),
            "token" => Ok(false),
            other => Err(format!("must be \"api_key\" or \"token\": {}", did_you_mean(other, &["api_key", "token"]))),
        });
        let demand = Demand {
            anonymous: self.flag(members, "anonymous"),
            api_key: credentials.is_empty() || credentials.contains(&true),
            token: credentials.is_empty() || credentials.contains(&false),
            scopes_all: self.scopes(members, "scopes_all"),
            scopes_any: self.scopes(members, "scopes_any"),
            environment: self.environment(members),
            cost: self.cost(members),
            limits: self.limits(members),
            tag: self.tag(members),
        };
        if demand.anonymous {
            for name in ["credentials", "scopes_all", "scopes_any", "environment", "cost", "limits", "tag"] {
                if let Some((key, _)) = members.get_key_value(name) {
                    let cause = format!("{name} means nothing together with anonymous = true: leave out one of them");
                    self.problem(key.span().start, cause);
                }
            }
        } else if !demand.api_key {
            for name in ["environment", "cost", "limits", "tag"] {
                if let Some((key, _)) = members.get_key_value(name) {
                    self.problem(key.span().start, format!("{name} is about API keys, and credentials names none"));
                }
            }
        }
        demand
    }

    fn scopes(&mut self, members: &DeTable<'_>, name: &str) -> Scopes {
        let words = self.list(members, name, |scope| match Scopes::parse([scope]) {
            Ok(_) => Ok(scope.to_owned()),
            Err(error) => Err(error.to_string()),
        });
        // An excessive number was already recorded.
        Scopes::parse(words.iter().map(String::as_str)).unwrap_or_default()
    }

    fn cost(&mut self, members: &DeTable<'_>) -> Option<u64> {
        let value = members.get("cost")?;
        let number = value.get_ref().as_integer().filter(|number| number.radix() == 10);
        let cost = number.and_then(|number| number.as_str().parse().ok()).filter(|cost| *cost <= AMOUNT_MAX);
        if cost.is_none() {
            self.problem(value.span().start, format!("cost must be a whole number from 0 to {AMOUNT_MAX}"));
        }
        cost
    }

    fn limits(&mut self, members: &DeTable<'_>) -> Box<[LimitName]> {
        let read = |name: &str| LimitName::parse(name).map_err(|error| error.to_string());
        self.list(members, "limits", read).into()
    }

    fn tag(&mut self, members: &DeTable<'_>) -> Option<NamedTag> {
        let value = members.get("tag")?;
        let name = value.get_ref().as_str().filter(|name| UsageTags::is_name(name)).unwrap_or_default();
        let tag = match self.tags {
            None => (!name.is_empty()).then(UsageTag::default),
            Some(tags) => tags.find(name),
        };
        if tag.is_none() {
            let known = match self.tags.map(|tags| tags.names().collect::<Vec<_>>()) {
                None => String::new(),
                Some(names) if names.is_empty() => ", and it declares none".to_owned(),
                Some(names) => format!(": {}", names.join(", ")),
            };
            self.problem(value.span().start, format!("tag must be one of those that usage.tags declares{known}"));
        }
        Some(NamedTag { name: name.into(), tag: tag? })
    }

    fn environment(&mut self, members: &DeTable<'_>) -> Option<Environment> {
        let value = members.get("environment")?;
        let environment = value.get_ref().as_str().and_then(|word| word.parse().ok());
        if environment.is_none() {
            self.problem(value.span().start, "environment must be \"live\" or \"test\"");
        }
        environment
    }

    fn flag(&mut self, members: &DeTable<'_>, name: &str) -> bool {
        let Some(value) = members.get(name) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.problem(value.span().start, format!("{name} must be true or false"));
            false
        })
    }

    /// A list of strings, each parsed by `read`. An empty list is refused, because it could mean all or nothing.
    fn list<T>(&mut self, members: &DeTable<'_>, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(value) = members.get(name) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.problem(value.span().start, format!("{name} must be a list of texts, such as [\"…\"]"));
            return Vec::new();
        };
        if items.is_empty() {
            self.problem(value.span().start, format!("{name} is empty: leave it out where it doesn't matter"));
        }
        if items.len() > PATTERNS_MAX {
            self.problem(value.span().start, format!("{name} holds more than {PATTERNS_MAX}"));
            return Vec::new();
        }
        let mut all = Vec::with_capacity(items.len());
        for item in items.iter() {
            match item.get_ref().as_str().ok_or_else(|| "must be a text".to_owned()).and_then(&read) {
                Ok(read) => all.push(read),
                Err(cause) => {
                    let shown = item.get_ref().as_str().map(|text| format!(" {}", quoted(text))).unwrap_or_default();
                    self.problem(item.span().start, format!("{name}:{shown} {cause}"));
                }
            }
        }
        all
    }
}

/// A text as messages show it: on one line, and truncated.
fn quoted(text: &str) -> String {
    const MAX_QUOTED: usize = 60;
    let cut: String = text.chars().take(MAX_QUOTED).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{dots}")
}

fn did_you_mean(wrong: &str, known: &[&str]) -> String {
    match nearest_of(wrong, known.iter().copied()) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("there are {}", known.join(", ")),
    }
}
