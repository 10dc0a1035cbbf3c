//! Forms with something wrong: nothing is left out in silence, and nothing is kept that must not be.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::client::request;

use crate::{
    browser::{Browser, Page},
    keys::made,
    provider::{PUBLIC_URL, Service},
};

#[track_caller]
fn is_wrong(page: &Page, field: &str, text: &str) {
    assert_eq!(page.status, 422, "{}", page.text);
    let told = page.between(&format!(r#"id="wrong-{field}">"#), "<");
    assert!(told.contains(text), "{told}");
}

#[tokio::test]
async fn a_date_without_its_choice_is_refused_and_not_left_out() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    for chosen in [&[("expiry", "never")][..], &[("expiry", "30")], &[]] {
        let fields = [&[("name", "x"), ("expires_on", "2999-01-31")][..], chosen].concat();
        let page = alice.post("/console/keys", &fields).await;
        is_wrong(&page, "expires_on", "Choose “On a date”");
        assert!(page.text.contains(r#"value="2999-01-31""#), "{}", page.text);
    }
    alice.open("/console/keys").await.shows("You have no keys yet");
    let fields = [("name", "x"), ("expiry", "date"), ("expires_on", "2999-01-31")];
    let (_, id) = made(&alice.post("/console/keys", &fields).await);
    let path = format!("/console/keys/{id}");
    alice.open(&path).await.shows("2999-02-01");
    let edit = [("action", "edit"), ("version", "1"), ("expiry", "keep"), ("expires_on", "2998-01-31")];
    is_wrong(&alice.post(&path, &edit).await, "expires_on", "Choose “On a date”");
    let edit = [("action", "edit"), ("version", "1"), ("expiry", "date"), ("expires_on", "2998-01-31")];
    alice.submit(&path, &edit).await.shows("2998-02-01");
}

#[tokio::test]
async fn no_text_that_is_kept_may_carry_a_token() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (_, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let token = service.provider.token("alice");
    let text = format!("it was {token} before");
    let metadata = json!({ "old": [token] }).to_string();
    let escaped = metadata.replacen("eyJ", "\\u0065yJ", 1);
    let behind_a_line = json!({ "old": format!("the token is:\n{token}") }).to_string();
    let (behind_a_letter, as_a_name) = (format!("x{token}"), json!({ format!("k-{token}"): 1 }).to_string());
    for (field, value) in [
        ("name", &text),
        ("name", &behind_a_letter),
        ("description", &text),
        ("metadata", &metadata),
        ("metadata", &escaped),
        ("metadata", &behind_a_line),
        ("metadata", &as_a_name),
    ] {
        let page = alice.post("/console/keys", &[(field, value)]).await;
        is_wrong(&page, field, "carries a whole token");
        page.lacks(&token[token.len() - 30..]);
    }
    let path = format!("/console/keys/{id}");
    let page = alice.post(&path, &[("action", "disable"), ("reason", &text)]).await;
    is_wrong(&page, "disable", "carries a whole token");
    page.lacks(&token[token.len() - 30..]);
    alice.open(&path).await.shows("active");
}

#[tokio::test]
async fn no_text_that_is_kept_may_carry_a_key() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (key, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let text = format!("it was {} before", key.key);
    let secret = &key.key[key.key.len() - 30..];
    let metadata = json!({ "old": [key.key] }).to_string();
    let escaped = metadata.replacen("keyward", "\\u006beyward", 1);
    for (field, value) in [("name", &text), ("description", &text), ("metadata", &metadata), ("metadata", &escaped)] {
        let page = alice.post("/console/keys", &[(field, value)]).await;
        is_wrong(&page, field, "carries the text of a key");
        page.lacks(secret);
    }
    let scopes = format!("orders:read x:{}", key.key);
    let page = alice.post("/console/keys", &[("scopes", "orders:write"), ("scopes", &scopes)]).await;
    is_wrong(&page, "scopes", "carries the text of a key");
    page.lacks(secret);
    let path = format!("/console/keys/{id}");
    for action in ["disable", "revoke"] {
        let page = alice.post(&path, &[("action", action), ("reason", &text)]).await;
        is_wrong(&page, action, "carries the text of a key");
        page.lacks(secret);
    }
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    let owner = eve.open("/console/owners").await.between("/console/owners/one?id=", "\"");
    let page = eve.post(&format!("/console/owners/one?id={owner}"), &[("action", "disable"), ("reason", &text)]).await;
    is_wrong(&page, "disable-reason", "carries the text of a key");
    eve.open("/console/all/keys/new").await;
    let page = eve.post("/console/all/keys", &[("owner_subject", &*key.key)]).await;
    is_wrong(&page, "owner_subject", "carries the text of a key");
    page.lacks(secret);
    eve.open("/console/plans/new").await;
    let page = eve.post("/console/plans", &[("name", "free"), ("description", &text)]).await;
    is_wrong(&page, "description", "carries the text of a key");

    // The same by the API.
    let token = service.provider.token("alice");
    let asks = async |method: Method, path: &str, body: Value| {
        let asked = request(method, service.replica.url(path)).bearer_auth(&token).json(&body);
        let answer = asked.send().await.expect("an answer");
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("a body"));
        assert!(status == 422 && text.contains("has_key") && !text.contains(secret), "{path} {status}: {text}");
    };
    let of_key = format!("/v1/keys/{id}");
    for body in [json!({ "name": text }), json!({ "description": text }), json!({ "metadata": { "old": [text] } })] {
        asks(Method::POST, "/v1/keys", body.clone()).await;
        asks(Method::PATCH, &of_key, body).await;
    }
    asks(Method::POST, &format!("{of_key}/disable"), json!({ "reason": text })).await;
    asks(Method::DELETE, &of_key, json!({ "reason": text })).await;
    // A text that only looks like a key is none.
    let like = format!("{}A", &key.key[..key.key.len() - 1]);
    let like = if like == key.key { format!("{}B", &key.key[..key.key.len() - 1]) } else { like };
    alice.open("/console/keys/new").await;
    made(&alice.post("/console/keys", &[("name", "another"), ("description", &like)]).await);
}

#[tokio::test]
async fn what_is_given_twice_or_is_none_is_refused() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    for (field, value, text) in [
        ("metadata", r#"{"a": 1, "a": 2}"#, "a name stands twice"),
        ("metadata", r#"{"a": {"b": 1, "b": 2}}"#, "a name stands twice"),
        ("limits", "a=5/day,cost=1,cost=2", "cost is given twice"),
    ] {
        is_wrong(&alice.post("/console/keys", &[(field, value)]).await, field, text);
    }
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut eve = Browser::signed_in(&service).await;
    eve.open("/console/plans/new").await;
    let page = eve.post("/console/plans", &[("name", "free"), ("environment", "moon")]).await;
    is_wrong(&page, "environment", "live");
    eve.open("/console/plans").await.shows("There are no plans yet");
}

#[tokio::test]
async fn a_refused_form_says_so_in_the_title_and_leads_to_each_field() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    alice.open("/console/keys/new").await.lacks("Error: ").lacks("mistakes");
    let page = alice.post("/console/keys", &[("limits", "many"), ("metadata", "[]"), ("name", "\u{7f}")]).await;
    assert!(page.text.contains("<title>Error: New key"), "{}", page.text);
    for field in ["name", "limits", "metadata"] {
        assert!(page.text.contains(&format!("<a href=\"#field-{field}\">")), "{field}: {}", page.text);
        assert_eq!(page.text.matches(&format!("id=\"field-{field}\"")).count(), 1, "{field}: {}", page.text);
    }
    let (_, id) = made(&alice.post("/console/keys", &[("name", "x")]).await);
    let page = alice.post(&format!("/console/keys/{id}"), &[("action", "revoke"), ("reason", "\u{7f}")]).await;
    assert!(page.text.contains("<title>Error: x"), "{}", page.text);
    assert_eq!(page.text.matches("id=\"field-reason\"").count(), 1, "{}", page.text);
}

#[tokio::test]
async fn whoever_must_sign_in_again_comes_back_to_the_page_of_the_form() {
    let service = Service::start_with(&[("KEYWARD__CONSOLE__FRESH_SIGN_IN", "5m")]).await;
    let mut alice = Browser::signed_in(&service).await;
    let (_, id) = made(&alice.post("/console/keys", &[("name", "x")]).await);
    let path = format!("/console/keys/{id}");
    let form = alice.open(&path).await.between(r#"name="form" value=""#, "\"");
    let fields = [("action", "disable")];
    for (referer, to) in
        [(format!("{PUBLIC_URL}{path}?by=hour"), "%3Fby%3Dhour"), (format!("https://evil.example{path}?by=hour"), "")]
    {
        let headers =
            |request: reqwest::RequestBuilder| request.header("origin", PUBLIC_URL).header("referer", &referer);
        let page = alice.post_as(&path, &fields, &form, headers).await;
        assert_eq!(page.status, 403);
        let address = format!("/console/sign-in?again=1&amp;to=%2Fconsole%2Fkeys%2F{id}{to}\"");
        assert!(page.text.contains(&address), "no {address} in {}", page.text);
        assert!(
            page.text.contains("what you have typed is not kept") && !page.text.contains("undone"),
            "{}",
            page.text
        );
    }
}
