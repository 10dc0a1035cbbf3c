//! What pages show of keys and owners: it is found again, nothing hides in it, and files have it.

use serde_json::json;
use test_support::{actors::KeyHolder, filling::long_events};

use crate::{
    browser::{Browser, Page},
    keys::made,
    provider::Service,
};

async fn administrator(service: &Service) -> Browser {
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    Browser::signed_in(service).await
}

#[track_caller]
fn is_refused(page: &Page, status: u16, text: &str) {
    assert!(page.status == status && page.text.contains(text), "no {text:?} in {}: {}", page.status, page.text);
}

#[tokio::test]
async fn a_key_is_found_by_its_whole_text_only_if_the_text_is_genuine() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (key, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let mut eve = administrator(&service).await;
    let found = eve.submit("/console/find", &[("key", &key.key)]).await;
    found.shows("The text is genuine").shows("hers");
    // The right id, and a secret that is none; and the key of another environment.
    let start = format!("keyward_live_{id}");
    let forged = format!("{start}{}", "A".repeat(key.key.len() - start.len()));
    let other = key.key.replacen("_live_", "_test_", 1);
    for text in [&forged, &other] {
        let page = eve.post("/console/find", &[("key", text)]).await;
        is_refused(&page, 409, "the API answers 401");
        page.lacks(&text[start.len()..]);
        alice.open("/console/keys").await;
        let page = alice.post("/console/search", &[("to", "/console/keys"), ("search", text)]).await;
        is_refused(&page, 409, "the API answers 401");
    }
    assert!(!service.replica.output().contains(&forged[start.len()..]), "{}", service.replica.output());
}

#[tokio::test]
async fn what_pages_show_of_a_key_finds_it_and_what_is_not_found_is_told() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (_, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    let mut eve = administrator(&service).await;
    let list = eve.open("/console/all/keys").await;
    let short = format!("keyward_live_{}…{}", &id[..4], &id[id.len() - 6..]);
    list.shows(&short);
    let parts =
        [short, format!("keyward_live_{id}…"), format!("keyward_live_{id}"), format!("keyward_live_{}", &id[..9])];
    for text in &parts {
        let page = eve.post("/console/find", &[("key", text)]).await;
        assert_eq!(page.location(), format!("/console/all/keys/{id}"), "{text}: {}", page.text);
        for (list, browser, expected) in [
            ("/console/keys", &mut alice, format!("/console/keys/{id}")),
            ("/console/all/keys", &mut eve, format!("/console/all/keys/{id}")),
        ] {
            browser.open(list).await;
            let page = browser.post("/console/search", &[("to", list), ("search", text)]).await;
            assert_eq!(page.location(), expected, "{text} in {list}: {}", page.text);
        }
        let page = alice.post("/console/search", &[("to", "/console/audit"), ("key", text)]).await;
        assert_eq!(page.location(), format!("/console/audit?key={id}"), "{text}");
    }
    alice.open(&format!("/console/audit?key=keyward_live_{id}")).await.shows("key.created</code>");
    for text in [format!("keyward_test_{}", &id[..9]), "keyward_live_zzzz".to_owned(), "no <b>thing</b>".to_owned()] {
        let page = eve.post("/console/find", &[("key", &text)]).await;
        is_refused(&page, 404, &text.replace('<', "&#60;").replace('>', "&#62;"));
    }
    made(&alice.post("/console/keys", &[("name", "a second")]).await);
    let page = eve.post("/console/find", &[("key", &format!("keyward_live_{}", &id[..4]))]).await;
    is_refused(&page, 409, "Several keys begin like this");
}

#[tokio::test]
async fn a_keys_page_has_its_addresses_and_metadata_also_when_it_has_ended() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let fields = [("name", "hers"), ("allowed_ips", "192.0.2.0/24"), ("metadata", r#"{"team": "payments"}"#)];
    let (_, id) = made(&alice.post("/console/keys", &fields).await);
    let path = format!("/console/keys/{id}");
    let facts = [r#"<code class="tag">192.0.2.0/24</code>"#, "<code>{&#34;team&#34;:&#34;payments&#34;}</code>"];
    let page = alice.open(&path).await;
    page.shows(facts[0]).shows(facts[1]);
    let page = alice.submit(&path, &[("action", "revoke")]).await;
    page.shows(facts[0]).shows(facts[1]);
}

#[tokio::test]
async fn nothing_hides_in_the_name_of_an_owner_and_long_ones_are_cut_in_lists() {
    let service = Service::start().await;
    let mut eve = administrator(&service).await;
    let long = "x".repeat(200);
    for subject in ["\u{202e}evil", " ", "bob ", long.as_str()] {
        let page = eve.post("/console/all/keys", &[("owner_subject", subject), ("name", "theirs")]).await;
        assert_eq!(page.status, if subject == " " { 422 } else { 200 }, "{subject:?}: {}", page.text);
        eve.open("/console/all/keys/new").await;
    }
    let list = eve.open("/console/owners").await;
    list.shows("<bdi>[U+202E]evil</bdi></a>")
        .lacks("\u{202e}")
        .shows(&format!(r#"<bdi title="{long}">{}…</bdi>"#, &long[..47]));
    let id = list.between("/console/owners/one?id=", "\"");
    eve.open(&format!("/console/owners/one?id={id}")).await.lacks("\u{202e}");
    eve.open("/console/all/keys").await.shows("<bdi>[U+202E]evil</bdi></a>").lacks("\u{202e}");
}

#[tokio::test]
async fn the_audit_is_exported_with_its_conditions_and_without_formulas() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (_, id) = made(&alice.post("/console/keys", &[("name", "=1+1")]).await);
    let (_, other) = made(&alice.post("/console/keys", &[("name", "other")]).await);
    alice.open(&format!("/console/audit?key={id}")).await.shows(&format!("/console/audit/export?key={id}"));
    let csv = alice.open(&format!("/console/audit/export?key={id}")).await;
    assert!(csv.headers["content-type"].to_str().expect("text").starts_with("text/csv"));
    csv.shows("at,action,key,owner_issuer,").shows(&format!(",key.created,{id},")).lacks(&other).lacks(",=1");
    assert_eq!(alice.get("/console/audit/export?action=none").await.status, 409);
    assert_eq!(alice.get("/console/audit/export?all=1").await.status, 403);
    service.provider.has(json!({ "sub": "=bob" }));
    let mut bob = Browser::signed_in(&service).await;
    bob.open("/console/audit/export").await.lacks(&id);
    let (key, _) = made(&bob.post("/console/keys", &[("name", "his")]).await);
    bob.open("/console/audit/export").await.shows(",'=bob,").lacks(",=bob").lacks(&key.key);
    let mut eve = administrator(&service).await;
    eve.open("/console/audit/export?all=1").await.shows(&id).shows(&other).shows(KeyHolder::of(key.key).id());
}

#[tokio::test]
async fn long_metadata_in_the_audit_is_cut_on_pages_and_ends_an_export() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (_, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    long_events(&service.database, 500).await;
    let page = alice.open("/console/audit").await;
    page.shows(r#"metadata: <bdi class="value">{&#34;a&#34;:[{&#34;&#34;:1},"#).shows("…</bdi> → ").shows("Next page");
    assert!(page.text.len() < 1_500_000, "{} bytes", page.text.len());
    alice.open(&format!("/console/keys/{id}")).await.shows("…</bdi> → ");
    let csv = alice.open("/console/audit/export").await;
    let lines = csv.text.lines().count();
    assert!((80..150).contains(&lines), "{lines} lines");
    assert_eq!(csv.text.lines().nth(2).expect("a change").matches(r#"{"""":1}"#).count(), 2 * 580);
}

#[tokio::test]
async fn addresses_that_take_only_forms_lead_back() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    for (path, to) in [
        ("/console/keys/selected", "/console/keys"),
        ("/console/all/keys/matching", "/console/all/keys"),
        ("/console/find", "/console"),
        ("/console/search", "/console"),
        ("/console/sign-out", "/console"),
        ("/console/", "/console"),
    ] {
        let page = alice.get(path).await;
        assert_eq!((page.status, page.location()), (303, to), "{path}");
    }
    alice.open("/console/keys").await;
}
