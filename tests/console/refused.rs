//! Forms that can't be done, and what their page shows then.

use serde_json::json;
use test_support::actors::KeyHolder;

use crate::{
    browser::{Browser, Page},
    provider::Service,
};

async fn administrator(service: &Service) -> Browser {
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    Browser::signed_in(service).await
}

/// The address of the page of alice, who has a key.
async fn owner(eve: &mut Browser) -> String {
    let id = eve.open("/console/owners?search=alice").await.between("/console/owners/one?id=", "\"");
    format!("/console/owners/one?id={id}")
}

/// The version in the form with this action.
#[track_caller]
fn version(page: &Page, action: &str) -> String {
    let (form, _) = page.text.split_once(&format!(r#"name="action" value="{action}""#)).expect("a form");
    let (_, version) = form.rsplit_once(r#"name="version" value=""#).expect("a version");
    version.split('"').next().expect("a version").to_owned()
}

#[track_caller]
fn is_refused(page: &Page, text: &str) {
    assert!(page.status == 422 && page.text.contains(text), "no {text} in {}", page.text);
}

#[tokio::test]
async fn a_refused_form_says_nothing_of_the_change_before_it() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    alice.post("/console/keys", &[("name", "hers")]).await;
    let mut eve = administrator(&service).await;
    let path = owner(&mut eve).await;
    eve.open("/console/plans/new").await;
    let plan = eve.post("/console/plans", &[("name", "free")]).await.location().to_owned();
    let at_owner = eve.post(&path, &[("action", "disable")]).await.location().to_owned();
    for (address, action) in [(plan, "save"), (at_owner, "limits")] {
        let page = eve.open(&address).await;
        page.shows(r#"role="status""#);
        // The forms of a page go to its address, and that has the notice.
        let fields = [("action", action), ("version", &version(&page, action)), ("limits", "many")];
        let refused = eve.post(&address, &fields).await;
        is_refused(&refused, r#"id="wrong-limits""#);
        refused.lacks(r#"role="status""#);
    }
}

#[tokio::test]
async fn a_form_that_was_corrected_undoes_nothing_that_somebody_else_has_changed_before() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key = alice.post("/console/keys", &[("name", "hers")]).await.between(r#"<code id="secret">"#, "<");
    let key = format!("/console/all/keys/{}", KeyHolder::of(key).id());
    let mut eve = administrator(&service).await;
    let mut other = administrator(&service).await;
    let owner = owner(&mut eve).await;
    for (path, action, field, [theirs, typo, mine]) in [
        (&owner, "limits", "limits", ["month=1/month", "many", "month=9/month"]),
        (&owner, "credits", "credits", ["11", "many", "99"]),
        (&key, "credits", "credits", ["11", "many", "99"]),
        (&key, "edit", "limits", ["month=1/month", "many", "month=9/month"]),
    ] {
        let seen = version(&eve.open(path).await, action);
        let page = other.open(path).await;
        let sends = async |browser: &mut Browser, version: &str, value| {
            browser.post(path, &[("action", action), ("version", version), (field, value)]).await
        };
        assert_eq!(sends(&mut other, &version(&page, action), theirs).await.status, 303);
        let refused = sends(&mut eve, &seen, typo).await;
        is_refused(&refused, &format!("id=\"wrong-{field}\""));
        let refused = sends(&mut eve, &version(&refused, action), mine).await;
        is_refused(&refused, "It has changed since you opened this page");
        // Then it shows what there is, and can be sent.
        assert_eq!(sends(&mut eve, &version(&refused, action), mine).await.status, 303);
    }
}

#[tokio::test]
async fn after_a_refused_deletion_the_form_of_a_plan_still_has_the_plan() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    alice.post("/console/keys", &[("name", "hers")]).await;
    let mut eve = administrator(&service).await;
    eve.open("/console/plans/new").await;
    let fields = [("name", "free"), ("description", "for all"), ("limits", "month=2/month")];
    let page = eve.submit("/console/plans", &fields).await;
    let path = owner(&mut eve).await;
    eve.open(&path).await;
    eve.submit(&path, &[("action", "plan"), ("plan", "free"), ("plan_before", "")]).await;
    let delete = [("action", "delete"), ("version", &version(&page, "delete"))];
    let refused = eve.post("/console/plans/one?name=free", &delete).await;
    is_refused(&refused, "so it can&#39;t be deleted: 1");
    is_refused(&refused, r#"name="limits" spellcheck="false" value="month=2/month""#);
    is_refused(&refused, r#"name="description" maxlength="1000" value="for all""#);
}

#[tokio::test]
async fn a_form_that_is_too_large_to_be_read_is_answered_with_a_page() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let page = alice.post("/console/keys", &[("name", "x"), ("metadata", &"x".repeat(100_000))]).await;
    assert_eq!(page.status, 413, "{}", page.text);
    assert!(page.text.contains("Nothing was changed") && page.text.contains("<h1>Too much text</h1>"), "{}", page.text);
    let header = |name: &str| page.headers.get(name).map_or("", |value| value.to_str().expect("text"));
    assert!(header("content-type").starts_with("text/html"), "{:?}", page.headers);
    assert!(header("content-security-policy").starts_with("default-src 'none'"), "{:?}", page.headers);
    assert!(!header("x-request-id").is_empty(), "{:?}", page.headers);
    alice.open("/console/keys").await.shows("You have no keys yet");
}

#[tokio::test]
async fn who_has_changed_keys_too_often_in_a_day_is_told_when_to_come_back_and_can_still_stop_them() {
    let service = Service::start_with(&[("KEYWARD__KEYS__MAX_CHANGES_PER_DAY", "1")]).await;
    let mut alice = Browser::signed_in(&service).await;
    let key = alice.post("/console/keys", &[("name", "hers")]).await.between(r#"<code id="secret">"#, "<");
    let key = KeyHolder::of(key);
    let path = format!("/console/keys/{}", key.id());
    let page = alice.open(&path).await;
    let renamed = async |alice: &mut Browser, page: &Page, name: &str| {
        let fields = [("action", "edit"), ("version", &version(page, "edit")), ("name", name), ("expiry", "keep")];
        alice.post(&path, &fields).await
    };
    assert_eq!(renamed(&mut alice, &page, "night shift").await.status, 303);
    let page = alice.open(&path).await;
    let refused = renamed(&mut alice, &page, "day shift").await;
    is_refused(&refused, "The daily limit for changes is reached. Keys can still be disabled, revoked and rotated.");
    is_refused(&refused, "You can change them again in 25h");
    alice.open(&path).await.shows("night shift").lacks("day shift");
    alice.submit(&path, &[("action", "disable"), ("reason", "a leak")]).await.shows("a leak");
    is_refused(&alice.post(&path, &[("action", "enable")]).await, "The daily limit for changes is reached.");
    let several = [("key", key.id()), ("action", "revoke"), ("confirmed", "1")];
    alice.submit("/console/keys/selected", &several).await.shows("Changed keys: 1");
    alice.open(&path).await.shows("key.revoked");
}

#[tokio::test]
async fn a_rotation_offers_no_longer_time_for_the_old_key_than_is_allowed() {
    let settings = [("KEYWARD__KEYS__ROTATION_GRACE", "15m"), ("KEYWARD__KEYS__MAX_ROTATION_GRACE", "1h")];
    let service = Service::start_with(&settings).await;
    let mut alice = Browser::signed_in(&service).await;
    let key = alice.post("/console/keys", &[("name", "hers")]).await.between(r#"<code id="secret">"#, "<");
    let path = format!("/console/keys/{}", KeyHolder::of(key).id());
    let page = alice.open(&path).await;
    page.shows(
        r#"<option value="900">in 15 minutes</option><option value="3600" selected>in an hour</option></select>"#,
    );
    // One that was open before, when more was allowed.
    let refused = alice.post(&path, &[("action", "rotate"), ("grace", "86400")]).await;
    is_refused(&refused, "The old key may go on for at most 1h.");
    alice.post(&path, &[("action", "rotate"), ("grace", "3600")]).await.shows("Copy it now");

    let none = [("KEYWARD__KEYS__ROTATION_GRACE", "0s"), ("KEYWARD__KEYS__MAX_ROTATION_GRACE", "0s")];
    let other = service.another_with(&none).await;
    let key = alice.post("/console/keys", &[("name", "another")]).await.between(r#"<code id="secret">"#, "<");
    let page = alice.at(&other).open(&format!("/console/keys/{}", KeyHolder::of(key).id())).await;
    page.shows(r#"<option value="0" selected>now</option></select>"#);
}
