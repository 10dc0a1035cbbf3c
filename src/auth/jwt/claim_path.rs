//! Resolves a [`ClaimPath`] in a token's claims.

use crate::{
    auth::strict_json::{Json, Object},
    config::{ClaimPath, ClaimStep},
};

/// The target of a path.
pub(super) enum Found<'a> {
    Value(&'a Json<'a>),
    /// The name of a member.
    Name(&'a str),
}

/// The single value at the path.
pub(super) fn value<'a>(claims: &'a Object<'a>, path: &ClaimPath) -> Option<&'a Json<'a>> {
    claims.get(path.claim()).or_else(|| one(claims, path.steps()))
}

/// Every value at the path.
pub(super) fn all<'a>(claims: &'a Object<'a>, path: &ClaimPath, found: &mut dyn FnMut(Found<'a>)) {
    let end = &mut |value: &'a Json<'a>| match value {
        Json::Object(object) if path.takes_names() => {
            object.members().for_each(|(name, _)| found(Found::Name(name)));
        }
        value => found(Found::Value(value)),
    };
    match claims.get(path.claim()) {
        Some(value) => end(value),
        None => follow_member(claims, path.steps(), end),
    }
}

fn one<'a>(object: &'a Object<'a>, steps: &[ClaimStep]) -> Option<&'a Json<'a>> {
    let (ClaimStep::Member(name), rest) = steps.split_first()? else { return None };
    match (object.get(name)?, rest) {
        (value, []) => Some(value),
        (Json::Object(inner), rest) => one(inner, rest),
        _ => None,
    }
}

fn follow<'a>(value: &'a Json<'a>, steps: &[ClaimStep], end: &mut dyn FnMut(&'a Json<'a>)) {
    match (value, steps) {
        (value, []) => end(value),
        (Json::Object(object), [ClaimStep::Every, rest @ ..]) => {
            object.members().for_each(|(_, inner)| follow(inner, rest, end));
        }
        (Json::List(items), [ClaimStep::Every, rest @ ..]) => items.iter().for_each(|item| follow(item, rest, end)),
        (Json::Object(object), steps) => follow_member(object, steps, end),
        _ => {}
    }
}

fn follow_member<'a>(object: &'a Object<'a>, steps: &[ClaimStep], end: &mut dyn FnMut(&'a Json<'a>)) {
    if let Some((ClaimStep::Member(name), rest)) = steps.split_first()
        && let Some(inner) = object.get(name)
    {
        follow(inner, rest, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMS: &str = r#"{
        "scope": "a", "a.b": "dotted", "a": {"b": "nested", "c.d": "inner"},
        "resource_access": {"one": {"roles": ["x"]}, "two": {"roles": ["y"]}, "three": 3, "four": {"rules": ["z"]}},
        "list": [{"name": "first"}, {"name": "second"}, "third"],
        "roles": {"admin": {"1": "acme"}, "user": {}}
    }"#;

    fn found(path: &str) -> Vec<String> {
        let claims = Object::read(CLAIMS.as_bytes()).expect("an object");
        let mut texts = Vec::new();
        all(&claims, &path.parse().expect("a path"), &mut |found| match found {
            Found::Value(Json::Text(text)) => texts.push(text.to_string()),
            Found::Value(Json::List(items)) => texts.extend(items.iter().filter_map(Json::as_str).map(str::to_owned)),
            Found::Value(_) => texts.push("?".to_owned()),
            Found::Name(name) => texts.push(format!("{name}:")),
        });
        texts
    }

    #[test]
    fn a_path_leads_to_values_and_names() {
        assert_eq!(found("scope"), ["a"]);
        assert_eq!(found("a.b"), ["dotted"]);
        assert_eq!(found(r"a\.b"), ["dotted"]);
        assert_eq!(found(r"a.c\.d"), ["inner"]);
        assert_eq!(found("resource_access.*.roles"), ["x", "y"]);
        assert_eq!(found("resource_access.two.roles"), ["y"]);
        assert_eq!(found("list.*.name"), ["first", "second"]);
        assert_eq!(found("keys(roles)"), ["admin:", "user:"]);
        assert_eq!(found("keys(roles.admin)"), ["1:"]);
        assert_eq!(found("keys(scope)"), ["a"]);
        for nowhere in ["b", "scope.b", "a.c", "a.c.d", "list.name", "resource_access.roles", "roles.*.1.x"] {
            assert!(found(nowhere).is_empty(), "{nowhere}");
        }
    }

    #[test]
    fn one_value_is_found_where_it_stands() {
        let claims = Object::read(CLAIMS.as_bytes()).expect("an object");
        let text = |path: &str| value(&claims, &path.parse().expect("a path")).and_then(Json::as_str);
        assert_eq!(text("scope"), Some("a"));
        assert_eq!(text("a.b"), Some("dotted"));
        assert_eq!(text("roles.admin.1"), Some("acme"));
        assert_eq!(text("roles.admin.2"), None);
    }
}
