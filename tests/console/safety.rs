//! What other sites, and people with bad intentions, try.

use serde_json::json;

use crate::{
    browser::Browser,
    provider::{PUBLIC_URL, Service},
};

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    browser.open("/console/keys/new").await;
    let form = browser.open("/console/keys/new").await.between(r#"name="form" value=""#, "\"");
    let fields = [("name", "forged")];
    for (origin, site) in [
        (Some("https://evil.example"), None),
        (Some("null"), None),
        (Some("http://keys.example.com"), None),
        (Some(PUBLIC_URL), Some("cross-site")),
        (Some(PUBLIC_URL), Some("same-site")),
        (None, Some("none")),
        (None, None),
    ] {
        let page = browser
            .post_as("/console/keys", &fields, &form, |mut request| {
                for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
                    if let Some(value) = value {
                        request = request.header(name, value);
                    }
                }
                request
            })
            .await;
        assert_eq!(page.status, 403, "{origin:?} {site:?}");
    }
    // From our own site, but not of a page of this session.
    for token in ["", "AAAA", &form[1..]] {
        let page =
            browser.post_as("/console/keys", &fields, token, |request| request.header("origin", PUBLIC_URL)).await;
        assert_eq!(page.status, 403, "{token}");
    }
    service.provider.has(json!({ "sub": "bob" }));
    let mut bob = Browser::signed_in(&service).await;
    let page = bob.post_as("/console/keys", &fields, &form, |request| request.header("origin", PUBLIC_URL)).await;
    assert_eq!(page.status, 403, "somebody else's form");
    browser.open("/console/keys").await.lacks("forged");
    let page = browser
        .post_as("/console/keys", &fields, &form, |request| request.header("sec-fetch-site", "same-origin"))
        .await;
    page.shows("Copy it now");
}

#[tokio::test]
async fn every_answer_forbids_frames_foreign_scripts_and_caches() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    for path in ["/console/keys", "/console/nothing", "/console/signed-in", "/console/all/keys"] {
        let page = browser.get(path).await;
        let header = |name: &str| page.headers.get(name).map_or("", |value| value.to_str().expect("text"));
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!((header("x-frame-options"), header("cache-control")), ("DENY", "no-store"), "{path}");
        assert!(!page.text.contains("<script>") && !page.text.contains("style=") && !page.text.contains("onclick"));
        page.lacks("http://").lacks("https://cdn");
    }
    let script = browser.open("/console/keys").await.between(r#"<script src=""#, "\"");
    let script = browser.open(&script).await;
    assert!(script.headers["cache-control"].to_str().expect("text").contains("immutable"));
}

#[tokio::test]
async fn texts_of_people_are_shown_and_never_run() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "<img src=x onerror=alert(1)>", "name": "<script>alert(2)</script>" }));
    let mut browser = Browser::signed_in(&service).await;
    let evil = "\"><script>alert(3)</script>";
    let fields =
        [("name", evil), ("description", evil), ("metadata", r#"{"a": "</textarea><script>alert(4)</script>"}"#)];
    let id = browser.post("/console/keys", &fields).await.between(r#"class="button" href="/console/keys/"#, "\"");
    let path = format!("/console/keys/{id}");
    browser.submit(&path, &[("action", "disable"), ("reason", evil)]).await;
    let search = "/console/keys?search=%22%3E%3Cscript%3Ealert(5)%3C/script%3E";
    for path in [path.as_str(), "/console/keys", "/console/audit", "/console/sessions", search] {
        let page = browser.open(path).await;
        page.lacks("<script>alert").lacks("<img src=x");
    }
}

#[tokio::test]
async fn no_text_of_somebody_can_be_taken_for_what_is_around_it() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "alice", "name": "\u{202e}ecilA" }));
    let mut browser = Browser::signed_in(&service).await;
    // In the audit, as if it were another change; in a list, as if the key were another one.
    let evil = "x; enabled: false → true \u{202e}";
    let id = browser.post("/console/keys", &[("name", "x")]).await;
    let id = id.between(r#"class="button" href="/console/keys/"#, "\"");
    let path = format!("/console/keys/{id}");
    let version = browser.open(&path).await.between(r#"name="version" value=""#, "\"");
    browser.submit(&path, &[("action", "edit"), ("version", &version), ("name", evil)]).await;
    let page = browser.open("/console/audit").await;
    page.shows(&format!(r#"name: <bdi class="value">x</bdi> → <bdi class="value">{evil}</bdi></td>"#));
    page.shows("<span><bdi>\u{202e}ecilA</bdi></span>");
    let page = browser.post("/console/keys/selected", &[("key", &id), ("action", "revoke")]).await;
    page.shows(&format!("<li><bdi>{evil}</bdi> <code>"));
    browser.open("/console/keys").await;
    let page = browser.post("/console/keys/matching", &[("state", "active")]).await;
    page.shows(&format!("<li><bdi>{evil}</bdi> <code>"));
    let page = browser.submit(&path, &[("action", "revoke"), ("reason", evil)]).await;
    page.shows(&format!(": <bdi>{evil}</bdi></dd>"));
    // Nor is a name one that nobody sees.
    let page = browser.post("/console/keys", &[("name", "\u{200b}\u{202e}")]).await;
    assert_eq!(page.status, 422);
}

#[tokio::test]
async fn a_session_needs_its_exact_secret() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    browser.forget(crate::browser::SESSION);
    assert_eq!(browser.get("/console/keys").await.status, 303);
    // A subdomain could set a cookie whose name only decodes to one with the prefix.
    let secret = Browser::signed_in(&service).await.cookie(crate::browser::SESSION).expect("a session").clone();
    for name in ["%5F_Host-keyward-session", "__Host%2Dkeyward-session", "__host-keyward-session", "keyward-session"] {
        let answer = test_support::client::request(reqwest::Method::GET, service.replica.url("/console/keys"))
            .header("cookie", format!("{name}={secret}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 303, "{name}");
    }
    for cookie in ["", "x", &"A".repeat(43)] {
        let answer = test_support::client::request(reqwest::Method::GET, service.replica.url("/console/keys"))
            .header("cookie", format!("__Host-keyward-session={cookie}"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 303, "{cookie}");
    }
}
