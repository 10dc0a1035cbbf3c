//! Forms that are sent twice, as by a double click or a reload.

use serde_json::json;

use crate::{
    browser::{Browser, Page},
    keys::{made, status},
    provider::Service,
};

fn once(page: &Page) -> String {
    page.between(r#"name="once" value=""#, "\"")
}

/// How many keys there are.
async fn keys(browser: &mut Browser) -> usize {
    browser.open("/console/keys").await.text.matches(r#"type="checkbox" name="key""#).count()
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_key_and_says_how_to_replace_it() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let once = once(&browser.open("/console/keys/new").await);
    let fields = [("name", "worker"), ("once", once.as_str())];
    let (first, id) = made(&browser.post("/console/keys", &fields).await);
    let again = browser.post("/console/keys", &fields).await;
    again.shows("This form was sent twice").shows("can&#39;t be shown again").lacks(&first.key).shows("Replace it now");
    assert_eq!((keys(&mut browser).await, status(&service, &first).await), (1, 200));
    // Nobody has seen the text: the page leads to another key in its place.
    let next = self::once(&again);
    let replace = [("once", next.as_str()), ("grace", "0"), ("action", "rotate")];
    let (second, _) = made(&browser.post(&format!("/console/keys/{id}"), &replace).await);
    assert_eq!((status(&service, &first).await, status(&service, &second).await), (401, 200));
}

#[tokio::test]
async fn a_rotation_that_is_sent_twice_is_done_once_and_both_answers_name_the_same_key() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let (old, id) = made(&browser.post("/console/keys", &[("name", "worker")]).await);
    let path = format!("/console/keys/{id}");
    let once = once(&browser.open(&path).await);
    let fields = [("once", once.as_str()), ("grace", "900"), ("action", "rotate")];
    let page = browser.post(&path, &fields).await;
    let (new, next) = made(&page);
    page.shows("The old key works until");
    let again = browser.post(&path, &fields).await;
    again.shows("This form was sent twice").shows(&next).lacks(&new.key).shows("The old key works until");
    assert_eq!(keys(&mut browser).await, 2);
    assert_eq!((status(&service, &old).await, status(&service, &new).await), (200, 200));
    // Another form, such as of a page that was open before: the key has a successor, which the page names.
    let late = browser.post(&path, &[("once", "another"), ("grace", "0"), ("action", "rotate")]).await;
    assert_eq!(late.status, 422);
    assert!(late.text.contains("has a successor already") && late.text.contains(&next), "{}", late.text);
    assert_eq!(status(&service, &old).await, 200, "nothing was done");
}

#[tokio::test]
async fn a_form_whose_name_no_page_has_made_is_done_like_one_without() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    for once in ["\0", "a\0b", "another", "\u{fffe}", ""] {
        made(&browser.post("/console/keys", &[("name", "worker"), ("once", once)]).await);
    }
    assert_eq!(keys(&mut browser).await, 5);
}

#[tokio::test]
async fn two_that_are_sent_at_once_make_one_key() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let (_, id) = made(&browser.post("/console/keys", &[("name", "worker")]).await);
    let path = format!("/console/keys/{id}");
    let once = once(&browser.open(&path).await);
    let mut other = browser.at(&service.replica);
    let fields = [("once", once.as_str()), ("grace", "900"), ("action", "rotate")];
    let (one, two) = tokio::join!(browser.post(&path, &fields), other.post(&path, &fields));
    let with_text = [&one, &two].into_iter().filter(|page| page.text.contains("Copy it now")).count();
    let without = [&one, &two].into_iter().filter(|page| page.text.contains("This form was sent twice")).count();
    assert_eq!((with_text, without), (1, 1), "{} and {}", one.text, two.text);
    assert_eq!(keys(&mut browser).await, 2);
}

#[tokio::test]
async fn a_plan_that_is_deleted_twice_is_deleted() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut browser = Browser::signed_in(&service).await;
    browser.open("/console/plans/new").await;
    let page = browser.submit("/console/plans", &[("name", "free"), ("max_keys", "1")]).await;
    let version = page.between(r#"name="version" value=""#, "\"");
    for _ in 0..2 {
        let fields = [("action", "delete"), ("version", version.as_str())];
        browser.submit("/console/plans/one?name=free", &fields).await.shows("The plan is deleted.");
    }
}

#[tokio::test]
async fn a_form_that_was_changed_after_it_had_made_a_key_asks_first() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let first = once(&browser.open("/console/keys/new").await);
    made(&browser.post("/console/keys", &[("name", "one"), ("once", &first)]).await);
    let page = browser.post("/console/keys", &[("name", "two"), ("once", &first)]).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("was done then") && page.text.contains(r#"value="two""#), "{}", page.text);
    assert_eq!(keys(&mut browser).await, 1);
    let next = page.between(r#"name="once" value=""#, "\"");
    made(&browser.post("/console/keys", &[("name", "two"), ("once", &next)]).await);
    assert_eq!(keys(&mut browser).await, 2);
}
