//! 515 strings that break careless programs, in every place that takes text.

use keyward::domain::scope::Scope;
use serde_json::{Value, json};
use test_support::{
    actors::{CREATE, PROTECTED, Person, claims},
    wire::{head, with_header},
};

use crate::scene::{Excerpt, Scene, assert_tells_nothing};

/// See `tests/data/README.md`.
const STRINGS: &str = include_str!("../data/naughty-strings.json");

pub(crate) fn strings() -> Vec<String> {
    let strings: Vec<String> = serde_json::from_str(STRINGS).expect("a list of strings");
    assert_eq!(strings.len(), 515);
    strings
}

async fn assert_refused(scene: &Scene, request: &[u8]) {
    let answer = scene.answer(request).await;
    assert!(matches!(answer.status, 400 | 401 | 403), "{:?} got {answer:?}", Excerpt(request));
    assert_tells_nothing(&answer);
}

#[tokio::test]
async fn a_naughty_string_is_no_key() {
    let scene = Scene::set().await;
    for string in strings() {
        assert_refused(&scene, &with_header("GET", PROTECTED, "x-api-key", &string)).await;
    }
    scene.still_serves().await;
}

#[tokio::test]
async fn a_naughty_string_is_no_token() {
    let scene = Scene::set().await;
    for string in strings() {
        assert_refused(&scene, &with_header("POST", CREATE, "Authorization", format!("Bearer {string}"))).await;
        assert_refused(&scene, &with_header("POST", CREATE, "Authorization", &string)).await;
    }
    scene.still_serves().await;
}

#[tokio::test]
async fn a_naughty_string_is_no_path() {
    let scene = Scene::set().await;
    for string in strings() {
        let encoded: String = string.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = scene.answer(format!("{}\r\n", head("GET", &format!("/api/{encoded}")))).await;
        assert_eq!(answer.status, 404, "{string}");
        assert_tells_nothing(&answer);
    }
    scene.still_serves().await;
}

#[tokio::test]
async fn a_naughty_string_in_a_body_is_judged_as_json_and_ignored() {
    let scene = Scene::set().await;
    let with_body = |body: &str| {
        let lines = format!("{}\r\nAuthorization: {}\r\nContent-Type: application/json", body.len(), scene.token);
        [with_header("POST", CREATE, "Content-Length", lines), body.as_bytes().to_vec()].concat()
    };
    for string in strings() {
        let is_json = string.is_empty() || serde_json::from_str::<Value>(&string).is_ok();
        let answer = scene.answer(with_body(&string)).await;
        assert_eq!(answer.status, if is_json { 201 } else { 400 }, "{string}");
    }
    assert_eq!(scene.answer(with_body(&json!({ "name": strings() }).to_string())).await.status, 201);
    scene.still_serves().await;
}

#[tokio::test]
async fn naughty_strings_in_a_subject_and_issuer_come_back_as_they_are() {
    let scene = Scene::set().await;
    let rows = scene.replica.database().superuser_pool().await;
    // Many in one, since each key costs a hash.
    for some in strings().chunks(20) {
        let subject = some.concat();
        let subject = &subject[..subject.floor_char_boundary(1024)];
        let mut claims = claims(subject);
        claims["iss"] = json!(subject);
        claims["scope"] = json!(some.iter().filter(|scope| scope.parse::<Scope>().is_ok()).collect::<Vec<_>>());
        let status = Person::with_claims(&claims).asks_for_a_key(&scene.replica).await.status();
        assert_eq!(status, 201, "{subject}");
        let found = sqlx::query("SELECT FROM api_keys WHERE subject = $1 AND issuer = $1").bind(subject);
        assert_eq!(found.fetch_all(&rows).await.expect("rows").len(), 1, "{subject}");
    }
    scene.still_serves().await;
}
