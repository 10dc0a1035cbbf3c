//! Keys on pages.

use serde_json::json;
use test_support::{actors::KeyHolder, eventually};

use crate::{
    browser::{Browser, Page},
    provider::Service,
};

/// The text of a key that was just made, and its id.
pub(crate) fn made(page: &Page) -> (KeyHolder, String) {
    page.shows("Copy it now");
    let text = page.between(r#"<code id="secret">"#, "<");
    let holder = KeyHolder::of(text);
    let id = holder.id().to_owned();
    (holder, id)
}

pub(crate) async fn status(service: &Service, key: &KeyHolder) -> u16 {
    key.asks_for_the_resource(&service.replica).await.status().as_u16()
}

#[tokio::test]
async fn a_key_is_made_used_changed_rotated_and_revoked_without_script() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    browser.open("/console/keys").await.shows("You have no keys yet");
    browser.open("/console/keys/new").await.shows("Create the key");
    let fields = [
        ("name", "billing worker"),
        ("description", "charges cards"),
        ("environment", "test"),
        ("scopes", "orders:read orders:write"),
        ("expiry", "30"),
        ("limits", "minute=100/1m"),
        ("metadata", r#"{"team": "payments"}"#),
        ("once", "018f0c5e-4d1b-4c57-9a53-1f3a1c9d7e10"),
    ];
    let page = browser.post("/console/keys", &fields).await;
    let (key, id) = made(&page);
    page.shows(
        &format!("curl https://keys.example.com/api/protected-resource -H &#39;x-api-key: {}", key.key)
            .replace("&#39;", "'"),
    );
    assert_eq!(status(&service, &key).await, 200);
    // Sent again, as by a reload: there is still one key, and its text is gone.
    browser.post("/console/keys", &fields).await.shows("can&#39;t be shown again").lacks(&key.key);
    let list = browser.open("/console/keys?tag=team:payments").await;
    list.shows("billing worker").shows("orders:read").lacks(&key.key);
    assert_eq!(list.text.matches("billing worker</a>").count(), 1);
    browser.open("/console/keys?search=nothing").await.shows("No key matches");

    let path = format!("/console/keys/{id}");
    browser.open(&path).await.shows("minute=100/1m").shows("key.created").shows("charges cards");
    let page = browser.submit(&path, &[("action", "disable"), ("reason", "a pause")]).await;
    page.shows("Replicas that confirmed it: 1").shows("a pause");
    assert_eq!(status(&service, &key).await, 401);
    browser.submit(&path, &[("action", "enable")]).await.shows("Enabled.");
    assert_eq!(status(&service, &key).await, 200);

    let version = browser.open(&path).await.between(r#"name="version" value=""#, "\"");
    let edit = [
        ("action", "edit"),
        ("version", &version),
        ("name", "renamed"),
        ("scopes", ""),
        ("limits", ""),
        ("expiry", "keep"),
    ];
    let page = browser.submit(&path, &edit).await;
    page.shows("renamed").shows("Saved.").lacks("minute=100/1m").shows("payments");
    let page = browser.post(&path, &edit).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("It has changed since you opened this page"), "{}", page.text);

    let (successor, next) = made(&browser.post(&path, &[("action", "rotate"), ("grace", "0")]).await);
    assert_eq!((status(&service, &key).await, status(&service, &successor).await), (401, 200));
    browser.open(&path).await.shows(&next);
    let page = browser.submit(&format!("/console/keys/{next}"), &[("action", "revoke"), ("reason", "leaked")]).await;
    page.shows("Revoked.").shows("leaked").lacks("Create the key");
    assert_eq!(status(&service, &successor).await, 401);
    browser
        .open(&format!("/console/audit?key={next}"))
        .await
        .shows("key.revoked")
        .shows("alice")
        .shows("<bdi>renamed</bdi>");
}

#[tokio::test]
async fn what_is_wrong_in_a_form_is_told_beside_it_and_nothing_is_lost() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let fields = [
        ("name", "kept <b>"),
        ("scopes", "good bad\""),
        ("expiry", "date"),
        ("expires_on", "2001-01-01"),
        ("allowed_ips", "nowhere"),
        ("limits", "many"),
        ("metadata", "[]"),
    ];
    let page = browser.post("/console/keys", &fields).await;
    assert_eq!(page.status, 422);
    for name in ["scopes", "expires_on", "allowed_ips", "limits", "metadata"] {
        assert!(page.text.contains(&format!("id=\"wrong-{name}\"")), "{name} in {}", page.text);
        assert!(
            page.text.contains(&format!("wrong-{name}\">")),
            "the field {name} names what is wrong in {}",
            page.text
        );
    }
    assert_eq!(page.text.matches("aria-invalid=\"true\"").count(), 5, "{}", page.text);
    assert!(page.text.contains("kept &#60;b&#62;"), "{}", page.text);
    browser.open("/console/keys").await.shows("You have no keys yet");
}

#[tokio::test]
async fn selected_keys_are_exported_disabled_or_revoked_after_a_question() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let mut keys = Vec::new();
    for name in ["first", "=second", "third"] {
        keys.push(made(&browser.post("/console/keys", &[("name", name)]).await));
    }
    let selected = |action| [("key", keys[0].1.as_str()), ("key", keys[1].1.as_str()), ("action", action)];
    let csv = browser.post("/console/keys/selected", &selected("export")).await;
    assert!(csv.headers["content-type"].to_str().expect("text").starts_with("text/csv"));
    assert!(
        csv.text.contains("first") && csv.text.contains(",'=second,") && !csv.text.contains("third"),
        "{}",
        csv.text
    );
    browser.post("/console/keys/selected", &selected("revoke")).await.shows("<h1>Revoke keys: 2</h1>");
    assert_eq!(status(&service, &keys[0].0).await, 200, "it was only asked");
    let confirmed = [&selected("revoke")[..], &[("confirmed", "1"), ("reason", "tidying up")]].concat();
    browser.submit("/console/keys/selected", &confirmed).await.shows("Changed keys: 2<");
    let two = |action, one: usize, other: usize| {
        [("key", keys[one].1.as_str()), ("key", keys[other].1.as_str()), ("action", action), ("confirmed", "1")]
    };
    let page = browser.submit("/console/keys/selected", &two("disable", 0, 2)).await;
    page.shows("Changed keys: 1, already disabled or revoked: 1");
    let page = browser.submit("/console/keys/selected", &two("revoke", 1, 2)).await;
    page.shows("Changed keys: 1, already revoked: 1");
    let statuses =
        [status(&service, &keys[0].0).await, status(&service, &keys[1].0).await, status(&service, &keys[2].0).await];
    assert_eq!(statuses, [401, 401, 401]);
}

#[tokio::test]
async fn lists_are_paged_sorted_and_exported() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    for number in 0..51 {
        made(&browser.post("/console/keys", &[("name", &format!("key {number:02}"))]).await);
    }
    let first = browser.open("/console/keys?sort=name").await;
    first.shows("key 00").shows("key 49").lacks("key 50");
    let next = first.between(r#"class="button quiet" href=""#, "\"").replace("&#38;", "&");
    browser.open(&next).await.shows("key 50").lacks("key 49");
    let csv = browser.open("/console/keys/export?sort=name").await;
    assert_eq!(csv.text.lines().count(), 52);
}

#[tokio::test]
async fn a_condition_that_makes_no_sense_selects_nothing_and_is_told_by_the_label_of_its_field() {
    let service = Service::start().await;
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut browser = Browser::signed_in(&service).await;
    made(&browser.post("/console/keys", &[("name", "unmistakable")]).await);
    let told = |label: &str| format!(r#"role="status">{label}: "#);
    for (condition, label) in [
        ("search=a%0Ab", "Search"),
        ("tag=payments", "Tag"),
        ("state=sleeping", "State"),
        ("environment=moon", "Environment"),
        ("scope=a%22b", "Scope"),
        ("sort=luck", "Sort"),
        ("expires=soon", "Expires"),
        ("expiring_days=soon", "Expires within days"),
        ("used_days=soon", "Used within days"),
        ("unused_days=soon", "Not used for days"),
        ("created_days=soon", "Created within days"),
        ("limited=perhaps", "Has limits or credits"),
        ("leaked=perhaps", "Leaked"),
    ] {
        for list in ["keys", "all/keys"] {
            let page = browser.open(&format!("/console/{list}?{condition}")).await;
            page.lacks("unmistakable").shows(&told(label));
            assert_eq!(browser.get(&format!("/console/{list}/export?{condition}")).await.status, 409, "{condition}");
        }
    }
    for (page, label) in [
        ("all/keys?owner=x", "Owner"),
        ("all/sessions?owner=x", "Owner"),
        ("audit?key=x", "Key"),
        ("audit?action=x", "What"),
        ("audit?all=1&owner=x", "Owner"),
        ("owners?disabled=x", "Disabled"),
        ("owners?plan=a+b", "Plan"),
    ] {
        let page = browser.open(&format!("/console/{page}")).await;
        page.lacks("unmistakable").lacks("key.created</code>").shows(&told(label));
    }
    let page = browser.get("/console/usage?all=1&owner=x").await;
    assert!(page.status == 409 && page.text.contains("Owner: no owner has this id"), "{}", page.text);
    browser.open("/console/all/keys").await;
    let page = browser.post("/console/all/keys/matching", &[("unused_days", "soon")]).await;
    assert!(page.status == 409 && page.text.contains("Not used for days: must be"), "{}", page.text);
}

#[tokio::test]
async fn nobody_sees_or_changes_somebody_elses_key() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let (key, id) = made(&alice.post("/console/keys", &[("name", "hers")]).await);
    service.provider.has(json!({ "sub": "bob" }));
    let mut bob = Browser::signed_in(&service).await;
    let path = format!("/console/keys/{id}");
    assert_eq!(bob.get(&path).await.status, 404);
    for action in ["edit", "disable", "revoke", "rotate"] {
        assert!([404, 409].contains(&bob.post(&path, &[("action", action)]).await.status), "{action}");
    }
    let selected = [("key", id.as_str()), ("action", "revoke"), ("confirmed", "1")];
    assert_eq!(bob.post("/console/keys/selected", &selected).await.status, 404);
    assert_eq!(status(&service, &key).await, 200);
}

#[tokio::test]
async fn uses_are_drawn_for_a_key_and_for_all() {
    let service = Service::start_with(&[("KEYWARD__LAST_USED__WRITE_EVERY", "1s")]).await;
    let mut browser = Browser::signed_in(&service).await;
    let (key, id) = made(&browser.post("/console/keys", &[("name", "busy")]).await);
    for _ in 0..3 {
        assert_eq!(status(&service, &key).await, 200);
    }
    let path = format!("/console/keys/{id}");
    eventually("the uses are written", async || browser.open(&path).await.text.contains("granted: 3")).await;
    browser.open(&format!("{path}?by=hour")).await.shows("granted: 3").shows("<rect class=\"granted\"");
    browser.open("/console/usage").await.shows("granted: 3").shows(&id);
    browser.open("/console/keys").await.shows(r#"aria-label="3 uses in 30 days""#).shows(r#"d="M88 20v-20""#);
    service.provider.has(json!({ "sub": "bob" }));
    Browser::signed_in(&service).await.open("/console/usage").await.shows("no uses").lacks(&id);
}

#[tokio::test]
async fn after_a_rotation_both_pages_say_whether_the_old_key_can_be_ended() {
    let service = Service::start_with(&[("KEYWARD__LAST_USED__WRITE_EVERY", "1s")]).await;
    let mut browser = Browser::signed_in(&service).await;
    let (old, id) = made(&browser.post("/console/keys", &[("name", "turning")]).await);
    let path = format!("/console/keys/{id}");
    let (new, next) = made(&browser.post(&path, &[("action", "rotate"), ("grace", "3600")]).await);
    let next = format!("/console/keys/{next}");
    browser.open(&path).await.shows("Too early to tell").shows("This key was replaced");
    browser.open(&next).await.shows("Too early to tell").shows(&id);
    let aged = "UPDATE api_keys SET created_at = created_at - interval '1 hour' WHERE predecessor_id IS NOT NULL";
    test_support::database::execute(service.database.url(), aged).await.expect("an update");
    browser.open(&path).await.shows("Safe to revoke");
    assert_eq!((status(&service, &new).await, status(&service, &old).await), (200, 200));
    eventually("the use is written", async || browser.open(&path).await.text.contains("was used since")).await;
    browser.open(&next).await.shows("was used since");
    // Ended from the page of the new key.
    browser.submit(&path, &[("action", "revoke"), ("reason", "replaced by rotation")]).await.lacks("was used since");
    browser.open(&next).await.lacks("was used since").lacks("Revoke the old key");
    assert_eq!((status(&service, &new).await, status(&service, &old).await), (200, 401));
}

#[tokio::test]
async fn the_page_of_a_key_shows_what_is_left_of_its_limits_and_the_outcomes_of_its_uses() {
    let service = Service::start_with(&[("KEYWARD__LAST_USED__WRITE_EVERY", "1s")]).await;
    let mut browser = Browser::signed_in(&service).await;
    let (key, id) = made(&browser.post("/console/keys", &[("name", "bounded"), ("limits", "month=2/month")]).await);
    let path = format!("/console/keys/{id}");
    browser.open(&path).await.shows("month=2/month</code> at least 2 left").lacks("shared by all keys");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(status(&service, &key).await);
    }
    assert_eq!(statuses, [200, 200, 429]);
    browser.open(&path).await.shows("month=2/month</code> at least 0 left until");
    eventually("the uses are written", async || browser.open(&path).await.text.contains("rate_limited: 1")).await;
    browser
        .open(&path)
        .await
        .shows("<th scope=\"col\"><code>granted</code></th><th scope=\"col\"><code>rate_limited</code></th>");
}

#[tokio::test]
async fn a_form_changes_no_field_that_it_has_not_got_and_does_nothing_in_doubt() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let number = r#"{"n": 12345678901234567890123}"#;
    let fields = [("name", "kept"), ("scopes", "a:b"), ("metadata", number)];
    let (key, id) = made(&browser.post("/console/keys", &fields).await);
    let path = format!("/console/keys/{id}");
    let page = browser.open(&path).await;
    page.shows("12345678901234567890123");
    let version = page.between(r#"name="version" value=""#, "\"");
    browser
        .submit(&path, &[("action", "edit"), ("version", &version), ("name", "renamed")])
        .await
        .shows("a:b")
        .shows("renamed");
    assert_eq!(browser.post(&path, &[("action", "edit"), ("name", "x")]).await.status, 409, "no version");
    for grace in ["", "7200", "-1"] {
        let page = browser.post(&path, &[("action", "rotate"), ("grace", grace)]).await;
        assert!(page.status == 422 && page.text.contains("id=\"wrong-grace\""), "{grace}: {}", page.text);
    }
    let long = "x".repeat(501);
    for action in ["disable", "revoke"] {
        let page = browser.post(&path, &[("action", action), ("reason", &long)]).await;
        assert!(page.status == 422 && page.text.contains(&format!("id=\"wrong-{action}\"")), "{}", page.text);
    }
    assert_eq!(status(&service, &key).await, 200);
}

#[tokio::test]
async fn a_list_says_by_which_characters_to_know_a_key_and_when_it_ends_soon() {
    let service = Service::start().await;
    let mut browser = Browser::signed_in(&service).await;
    let (key, id) = made(&browser.post("/console/keys", &[("name", "short"), ("expiry", "7")]).await);
    let (first, last) = (&key.key["keyward_live_".len()..][..4], &id[id.len() - 6..]);
    let list = browser.open("/console/keys").await;
    list.shows(&format!("<code>keyward_live_{first}…{last}</code>")).shows(r#"<td class="soon""#).shows("soon</span>");
    list.shows(r#"aria-label="no uses""#);
    browser.open("/console/keys?environment=test").await.shows("No key matches");
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    let mut admin = Browser::signed_in(&service).await;
    admin.open("/console/all/keys").await.shows(&id).shows(r#"<span class="tag">live</span>"#);
}
