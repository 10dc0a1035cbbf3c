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
