//! Who is let in, and how the API learns who it is.

use serde_json::json;
use test_support::{
    actors::{Person, claims},
    program::Folder,
};

use super::{KEY, assert_passed, bearer};
use crate::{
    gateway::Gateway,
    scene::{Scene, assert_is_problem, sends},
};

pub(crate) async fn a_good_key_reaches_the_api_as_who_it_is<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.key(json!({ "scopes": ["orders:read", "orders:write"] })).await;
    let secret = key.holder.key.as_str();
    for header in [(KEY, secret), ("Authorization", &bearer(secret))] {
        assert_passed(&scene.gets("/orders/7", &[header]).await);
        let got = scene.last();
        assert_eq!(got.header("x-auth-subject"), Some("alice"));
        assert_eq!(got.header("x-auth-owner"), key.body["owner"]["id"].as_str());
        assert_eq!(got.header("x-auth-key-id"), Some(key.id.as_str()));
        assert_eq!(got.header("x-auth-scopes"), Some("orders:read orders:write"));
        assert_eq!(got.header("x-auth-method"), Some("api_key"));
        assert_eq!(got.header("x-auth-environment"), Some("live"));
    }
}

pub(crate) async fn a_good_token_reaches_the_api_as_who_it_is<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let bob = Person::with_scopes("bob", "orders:read");
    assert_passed(&scene.gets("/orders/7", &[("Authorization", &bearer(&bob.token))]).await);
    let got = scene.last();
    assert_eq!(got.header("x-auth-subject"), Some("bob"));
    assert_eq!(got.header("x-auth-scopes"), Some("orders:read"));
    assert_eq!(got.header("x-auth-method"), Some("token"));
    assert_eq!(got.header("x-auth-key-id"), None);
}

/// As the organisation's, and not as somebody's of that name.
pub(crate) async fn an_organisations_key_reaches_the_api_as_that<G: Gateway>() {
    let scene = Scene::set_with::<G>(&[("KEYWARD__JWT__TENANT_CLAIM", "org")]).await;
    let mut claims = claims("alice");
    claims["org"] = json!("acme");
    let alice = Person::with_claims(&claims);
    let key = alice.creates(&scene.keyward, json!({})).await.holder.key;
    for (credential, subject) in [(&alice.token, Some("alice")), (&key, None)] {
        let forged =
            [("X-Auth-Subject", "mallory"), ("X-Auth-Tenant", "other"), ("Authorization", &bearer(credential))];
        assert_passed(&scene.gets("/", &forged).await);
        let got = scene.last();
        assert_eq!((got.header("x-auth-subject"), got.header("x-auth-tenant")), (subject, Some("acme")));
    }
    assert_passed(&scene.gets("/public/", &[("X-Auth-Tenant", "other")]).await);
    assert_eq!(scene.last().header("x-auth-tenant"), None);
}

pub(crate) async fn a_key_with_as_many_scopes_as_there_can_be_reaches_the_api<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let scopes: Vec<String> = (0..100).map(|number| format!("{number:0>128}")).collect();
    let key = scene.key(json!({ "scopes": scopes })).await.holder.key;
    assert_passed(&scene.gets("/", &[(KEY, &key)]).await);
    assert_eq!(scene.last().header("x-auth-scopes"), Some(scopes.join(" ").as_str()));
}

pub(crate) async fn nobody_is_asked_on_a_public_route<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    assert_passed(&scene.gets("/public/picture", &[]).await);
    assert_passed(&scene.gets("/public/picture", &[(KEY, "nonsense")]).await);
}

/// Besides what the gateway's own file demands.
const POLICY: &str = r#"
[[rules]]
paths = ["/health"]
anonymous = true

[[rules]]
hosts = ["keyward"]
paths = ["/reports/**"]
methods = ["GET"]
scopes_all = ["reports:read"]

[[rules]]
hosts = ["keyward"]
paths = ["/reports/**"]
methods = ["PUT"]
scopes_all = ["reports:write"]
"#;

pub(crate) async fn keywards_policy_decides_by_what_the_client_asks_for<G: Gateway>() {
    let folder = Folder::new();
    let file = folder.file("policy.toml", POLICY);
    let scene = Scene::set_with::<G>(&[("KEYWARD__AUTHORIZE__POLICY_FILE", &file)]).await;
    let reader = scene.key(json!({ "scopes": ["reports:read"] })).await.holder.key;
    for target in ["/reports/7", "/reports/7?method=PUT", "/%72eports/7"] {
        assert_passed(&scene.gets(target, &[(KEY, &reader)]).await);
    }
    let before = scene.api.requests().len();
    let answer = sends(&scene.gateway, "PUT", "/reports/7", &[(KEY, &reader), ("Content-Length", "2")], b"{}").await;
    assert_is_problem(&answer, 403);
    for target in ["/nowhere", "/reportsx"] {
        let answer = scene.gets(target, &[(KEY, &reader)]).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    assert_eq!(scene.api.requests().len(), before);
    // Nobody is somebody, too.
    assert_passed(&scene.gets("/health", &[("X-Auth-Subject", "forged")]).await);
    assert_eq!(scene.last().header("x-auth-subject"), None);
}
