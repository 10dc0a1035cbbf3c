//! Keys that are no good.

use keyward::domain::api_key::{Environment, Keyring, Pepper};
use test_support::{
    actors::{KeyHolder, PROTECTED, Person},
    replica::PEPPER,
    wire::{Answer, Connection, with_header},
};
use time::OffsetDateTime;

use crate::scene::Scene;

const ID: std::ops::Range<usize> = 13..35;

fn presenting(key: impl AsRef<[u8]>) -> Vec<u8> {
    with_header("GET", PROTECTED, "x-api-key", key)
}

fn assert_invalid_key(answer: &Answer) {
    assert_eq!(answer.body, r#"{"message":"Invalid API key"}"#);
    assert_eq!(answer.header("www-authenticate"), Some(r#"ApiKey realm="keyward", error="invalid_token""#));
}

/// A key with a good tag that was never stored.
fn forged_by_a_thief_of(pepper: &str, prefix: &str) -> String {
    let pepper = Pepper::new(pepper.to_owned().into()).expect("a pepper");
    let keyring = Keyring::new(prefix.parse().expect("a prefix"), &[pepper]).expect("a keyring");
    keyring.generate(Environment::Live, OffsetDateTime::now_utc()).text.expose().to_owned()
}

#[tokio::test]
async fn a_key_with_any_one_character_changed_is_refused() {
    let scene = Scene::set().await;
    let mut connection = Connection::open(&scene.replica).await;
    for (position, old) in scene.key.char_indices() {
        let new = if old == 'a' { "b" } else { "a" };
        let changed = format!("{}{new}{}", &scene.key[..position], &scene.key[position + 1..]);
        connection.send(presenting(&changed)).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, 401, "{position}: {changed}");
        assert_invalid_key(&answer);
    }
    scene.still_serves().await;
}

#[tokio::test]
async fn a_key_cut_anywhere_is_refused() {
    let scene = Scene::set().await;
    let mut connection = Connection::open(&scene.replica).await;
    for length in 1..scene.key.len() {
        for part in [&scene.key[..length], &scene.key[length..]] {
            connection.send(presenting(part)).await;
            let answer = connection.answer().await;
            assert_eq!(answer.status, 401, "{part}");
            assert_invalid_key(&answer);
        }
    }
    scene.still_serves().await;
}

#[tokio::test]
async fn a_key_that_is_not_exactly_ours_is_refused() {
    let scene = Scene::set().await;
    let key = scene.key.as_str();
    let overflowing = format!("{}{}{}", &key[..ID.start], "z".repeat(ID.len()), &key[ID.end..]);
    let swapped_case: String = key
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    for bad in [
        key.repeat(2),
        format!("{key},{key}"),
        format!("{key} {key}"),
        format!("{key}a"),
        format!("a{key}"),
        key.replace("keyward_", "keyware_"),
        key.replace("keyward_", "sk_"),
        key.replace("keyward_", "_"),
        key.replace("_live_", "_test_"),
        key.replace("_live_", "_prod_"),
        key.replace('_', "-"),
        key.replace('_', ""),
        overflowing,
        swapped_case,
        key.chars().rev().collect(),
        format!("\"{key}\""),
        format!("Bearer {key}"),
        "_".repeat(key.len()),
        "0".repeat(key.len()),
        "z".repeat(key.len()),
        "💥".to_owned(),
        "💥".repeat(30),
        format!("{}💥", &key[..key.len() - 4]),
        format!("{}ａ{}", &key[..20], &key[23..]),
        format!("{} {}", &key[..20], &key[21..]),
        format!("{}\t{}", &key[..20], &key[21..]),
        format!("{}%20", &key[..key.len() - 3]),
        "' OR '1'='1".to_owned(),
        "null".to_owned(),
        "a".repeat(15_000),
    ] {
        assert_invalid_key(&scene.refuses(401, presenting(bad)).await);
    }
}

#[tokio::test]
async fn a_key_of_bytes_that_are_no_text_is_refused() {
    let scene = Scene::set().await;
    let cut_character = [scene.key.as_bytes(), b"\xf0\x9f"].concat();
    let same_length = [&scene.key.as_bytes()[..scene.key.len() - 1], b"\xff"].concat();
    for bad in [b"\xff\xfe".to_vec(), b"\xc0\x80".to_vec(), cut_character, same_length, vec![0x80; 89]] {
        assert_invalid_key(&scene.refuses(401, presenting(bad)).await);
    }
}

#[tokio::test]
async fn a_key_of_spaces_is_no_key() {
    let scene = Scene::set().await;
    for blank in ["", " ", "   \t  ", &" ".repeat(89)] {
        let answer = scene.refuses(403, presenting(blank)).await;
        assert_eq!(answer.body, r#"{"message":"No API key provided"}"#, "{blank:?}");
    }
}

#[tokio::test]
async fn a_key_of_control_characters_is_a_bad_request() {
    let scene = Scene::set().await;
    let with_nul = scene.key.replace('_', "\0");
    for bad in ["\0", &"\0".repeat(89), &with_nul, &format!("{}\0", scene.key), "\u{1}", "\u{7f}", "a\rb", "\u{1b}[31m"]
    {
        scene.refuses_and_closes(400, presenting(bad)).await;
    }
}

#[tokio::test]
async fn a_key_of_another_prefix_or_pepper_is_refused_though_its_tag_is_genuine() {
    let scene = Scene::set().await;
    let other_pepper = PEPPER.replace('9', "8");
    for forged in [forged_by_a_thief_of(PEPPER, "keyware"), forged_by_a_thief_of(&other_pepper, "keyward")] {
        assert_invalid_key(&scene.refuses(401, presenting(forged)).await);
    }
}

/// OWASP ASVS 6.3.8.
#[tokio::test]
async fn unknown_wrong_revoked_disabled_expired_and_deleted_keys_look_the_same_to_a_stranger() {
    let scene = Scene::set().await;
    let rows = scene.replica.database().superuser_pool().await;
    let mut keys = vec!["nonsense".to_owned(), forged_by_a_thief_of(PEPPER, "keyward")];
    for (number, change) in [
        "UPDATE api_keys SET revoked_at = now(), revoked_reason = 'left'",
        "UPDATE api_keys SET enabled = false",
        "UPDATE api_keys SET expires_at = now()",
        "DELETE FROM api_keys",
    ]
    .into_iter()
    .enumerate()
    {
        let subject = format!("owner-{number}");
        let KeyHolder { key } = Person::named(&subject).makes_a_key(&scene.replica).await;
        let change = format!("{change} WHERE subject = '{subject}'");
        sqlx::query(sqlx::AssertSqlSafe(change)).execute(&rows).await.expect("the row changes");
        keys.push(key);
    }
    let mut answers = Vec::new();
    for key in keys {
        let answer = scene.refuses(401, presenting(key)).await;
        let mut headers = answer.headers;
        headers.retain(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"));
        headers.sort();
        answers.push((headers, answer.body));
    }
    assert_eq!(answers.len(), 6);
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:#?}");
}

#[tokio::test]
async fn two_keys_at_once_are_refused_be_they_the_same_or_not() {
    let scene = Scene::set().await;
    for other in [scene.key.as_str(), "nonsense", ""] {
        for (first, second) in [(scene.key.as_str(), other), (other, scene.key.as_str())] {
            let request = presenting(format!("{first}\r\nX-API-Key: {second}"));
            let answer = scene.refuses(401, request).await;
            assert_eq!(answer.body, r#"{"message":"Invalid API key"}"#);
            assert_eq!(answer.header("www-authenticate"), Some(r#"ApiKey realm="keyward", error="invalid_request""#));
        }
    }
}

#[tokio::test]
async fn a_key_is_taken_from_no_other_place_than_its_header() {
    let scene = Scene::set().await;
    let key = scene.key.as_str();
    for query in ["x-api-key", "api_key", "apiKey", "key", "access_token"] {
        let answer =
            scene.refuses(403, with_header("GET", &format!("{PROTECTED}?{query}={key}"), "Accept", "*/*")).await;
        assert_eq!(answer.body, r#"{"message":"No API key provided"}"#, "{query}");
    }
    for (name, value) in [
        ("Cookie", format!("x-api-key={key}")),
        ("Authorization", format!("Bearer {key}")),
        ("Authorization", format!("ApiKey {key}")),
        ("api-key", key.to_owned()),
        ("x_api_key", key.to_owned()),
    ] {
        let answer = scene.refuses(403, with_header("GET", PROTECTED, name, value)).await;
        assert_eq!(answer.body, r#"{"message":"No API key provided"}"#, "{name}");
    }
    assert_invalid_key(&scene.refuses(401, presenting(&scene.token)).await);
}
