//! Who is not let in.

use serde_json::json;
use test_support::{actors::Person, wire::Connection};

use super::{KEY, assert_passed, bearer};
use crate::{
    gateway::Gateway,
    scene::{Scene, assert_is_problem, request},
};

pub(crate) async fn who_has_no_good_credential_is_told_so_and_reaches_nothing<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    let of_the_right_form = format!("{}{}", &key[..key.len() - 1], if key.ends_with('a') { 'b' } else { 'a' });
    for target in ["/", "/orders/7", "/publicly", "/no/such/route"] {
        scene.refuses(401, target, &[]).await;
    }
    for bad in [of_the_right_form.as_str(), "nonsense", "a.b.c"] {
        scene.refuses(401, "/", &[(KEY, bad)]).await;
        scene.refuses(401, "/", &[("Authorization", &bearer(bad))]).await;
    }
    scene.refuses(400, "/", &[(KEY, &key), ("Authorization", &bearer(&key))]).await;
}

pub(crate) async fn who_shows_two_keys_is_told_so<G: Gateway>() {
    refuses_two_keys::<G>(400).await;
}

/// Where a gateway makes one header of two.
pub(crate) async fn two_keys_are_no_key<G: Gateway>() {
    refuses_two_keys::<G>(401).await;
}

async fn refuses_two_keys<G: Gateway>(status: u16) {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await.holder.key;
    scene.refuses(status, "/", &[(KEY, &key), (KEY, &key)]).await;
}

pub(crate) async fn who_lacks_the_scope_is_told_so_and_reaches_nothing<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.key(json!({ "scopes": ["orders:write"] })).await.holder.key;
    let refusal = scene.refuses(403, "/orders/7", &[(KEY, &key)]).await;
    let challenge = refusal.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains(r#"scope="orders:read""#), "{challenge}");
    for target in ["/elsewhere", "/elsewhere?scope=orders:read"] {
        assert_passed(&scene.gets(target, &[(KEY, &key)]).await);
    }
}

pub(crate) async fn a_revoked_key_is_refused_by_the_next_request<G: Gateway>() {
    let scene = Scene::set::<G>().await;
    let key = scene.reader().await;
    let request = request("GET", "/orders/7", &[(KEY, &key.holder.key)], b"");
    let mut connection = Connection::to(&scene.gateway.address()).await;
    for _ in 0..3 {
        connection.send(&request).await;
        assert_passed(&connection.answer().await);
    }
    let revoked = Person::named("alice").deletes(&scene.keyward, &key.path()).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    connection.send(&request).await;
    assert_is_problem(&connection.answer().await, 401);
}
