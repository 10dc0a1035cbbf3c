//! The scope catalogue on forms.

use serde_json::json;

use crate::{
    browser::{Browser, Page},
    keys::made,
    provider::Service,
};

const CATALOGUE: &str = "[[scopes]]\nname = \"orders:read\"\ndescription = \"See <b>orders</b>\"\ngroup = \"Orders\"\n\
    [[scopes]]\nname = \"orders:write\"\ngroup = \"Orders\"\n[[scopes]]\nname = \"reports\"\n";
const STRICT: &str = "[keys]\nrefuse_unknown_scopes = true\n";

fn check_box(scope: &str, is_checked: bool) -> String {
    let checked = if is_checked { " checked" } else { "" };
    format!(r#"<input type="checkbox" name="scopes" value="{scope}"{checked}>"#)
}

async fn edit(browser: &mut Browser, path: &str, scopes: &[&str]) -> Page {
    let version = browser.open(path).await.between(r#"name="version" value=""#, "\"");
    let fields = [("action", "edit"), ("version", version.as_str()), ("scopes", "")];
    let scopes: Vec<_> = scopes.iter().map(|scope| ("scopes", *scope)).collect();
    browser.post(path, &[&fields[..], &scopes].concat()).await
}

#[tokio::test]
async fn scopes_are_chosen_from_the_catalogue_and_others_written() {
    let service = Service::start_with_members(CATALOGUE).await;
    let mut browser = Browser::signed_in(&service).await;
    let page = browser.open("/console/keys/new").await;
    page.shows("<legend>Orders</legend>").shows("See &#60;b&#62;orders").shows("Other scopes");
    for scope in ["orders:read", "orders:write", "reports"] {
        page.shows(&check_box(scope, false));
    }
    let fields =
        [("name", "x"), ("scopes", ""), ("scopes", "orders:read"), ("scopes", "reports"), ("scopes", "mine yours")];
    let (_, id) = made(&browser.post("/console/keys", &fields).await);
    let path = format!("/console/keys/{id}");
    let page = browser.open(&path).await;
    page.shows(&check_box("orders:read", true)).shows(&check_box("orders:write", false));
    page.shows(r#"name="scopes" value="mine yours""#);
    assert_eq!(edit(&mut browser, &path, &[]).await.status, 303, "none is chosen");
    browser.open(&path).await.shows(&check_box("orders:read", false)).lacks(r#"value="mine"#);
    browser.open("/console/keys").await.shows(r#"<datalist id="catalogue"><option value="orders:read">"#);
}

#[tokio::test]
async fn only_what_a_person_may_give_can_be_chosen_and_a_key_keeps_what_it_has() {
    let service = Service::start_with_members(&format!("scope_bearing = true\n{CATALOGUE}")).await;
    service.provider.has(json!({ "sub": "alice", "scope": "orders:read orders:write" }));
    let mut rich = Browser::signed_in(&service).await;
    let (_, id) = made(&rich.post("/console/keys", &[("name", "x"), ("scopes", "orders:write")]).await);
    service.provider.has(json!({ "sub": "alice", "scope": "orders:read" }));
    let mut poor = Browser::signed_in(&service).await;
    let page = poor.open("/console/keys/new").await;
    page.shows(&check_box("orders:read", false)).lacks(r#"value="orders:write""#).lacks(r#"value="reports""#);
    page.shows("give these scopes").shows("<code>orders:write</code> <code>reports</code>");
    let path = format!("/console/keys/{id}");
    poor.open(&path).await.shows(&check_box("orders:write", true)).lacks(r#"value="reports""#);
    assert_eq!(edit(&mut poor, &path, &["orders:write", "orders:read"]).await.status, 303);
    let page = edit(&mut poor, &path, &["reports", "orders:read"]).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains(r#"id="wrong-scopes">You don&#39;t have the scope reports."#), "{}", page.text);
    // A successor would get the scopes of the key. The form for that has no field for them.
    let page = poor.post(&path, &[("action", "rotate"), ("grace", "0")]).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains(r#"id="wrong-form">You don&#39;t have the scope orders:write."#), "{}", page.text);
}

#[tokio::test]
async fn a_scope_that_is_not_there_is_refused_beside_the_field_where_only_the_catalogue_counts() {
    let service = Service::start_with_members(&format!("{CATALOGUE}{STRICT}")).await;
    let mut browser = Browser::signed_in(&service).await;
    browser.open("/console/keys/new").await.shows(&check_box("reports", false)).lacks("Other scopes");
    let page = browser.post("/console/keys", &[("name", "kept"), ("scopes", "reports"), ("scopes", "nothing")]).await;
    assert_eq!(page.status, 422);
    for text in ["There is no such scope here: nothing.", "Other scopes", r#"value="nothing""#, r#"value="kept""#] {
        assert!(page.text.contains(text), "{text:?} in {}", page.text);
    }
    assert!(page.text.contains(&check_box("reports", true).replace(" checked>", " checked")), "{}", page.text);
    browser.open("/console/keys").await.shows("You have no keys yet");
}
