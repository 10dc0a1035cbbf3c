//! The patterns of docs/secret-scanning.md find every key that Keyward makes, and nothing that is next to one.

use regex::Regex;
use serde_json::json;
use test_support::{actors::Person, asking::replica_with, replica::Replica};

const PAGE: &str = include_str!("../../docs/secret-scanning.md");

/// All patterns of the page, with what they are called there. GitHub's is put together as GitHub does it.
fn patterns() -> Vec<(&'static str, Regex)> {
    let between = |from: &str, to: &str| PAGE.split_once(from).and_then(|(_, rest)| rest.split_once(to)).expect(from).0;
    let cell = |name: &str| between(&format!("| {name} | `"), "` |").replace(r"\|", "|");
    let github = format!("(?:{})({})(?:{})", cell("Before secret"), cell("Secret format"), cell("After secret"));
    [
        ("the page", between("```text\n", "\n```").to_owned()),
        ("gitleaks", between("regex = '''", "'''").to_owned()),
        ("GitHub", github),
    ]
    .map(|(name, pattern)| (name, Regex::new(&pattern).unwrap_or_else(|error| panic!("{name}: {error}"))))
    .into()
}

/// What a pattern takes for the secret: its group where it has one.
fn found<'a>(pattern: &Regex, text: &'a str) -> Option<&'a str> {
    pattern.captures(text).map(|found| found.get(1).or(found.get(0)).expect("a match").as_str())
}

async fn keys(replica: &Replica) -> Vec<String> {
    let alice = Person::named("alice");
    let mut keys = Vec::new();
    for environment in ["live", "test"].repeat(3) {
        keys.push(alice.creates(replica, json!({ "environment": environment })).await.holder.key);
    }
    keys
}

#[tokio::test]
async fn every_key_is_found_wherever_it_stands() {
    let replica = replica_with(&[]).await;
    for key in keys(&replica).await {
        for (name, pattern) in patterns() {
            for (before, after) in [
                ("", ""),
                ("KEYWARD_KEY=", "\n"),
                ("x-api-key: ", "\r\n"),
                ("{\"apiKey\":\"", "\"}"),
                ("'", "'"),
                ("https://example.com/?key=", "&x=1"),
                ("<!-- ", ". -->"),
                ("(", ")"),
                ("é", "é"),
            ] {
                let text = format!("{before}{key}{after}");
                // An accented letter is one that a word may go on with, to those who think in Unicode.
                if before == "é" && name != "GitHub" {
                    continue;
                }
                assert_eq!(found(&pattern, &text), Some(key.as_str()), "{name}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_next_to_a_key_is_not_found() {
    let replica = replica_with(&[]).await;
    let key = &keys(&replica).await[0];
    let id = &key["keyward_live_".len()..][..22];
    for (name, pattern) in patterns() {
        for text in [
            key[..key.len() - 1].to_owned(),
            format!("{key}0"),
            format!("{key}_"),
            format!("x{key}"),
            format!("_{key}"),
            key.replace("_live_", "_prod_"),
            key.replace("_live_", "-live-"),
            key.replace("keyward", "keywards"),
            key.to_uppercase(),
            key.replacen("_live_0", "_live_1", 1),
            format!("{}-{}", &key[..40], &key[41..]),
            format!("keyward_live_{id}"),
            id.to_owned(),
            "keyward_live_".to_owned(),
            // As the documents show keys.
            "keyward_live_03…".to_owned(),
        ] {
            assert_eq!(found(&pattern, &text), None, "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn another_prefix_is_found_where_it_is_put_into_the_pattern() {
    let replica = replica_with(&[("KEYWARD__KEYS__PREFIX", "acme")]).await;
    for key in keys(&replica).await {
        assert!(key.starts_with("acme_"), "{key}");
        for (name, pattern) in patterns() {
            let of_acme = Regex::new(&pattern.as_str().replace("keyward", "acme")).expect("a pattern");
            assert_eq!(found(&of_acme, &key), Some(key.as_str()), "{name}");
            assert_eq!(found(&pattern, &key), None, "{name}");
        }
    }
}

/// What the page says of keywords is what gitleaks looks for before it tries the pattern.
#[test]
fn the_keywords_of_gitleaks_stand_in_what_it_is_to_find() {
    let keywords = PAGE.lines().find_map(|line| line.strip_prefix("keywords = ")).expect("keywords");
    let keywords: Vec<String> = serde_json::from_str(keywords).expect("a list");
    assert_eq!(keywords, ["keyward_live_", "keyward_test_"]);
}
