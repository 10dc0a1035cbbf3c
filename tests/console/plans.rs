//! Plans, and what owners are given.

use serde_json::json;
use test_support::actors::KeyHolder;

use crate::{browser::Browser, provider::Service};

const FREE: &str = "/console/plans/one?name=free";

async fn administrator(service: &Service) -> Browser {
    service.provider.has(json!({ "sub": "eve", "scope": "keyward:admin" }));
    Browser::signed_in(service).await
}

/// The address of the page of an owner who has a key.
async fn owner(eve: &mut Browser) -> String {
    let id = eve.open("/console/owners?search=alice").await.between("/console/owners/one?id=", "\"");
    format!("/console/owners/one?id={id}")
}

#[tokio::test]
async fn an_administrator_makes_changes_and_deletes_a_plan_that_every_replica_applies() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut alice = Browser::signed_in(&service).await;
    let key =
        KeyHolder::of(alice.post("/console/keys", &[("name", "hers")]).await.between(r#"<code id="secret">"#, "<"));
    let mut eve = administrator(&service).await;
    eve.open("/console/plans").await.shows("There are no plans yet");
    eve.open("/console/plans/new").await;
    let fields = [
        ("name", "free"),
        ("description", "for <everybody>"),
        ("limits", "month=2/month"),
        ("credits", "100"),
        ("credits_max", "200"),
        ("refill_every", "monthly"),
        ("refill_amount", "50"),
        ("refill_day", "15"),
        ("max_keys", "3"),
        ("max_lifetime", "90d"),
        ("scopes", "orders:read"),
        ("environment", "live"),
    ];
    let page = eve.submit("/console/plans", &fields).await;
    page.shows("Replicas that confirmed it: 2").shows("for &#60;everybody&#62;").shows("month=2/month").shows("90d");
    page.shows("100, 50 more monthly, up to 200").shows("orders:read");
    let again = eve.post("/console/plans", &[("name", "free")]).await;
    assert_eq!(again.status, 422);
    assert!(again.text.contains("There is a plan of this name already"), "{}", again.text);

    let path = owner(&mut eve).await;
    eve.open(&path).await;
    let page = eve
        .submit(&path, &[("action", "plan"), ("plan", "free"), ("plan_before", ""), ("reason", "a customer now")])
        .await;
    page.shows("Replicas that confirmed it: 2").shows("by administrator").shows("a customer now").shows("100 left");
    eve.open("/console/plans").await.shows(r#"aria-label="Owners on this plan: free">1</a>"#);
    eve.open("/console/owners?plan=free").await.shows("alice").lacks("eve (");
    let statuses = [
        key.asks_for_the_resource(&service.replica).await.status().as_u16(),
        key.asks_for_the_resource(&other).await.status().as_u16(),
        key.asks_for_the_resource(&other).await.status().as_u16(),
    ];
    assert_eq!(statuses, [200, 200, 429]);
    let page = alice.open("/console/plan").await;
    page.shows("<h2>free</h2>")
        .shows("month=2/month</code> at least 0 left until")
        .shows("100 granted in all")
        .shows("monthly, on day 15");

    // The form has the plan as it is, so saving it with another limit changes that alone.
    let version = eve.open(FREE).await.between(r#"name="version" value=""#, "\"");
    let changed =
        [&[("action", "save"), ("version", version.as_str()), ("limits", "month=3/month")], &fields[3..]].concat();
    eve.submit(FREE, &changed).await.shows("Saved.").shows("month=3/month").shows("50 more monthly").lacks("for &#60;");
    assert_eq!(key.asks_for_the_resource(&other).await.status(), 200);
    let late = eve.post(FREE, &changed).await;
    assert_eq!(late.status, 422);
    assert!(late.text.contains("It has changed since you opened this page"), "{}", late.text);

    let version = eve.open(FREE).await.between(r#"name="version" value=""#, "\"");
    let delete = [("action", "delete"), ("version", version.as_str())];
    let in_use = eve.post(FREE, &delete).await;
    assert!(in_use.status == 422 && in_use.text.contains("so it can&#39;t be deleted: 1"), "{}", in_use.text);
    eve.open(&path).await;
    eve.submit(&path, &[("action", "plan"), ("plan", ""), ("plan_before", "free")])
        .await
        .shows("Saved.")
        .lacks("by administrator")
        .lacks("granted in all");
    eve.submit(FREE, &delete).await.shows("The plan is deleted.").shows("There are no plans yet");
    assert_eq!(eve.get(FREE).await.status, 404);
    eve.open("/console/audit?all=1").await.shows("plan.created").shows("plan.changed").shows("plan.deleted");
}

#[tokio::test]
async fn what_is_wrong_with_a_plan_is_told_beside_it_and_nothing_is_lost() {
    let service = Service::start().await;
    let mut eve = administrator(&service).await;
    eve.open("/console/plans/new").await;
    let fields = [
        ("name", "not a name"),
        ("description", "kept <b>"),
        ("limits", "many"),
        ("credits", "-1"),
        ("refill_every", "daily"),
        ("max_keys", "0"),
        ("max_lifetime", "soon"),
        ("scopes", "a\"b"),
    ];
    let name = eve.post("/console/plans", &fields).await;
    assert!(name.status == 422 && name.text.contains("id=\"wrong-name\""), "{}", name.text);
    let page = eve.post("/console/plans", &[&[("name", "fine")], &fields[1..]].concat()).await;
    assert_eq!(page.status, 422);
    for name in ["limits", "credits", "refill_amount", "max_keys", "max_lifetime", "scopes"] {
        assert!(page.text.contains(&format!("id=\"wrong-{name}\"")), "{name} in {}", page.text);
    }
    assert!(page.text.contains("kept &#60;b&#62;"), "{}", page.text);
    eve.open("/console/plans").await.shows("There are no plans yet");
}

#[tokio::test]
async fn names_of_plans_that_look_like_paths_are_plans() {
    let service = Service::start().await;
    let mut eve = administrator(&service).await;
    eve.open("/console/plans/new").await;
    for name in ["new", "..a", "one"] {
        eve.submit("/console/plans", &[("name", name)]).await.shows(&format!("<h1>{name}</h1>"));
    }
}

#[tokio::test]
async fn an_administrator_limits_an_owner_and_nobody_undoes_what_another_has_changed() {
    let service = Service::start().await;
    let mut alice = Browser::signed_in(&service).await;
    let key =
        KeyHolder::of(alice.post("/console/keys", &[("name", "hers")]).await.between(r#"<code id="secret">"#, "<"));
    let mut eve = administrator(&service).await;
    let path = owner(&mut eve).await;
    let version = eve.open(&path).await.between(r#"name="version" value=""#, "\"");
    let limits =
        [("action", "limits"), ("version", version.as_str()), ("limits", "month=1/month"), ("reason", "abuse")];
    eve.submit(&path, &limits).await.shows("Replicas that confirmed it: 1").shows("month=1/month").shows("abuse");
    assert_eq!(key.asks_for_the_resource(&service.replica).await.status(), 200);
    assert_eq!(key.asks_for_the_resource(&service.replica).await.status(), 429);
    let late = eve.post(&path, &limits).await;
    assert!(late.status == 422 && late.text.contains("It has changed since you opened this page"), "{}", late.text);
    assert_eq!(eve.post(&path, &[("action", "limits"), ("limits", "")]).await.status, 409, "no version");
    for (action, field, value) in [("plan", "plan", "not a name"), ("plan", "plan", "none"), ("limits", "limits", "x")]
    {
        let seen = [("version", version.as_str()), ("plan_before", "")];
        let page = eve.post(&path, &[&[("action", action), (field, value)], &seen[..]].concat()).await;
        assert!(page.status == 422 && page.text.contains(&format!("id=\"wrong-{field}\"")), "{value}: {}", page.text);
    }
    alice.open("/console/plan").await.shows("You are on no plan.").shows("month=1/month</code> at least 0 left");
}

#[tokio::test]
async fn a_plan_that_somebody_else_has_assigned_meanwhile_stays() {
    let service = Service::start().await;
    let _alice = Browser::signed_in(&service).await.post("/console/keys", &[("name", "hers")]).await;
    let mut eve = administrator(&service).await;
    eve.open("/console/plans/new").await;
    for name in ["free", "pro"] {
        eve.submit("/console/plans", &[("name", name)]).await;
    }
    let path = owner(&mut eve).await;
    let assign = |to, before| [("action", "plan"), ("plan", to), ("plan_before", before)];
    eve.open(&path).await.shows(r#"name="plan_before" value="""#);
    eve.submit(&path, &assign("pro", "")).await.shows(r#"name="plan_before" value="pro""#);
    // Forms from before that, and one that does not say from when it is.
    for stale in ["", "free"] {
        let late = eve.post(&path, &assign("free", stale)).await;
        assert!(late.status == 422 && late.text.contains("It has changed since you opened this page"), "{}", late.text);
        assert!(late.text.contains(r#"name="plan" maxlength="50" value="pro""#), "{}", late.text);
    }
    assert_eq!(eve.post(&path, &[("action", "plan"), ("plan", "free")]).await.status, 409);
    eve.open(&path).await.shows(r#"name="plan_before" value="pro""#);
    eve.submit(&path, &assign("free", "pro")).await.shows(r#"name="plan_before" value="free""#);
}

#[tokio::test]
async fn plans_and_their_changes_are_for_administrators_who_have_signed_in_recently() {
    let service = Service::start_with(&[("KEYWARD__CONSOLE__FRESH_SIGN_IN", "5m")]).await;
    let mut alice = Browser::signed_in(&service).await;
    for path in ["/console/plans", "/console/plans/new", FREE] {
        assert_eq!(alice.get(path).await.status, 403, "{path}");
    }
    for path in ["/console/plans", FREE, "/console/owners/one?id=AGFsaWNl"] {
        let fields = [("name", "free"), ("action", "plan"), ("plan", "free"), ("version", "1")];
        assert_eq!(alice.post(path, &fields).await.status, 403, "{path}");
    }
    // Without `auth_time`, nobody knows when eve has proved who she is.
    let mut eve = administrator(&service).await;
    let page = eve.get("/console/plans/new").await;
    assert!(page.status == 403 && page.text.contains("Sign in again first"), "{}", page.text);
    eve.open("/console/plans").await;
    for path in ["/console/plans", FREE, "/console/owners/one?id=AGFsaWNl"] {
        let page = eve.post(path, &[("name", "free"), ("action", "plan"), ("plan", "free"), ("version", "1")]).await;
        assert!(page.status == 403 && page.text.contains("Sign in again first"), "{path}: {}", page.text);
    }
    eve.open("/console/plans").await.shows("There are no plans yet");
}
